"""The reflector against a real API server, through a proxy on which everything that can go wrong does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from controller.errors import Reason
from controller.kube.apply import Writer
from controller.kube.client import KubeClient
from controller.kube.errors import ForbiddenError, GoneError, KindUnknownError, UnreachableError
from controller.kube.pool import ReflectorPool
from controller.kube.resources import CONFIG_MAPS, CRDS, NAMESPACES, SECRETS, Resource
from controller.kube.watch import Change, Reflector, Source
from tests.e2e.kube.conftest import IMPATIENT, MakeClient, config_map
from tests.support.fault_rules import WATCHES, request
from tests.support.faults import FaultProxy
from tests.support.kubectl import Kubectl
from tests.support.wait import eventually

MANAGER = "tandem:0a1b:test/fabric"


@dataclass
class Witness:
    """Writes down what a reflector tells, as (name, what happened, how it became known)."""

    reflector: Reflector
    changes: list[Change] = field(default_factory=list)
    synced: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reflector.subscribe(self.changes.append, self.synced.append)

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return [(change.key.name, _kind(change), change.source.value) for change in self.changes if _is_ours(change)]

    def forget(self) -> None:
        self.changes.clear()
        self.synced.clear()

    async def sees(self, *expected: tuple[str, str, str]) -> None:
        """Exactly these, in this order, and nothing else."""

        def told() -> bool:
            assert self.told == [*expected]
            return True

        await eventually(told, deadline=60)


def _kind(change: Change) -> str:
    if change.old is None:
        return "new"
    return "gone" if change.new is None else "changed"


def _is_ours(change: Change) -> bool:
    return change.key.name != "kube-root-ca.crt"


def data_of(reflector: Reflector, namespace: str, name: str) -> Any:
    held = reflector.get(namespace, name)
    return held.body.get("data") if held else None


MakeReflector = Callable[..., Any]


@pytest.fixture
async def make_reflector(make_client: MakeClient) -> AsyncIterator[MakeReflector]:
    """Starts impatient reflectors, and stops them before the clients are closed."""
    async with AsyncExitStack() as stack:

        async def make(client: KubeClient, resource: Resource = CONFIG_MAPS, namespace: str | None = None) -> Witness:
            reflector = Reflector(client, resource, namespace, timing=IMPATIENT)
            witness = Witness(reflector)
            reflector.start()
            stack.push_async_callback(reflector.stop)
            return witness

        yield make


@pytest.fixture
async def shaky(make_reflector: MakeReflector, shaky_client: KubeClient, namespace: str, here: Kubectl) -> Witness:
    """A synced reflector of the test's ConfigMaps, of which there are `a` and `b`, through the fault proxy."""
    for name in ("a", "b"):
        here("create", "configmap", name, "--from-literal=x=1")
    witness: Witness = await make_reflector(shaky_client, CONFIG_MAPS, namespace)
    await witness.reflector.wait_synced()
    await witness.sees(("a", "new", "list"), ("b", "new", "list"))
    witness.forget()
    return witness


# ---- what it shows ----


async def test_what_is_there_is_listed_and_what_happens_is_seen_live(
    make_reflector: MakeReflector, client: KubeClient, namespace: str, here: Kubectl
) -> None:
    here("create", "configmap", "a", "--from-literal=x=1")
    witness = await make_reflector(client, CONFIG_MAPS, namespace)
    await witness.reflector.wait_synced()
    here("create", "configmap", "b")
    here.patch("configmap", "a", {"data": {"x": "2"}})
    here("delete", "configmap", "b")
    await witness.sees(("a", "new", "list"), ("b", "new", "watch"), ("a", "changed", "watch"), ("b", "gone", "watch"))
    listed, _, changed, gone = [change for change in witness.changes if _is_ours(change)]
    assert listed.new is not None
    assert listed.new.seen_live is None
    assert changed.new is witness.reflector.get(namespace, "a")
    assert changed.new.seen_live is not None
    assert changed.old is listed.new
    assert gone.key == CONFIG_MAPS.key(namespace, "b")
    assert data_of(witness.reflector, namespace, "a") == {"x": "2"}
    assert witness.reflector.error is None


async def test_the_same_object_reads_the_same_from_a_list_a_line_and_an_answer(
    make_reflector: MakeReflector, client: KubeClient, writer: Writer, namespace: str
) -> None:
    live = await make_reflector(client, CONFIG_MAPS, namespace)
    await live.reflector.wait_synced()
    written = await writer.create(CONFIG_MAPS, CONFIG_MAPS.key(namespace, "a"), config_map("a", {"x": "1"}), MANAGER)
    line = await eventually(lambda: live.reflector.get(namespace, "a"))
    later = await make_reflector(client, CONFIG_MAPS, namespace)
    await later.reflector.wait_synced()
    listed = later.reflector.get(namespace, "a")
    assert listed is not None
    assert written.content == line.content == listed.content
    assert written.managers == line.managers == listed.managers


async def test_a_list_of_several_pages_is_complete(
    make_reflector: MakeReflector, shaky_client: KubeClient, faults: FaultProxy, writer: Writer, namespace: str
) -> None:
    async def create(number: int) -> None:
        name = f"n{number}"
        await writer.create(CONFIG_MAPS, CONFIG_MAPS.key(namespace, name), config_map(name), MANAGER)

    await asyncio.gather(*(create(number) for number in range(1_100)))
    witness = await make_reflector(shaky_client, CONFIG_MAPS, namespace)
    await witness.reflector.wait_synced()
    assert {f"n{number}" for number in range(1_100)} <= {name for _, name in witness.reflector.objects}
    pages = faults.seen(request(method="GET", path="*/configmaps", watch=False))
    assert pages[0].query["limit"] == "500"
    assert len(pages) == 2, "the second page is as long as the first one was short of bytes"


async def test_all_namespaces_and_cluster_scoped_kinds_are_one_watch_each(
    make_reflector: MakeReflector, client: KubeClient, namespace: str, here: Kubectl
) -> None:
    here("create", "configmap", "a")
    everywhere = await make_reflector(client, CONFIG_MAPS)
    namespaces = await make_reflector(client, NAMESPACES)
    await everywhere.reflector.wait_synced()
    await namespaces.reflector.wait_synced()
    assert everywhere.reflector.get(namespace, "a") is not None
    assert namespaces.reflector.get("", namespace) is not None


async def test_a_subscriber_that_fails_harms_nobody(shaky: Witness, here: Kubectl) -> None:
    def fail(_: Change) -> None:
        raise RuntimeError("a bug in a subscriber")

    unsubscribe = shaky.reflector.subscribe(fail)
    second = Witness(shaky.reflector)
    here("create", "configmap", "c")
    await shaky.sees(("c", "new", "watch"))
    await second.sees(("c", "new", "watch"))
    unsubscribe()
    unsubscribe()  # once more is no harm


async def test_an_unsubscribed_subscriber_hears_nothing_more(shaky: Witness, here: Kubectl) -> None:
    heard: list[Change] = []
    shaky.reflector.subscribe(heard.append)()
    here("create", "configmap", "c")
    await shaky.sees(("c", "new", "watch"))
    assert heard == []


async def test_a_stopped_reflector_knows_nothing_for_sure(shaky: Witness, namespace: str) -> None:
    await shaky.reflector.stop()
    assert not shaky.reflector.synced
    assert shaky.synced == [False]
    assert data_of(shaky.reflector, namespace, "a") == {"x": "1"}


# ---- cut off ----


def delete_and_recreate(here: Kubectl) -> None:
    """`a` goes, `b` goes and comes back as another object, `c` comes."""
    here("delete", "configmap", "a", "b")
    here("create", "configmap", "b", "--from-literal=x=2")
    here("create", "configmap", "c")


async def test_a_cut_watch_is_resumed_where_it_was_and_nothing_becomes_unknown(
    shaky: Witness, faults: FaultProxy, here: Kubectl, namespace: str
) -> None:
    lists = len(faults.seen(request(watch=False)))
    with faults.hold(when=WATCHES) as gate:
        assert faults.cut() == 1
        await eventually(lambda: gate.arrived)
        delete_and_recreate(here)
    await shaky.sees(("a", "gone", "watch"), ("b", "gone", "watch"), ("b", "new", "watch"), ("c", "new", "watch"))
    assert shaky.synced == []
    assert len(faults.seen(request(watch=False))) == lists
    assert data_of(shaky.reflector, namespace, "b") == {"x": "2"}


async def test_after_an_outage_what_was_deleted_and_created_again_is_found_by_comparing(
    shaky: Witness, faults: FaultProxy, here: Kubectl, namespace: str
) -> None:
    outage = faults.refuse()
    assert faults.cut() == 1
    await eventually(lambda: not shaky.reflector.synced)
    assert "cannot be reached" in str(shaky.reflector.error)
    delete_and_recreate(here)
    outage.lift()
    await shaky.sees(("a", "gone", "list"), ("b", "gone", "list"), ("b", "new", "list"), ("c", "new", "list"))
    await eventually(lambda: shaky.reflector.synced)
    assert shaky.synced == [False, True]
    assert shaky.reflector.error is None
    assert data_of(shaky.reflector, namespace, "b") == {"x": "2"}


async def test_a_watch_that_the_server_ends_is_continued(shaky: Witness, faults: FaultProxy, here: Kubectl) -> None:
    assert faults.end() == 1
    here("create", "configmap", "c")
    await shaky.sees(("c", "new", "watch"))
    assert shaky.synced == []


@pytest.mark.parametrize("how", ["an ERROR event", "an HTTP status"])
async def test_what_was_deleted_and_created_again_before_a_410_is_found_by_comparing(
    shaky: Witness, faults: FaultProxy, here: Kubectl, namespace: str, how: str
) -> None:
    before = shaky.reflector.list_resource_version
    with faults.hold(when=request(path="*/configmaps", watch=False)) as gate:
        if how == "an ERROR event":
            assert faults.expire() == 1
        else:
            faults.answer(410, when=WATCHES, times=1)
            assert faults.cut() == 1
        await eventually(lambda: gate.arrived)
        delete_and_recreate(here)
    await shaky.sees(("a", "gone", "list"), ("b", "gone", "list"), ("b", "new", "list"), ("c", "new", "list"))
    await eventually(lambda: shaky.reflector.synced)
    assert shaky.synced == [False, True]
    assert int(shaky.reflector.list_resource_version) > int(before)
    gone, new = shaky.changes[1], shaky.changes[2]
    assert gone.old is not None
    assert new.new is not None
    assert gone.old.uid != new.new.uid
    assert new.new.seen_live is None


async def test_a_continue_token_that_expired_means_another_list(
    make_reflector: MakeReflector, shaky_client: KubeClient, faults: FaultProxy, namespace: str, here: Kubectl
) -> None:
    here("create", "configmap", "a")
    expired = faults.answer(410, when=request(path="*/configmaps", watch=False), times=2)
    witness = await make_reflector(shaky_client, CONFIG_MAPS, namespace)
    await eventually(lambda: isinstance(witness.reflector.error, GoneError))
    await witness.reflector.wait_synced()
    assert len(expired.hits) == 2
    await witness.sees(("a", "new", "list"))


async def test_a_connection_that_went_dead_is_noticed(shaky: Witness, faults: FaultProxy, here: Kubectl) -> None:
    assert faults.freeze() == 1
    here("create", "configmap", "c")
    await shaky.sees(("c", "new", "watch"))


async def test_a_half_closed_connection_is_noticed(shaky: Witness, faults: FaultProxy, here: Kubectl) -> None:
    assert faults.half_close() == 1
    here("create", "configmap", "c")
    await shaky.sees(("c", "new", "watch"))


@pytest.mark.parametrize("status", [500, 503, 504])
async def test_a_server_in_trouble_is_waited_for(
    shaky: Witness, faults: FaultProxy, here: Kubectl, status: int
) -> None:
    trouble = faults.answer(status, when=WATCHES)
    faults.cut()
    await eventually(lambda: not shaky.reflector.synced)
    assert isinstance(shaky.reflector.error, UnreachableError)
    here("create", "configmap", "c")
    trouble.lift()
    await eventually(lambda: shaky.reflector.synced)
    await shaky.sees(("c", "new", "list"))


async def test_a_server_in_trouble_while_listing_is_waited_for(
    make_reflector: MakeReflector, shaky_client: KubeClient, faults: FaultProxy, namespace: str
) -> None:
    trouble = faults.answer(500, when=request(watch=False))
    witness = await make_reflector(shaky_client, CONFIG_MAPS, namespace)
    await eventually(lambda: len(trouble.hits) > 2)
    assert not witness.reflector.synced
    assert witness.reflector.error.reason is Reason.API_UNREACHABLE
    trouble.lift()
    await witness.reflector.wait_synced()
    assert witness.reflector.error is None


async def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(
    shaky: Witness, faults: FaultProxy, here: Kubectl
) -> None:
    lists = len(faults.seen(request(watch=False)))
    busy = faults.answer(429, when=WATCHES, times=2, headers={"Retry-After": "1"})
    faults.cut()
    here("create", "configmap", "c")
    await eventually(lambda: getattr(shaky.reflector.error, "retry_after", 0.0) >= 1.0)
    await shaky.sees(("c", "new", "watch"))
    assert len(busy.hits) == 2
    assert len(faults.seen(request(watch=False))) == lists, "a busy server is not asked for a list"


async def test_nonsense_in_a_watch_means_another_list_and_not_the_end(
    shaky: Witness, faults: FaultProxy, here: Kubectl
) -> None:
    assert faults._each(WATCHES, lambda stream: stream.last_words.set_result(b'{"type":"ADDED"}\n')) == 1
    here("create", "configmap", "c")
    await eventually(lambda: len(shaky.told) == 1 and shaky.reflector.synced)
    assert shaky.told[0][:2] == ("c", "new")


# ---- not allowed, not served ----


async def test_what_may_not_be_read_is_unknown_until_it_may(
    make_reflector: MakeReflector, make_client: MakeClient, namespace: str, here: Kubectl, faults: FaultProxy
) -> None:
    here("create", "configmap", "a")
    client = await make_client(faults.kubeconfig_of("bob"))
    witness = await make_reflector(client, CONFIG_MAPS, namespace)
    await eventually(lambda: isinstance(witness.reflector.error, ForbiddenError))
    assert not witness.reflector.synced
    assert witness.reflector.error.reason is Reason.FORBIDDEN

    here("create", "role", "reader", "--verb=get,list,watch", "--resource=configmaps")
    here("create", "rolebinding", "reader", "--role=reader", "--user=bob")
    await witness.reflector.wait_synced()
    await witness.sees(("a", "new", "list"))

    here("delete", "rolebinding", "reader")
    here("delete", "configmap", "a")
    await witness.sees(("a", "new", "list"), ("a", "gone", "watch"))  # an open watch outlives the permission
    faults.cut()
    await eventually(lambda: not witness.reflector.synced)
    assert isinstance(witness.reflector.error, ForbiddenError)


async def test_a_list_without_a_watch_is_not_enough_to_know(
    make_reflector: MakeReflector, make_client: MakeClient, namespace: str, here: Kubectl, kubectl: Kubectl
) -> None:
    here("create", "configmap", "a")
    here("create", "role", "lister", "--verb=list", "--resource=configmaps")
    here("create", "rolebinding", "lister", "--role=lister", "--user=bob")
    client = await make_client(kubectl.kubeconfig.parent / "bob.kubeconfig")
    witness = await make_reflector(client, CONFIG_MAPS, namespace)
    await eventually(lambda: isinstance(witness.reflector.error, ForbiddenError))
    assert witness.synced == []


async def test_a_kind_that_is_served_later_is_listed_then(
    make_reflector: MakeReflector, client: KubeClient, kubectl: Kubectl, namespace: str
) -> None:
    things = Resource("watch.tandem.dev", "v1", "Thing", "things", namespaced=True)
    witness = await make_reflector(client, things, namespace)
    await eventually(lambda: isinstance(witness.reflector.error, KindUnknownError))
    kubectl("apply", "-f", "-", stdin=CRD)
    try:
        await witness.reflector.wait_synced()
        kubectl("apply", "-n", namespace, "-f", "-", stdin=THING)
        await witness.sees(("one", "new", "watch"))
        assert witness.reflector.get(namespace, "one").body["spec"] == {"size": 3}
    finally:
        kubectl("delete", "crd", "things.watch.tandem.dev")
    await witness.sees(("one", "new", "watch"), ("one", "gone", "watch"))
    await eventually(lambda: isinstance(witness.reflector.error, KindUnknownError), deadline=20)
    assert not witness.reflector.synced


async def test_a_field_that_its_crd_lost_is_gone_at_the_same_resource_version_after_a_new_list(
    make_reflector: MakeReflector, client: KubeClient, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("apply", "-f", "-", stdin=CRD)
    things = Resource("watch.tandem.dev", "v1", "Thing", "things", namespaced=True)
    try:
        kubectl("wait", "--for=condition=Established", "crd/things.watch.tandem.dev")
        kubectl("apply", "-n", namespace, "-f", "-", stdin=THING)
        witness = await make_reflector(client, things, namespace)
        await witness.reflector.wait_synced()
        before = witness.reflector.get(namespace, "one")
        kubectl("apply", "-f", "-", stdin=CRD.replace("size: {type: integer}", "other: {type: integer}"))

        async def reads_without_it() -> bool:
            return not (await client.get(things, namespace, "one"))["spec"]

        await eventually(reads_without_it)
        assert witness.reflector.get(namespace, "one") == before
        witness.reflector.relist()
        await eventually(lambda: witness.reflector.synced)
        after = witness.reflector.get(namespace, "one")
        assert after.body["spec"] == {}
        assert after.resource_version == before.resource_version
        assert witness.changes[-1] == Change(things.key(namespace, "one"), before, after, Source.LIST)
    finally:
        kubectl("delete", "crd", "things.watch.tandem.dev")


CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.watch.tandem.dev}
spec:
  group: watch.tandem.dev
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer}
"""
THING = "{apiVersion: watch.tandem.dev/v1, kind: Thing, metadata: {name: one}, spec: {size: 3}}"


# ---- our own writes ----


@pytest.fixture
async def watched(shaky_pool: ReflectorPool, namespace: str) -> Witness:
    """A synced reflector of the pool that `shaky_writer` tells."""
    witness = Witness(shaky_pool.acquire(CONFIG_MAPS, namespace))
    await witness.reflector.wait_synced()
    await eventually(lambda: ("", "") not in witness.reflector.objects)
    return witness


@pytest.fixture
def shaky_writer(shaky_client: KubeClient, shaky_pool: ReflectorPool) -> Writer:
    return Writer(shaky_client, shaky_pool)


async def test_the_answer_to_a_write_is_in_the_cache_at_once_and_its_echo_is_no_news(
    watched: Witness, shaky_writer: Writer, namespace: str, here: Kubectl
) -> None:
    key = CONFIG_MAPS.key(namespace, "a")
    made = await shaky_writer.create(CONFIG_MAPS, key, config_map("a", {"x": "1"}), MANAGER)
    assert watched.reflector.get(namespace, "a") == made
    updated = await shaky_writer.update(
        CONFIG_MAPS,
        key,
        config_map("a", {"x": "2"}),
        MANAGER,
        uid=made.uid,
        resource_version=made.resource_version,
    )
    assert watched.reflector.get(namespace, "a") == updated
    assert await shaky_writer.delete(CONFIG_MAPS, key, uid=made.uid) is None
    assert watched.reflector.get(namespace, "a") is None
    here("create", "configmap", "marker")
    await watched.sees(("a", "new", "own"), ("a", "changed", "own"), ("a", "gone", "own"), ("marker", "new", "watch"))


async def test_an_echo_that_is_faster_than_its_answer_waits_for_it(
    watched: Witness, shaky_writer: Writer, faults: FaultProxy, namespace: str, here: Kubectl
) -> None:
    key = CONFIG_MAPS.key(namespace, "a")
    with faults.hold_answer(when=request(method="PATCH")) as gate:
        writing = asyncio.create_task(shaky_writer.create(CONFIG_MAPS, key, config_map("a", {"x": "1"}), MANAGER))
        await eventually(lambda: gate.arrived)
        here("create", "configmap", "marker")
        await watched.sees(("marker", "new", "watch"))
    await writing
    await watched.sees(("marker", "new", "watch"), ("a", "new", "own"))


async def test_somebodys_edit_and_deletion_right_after_our_write_are_told_although_the_answer_is_late(
    watched: Witness, shaky_writer: Writer, faults: FaultProxy, namespace: str, here: Kubectl
) -> None:
    key = CONFIG_MAPS.key(namespace, "a")
    with faults.hold_answer(when=request(method="PATCH")) as gate:
        writing = asyncio.create_task(shaky_writer.create(CONFIG_MAPS, key, config_map("a", {"x": "1"}), MANAGER))
        await eventually(lambda: gate.arrived)
        here.patch("configmap", "a", {"data": {"x": "edited"}})
        here("delete", "configmap", "a")
        here("create", "configmap", "marker")
        await watched.sees(("marker", "new", "watch"))
    await writing
    await watched.sees(
        ("marker", "new", "watch"), ("a", "new", "own"), ("a", "changed", "watch"), ("a", "gone", "watch")
    )


async def test_a_write_whose_answer_was_lost_is_seen_by_the_watch(
    watched: Witness, shaky_writer: Writer, faults: FaultProxy, namespace: str
) -> None:
    key = CONFIG_MAPS.key(namespace, "a")
    faults.lose_answer(when=request(method="PATCH"), times=1)
    with pytest.raises(UnreachableError):
        await shaky_writer.create(CONFIG_MAPS, key, config_map("a", {"x": "1"}), MANAGER)
    await watched.sees(("a", "new", "watch"))


async def test_a_refused_write_leaves_the_cache_alone(
    watched: Witness, shaky_writer: Writer, namespace: str, here: Kubectl
) -> None:
    here("create", "configmap", "a")
    await watched.sees(("a", "new", "watch"))
    key = CONFIG_MAPS.key(namespace, "a")
    with pytest.raises(Exception, match="modified"):
        await shaky_writer.create(CONFIG_MAPS, key, config_map("a", {"x": "1"}), MANAGER)
    here.patch("configmap", "a", {"data": {"x": "2"}})
    await watched.sees(("a", "new", "watch"), ("a", "changed", "watch"))


async def test_a_write_onto_any_state_is_told_by_the_watch_with_all_that_came_before(
    watched: Witness, shaky_writer: Writer, faults: FaultProxy, namespace: str, here: Kubectl
) -> None:
    """Its answer may hold somebody's edit that no line has shown: dropped as an echo, nobody would hear of the edit."""
    key = CONFIG_MAPS.key(namespace, "a")
    made = await shaky_writer.create(CONFIG_MAPS, key, config_map("a", {"x": "1"}), MANAGER)
    faults.freeze()
    here.patch("configmap", "a", {"data": {"theirs": "1"}})
    body = config_map("a", {"x": "1", "y": "1"})
    await shaky_writer.update_unforced(CONFIG_MAPS, key, body, MANAGER, uid=made.uid)
    faults.thaw()
    await watched.sees(("a", "new", "own"), ("a", "changed", "watch"), ("a", "changed", "watch"))


async def test_many_writes_at_once_make_no_news_but_their_own(
    watched: Witness, shaky_writer: Writer, namespace: str, here: Kubectl
) -> None:
    async def write(number: int) -> None:
        key = CONFIG_MAPS.key(namespace, f"n{number}")
        made = await shaky_writer.create(CONFIG_MAPS, key, config_map(key.name, {"x": "1"}), MANAGER)
        body = config_map(key.name, {"x": "2"})
        await shaky_writer.update(CONFIG_MAPS, key, body, MANAGER, uid=made.uid, resource_version=made.resource_version)

    await asyncio.gather(*(write(number) for number in range(200)))
    here("create", "configmap", "marker")
    await eventually(lambda: watched.reflector.get(namespace, "marker") is not None)
    assert {source for name, _, source in watched.told if name != "marker"} == {"own"}
    assert len(watched.told) == 401


async def test_a_list_that_is_slower_than_our_write_does_not_undo_it(
    watched: Witness, shaky_writer: Writer, faults: FaultProxy, namespace: str, here: Kubectl
) -> None:
    with faults.hold_answer(when=request(path="*/configmaps", watch=False)) as gate:
        faults.expire()
        await eventually(lambda: gate.arrived)
        key = CONFIG_MAPS.key(namespace, "a")
        made = await shaky_writer.create(CONFIG_MAPS, key, config_map("a", {"x": "1"}), MANAGER)
    await eventually(lambda: watched.reflector.synced)
    assert watched.reflector.get(namespace, "a") == made
    here("create", "configmap", "marker")
    await watched.sees(("a", "new", "own"), ("marker", "new", "watch"))


# ---- sharing ----


async def test_a_pool_shares_one_watch_and_ends_it_with_the_last_user(
    shaky_pool: ReflectorPool, faults: FaultProxy, namespace: str
) -> None:
    first, second = shaky_pool.acquire(CONFIG_MAPS, namespace), shaky_pool.acquire(CONFIG_MAPS, namespace)
    everywhere = shaky_pool.acquire(CONFIG_MAPS)
    assert first is second
    assert first is not everywhere
    await first.wait_synced()
    await everywhere.wait_synced()
    assert len(faults.streams()) == 2
    shaky_pool.release(first)
    shaky_pool.release(everywhere)
    await eventually(lambda: len(faults.streams()) == 1)
    assert second.synced
    shaky_pool.release(second)
    await eventually(lambda: not faults.streams())
    assert shaky_pool.acquire(CONFIG_MAPS, namespace) is not first


async def test_a_write_is_told_to_every_reflector_that_covers_it(
    shaky_pool: ReflectorPool, shaky_writer: Writer, namespace: str, kubectl: Kubectl
) -> None:
    within, everywhere = shaky_pool.acquire(CONFIG_MAPS, namespace), shaky_pool.acquire(CONFIG_MAPS)
    elsewhere = shaky_pool.acquire(CONFIG_MAPS, "default")
    for reflector in (within, everywhere, elsewhere):
        await reflector.wait_synced()
    key = CONFIG_MAPS.key(namespace, "a")
    made = await shaky_writer.create(CONFIG_MAPS, key, config_map("a"), MANAGER)
    assert within.get(namespace, "a") == everywhere.get(namespace, "a") == made
    assert elsewhere.get(namespace, "a") is None


async def test_helms_release_secrets_are_never_listed_nor_watched(
    shaky_pool: ReflectorPool, namespace: str, here: Kubectl
) -> None:
    here("create", "secret", "generic", "sh.helm.release.v1.web.v1", "--type=helm.sh/release.v1")
    here("create", "secret", "generic", "mine")
    reflector = shaky_pool.acquire(SECRETS, namespace)
    await reflector.wait_synced()
    assert [name for _, name in reflector.objects] == ["mine"]
    here("create", "secret", "generic", "sh.helm.release.v1.web.v2", "--type=helm.sh/release.v1")
    here("create", "secret", "generic", "other")
    await eventually(lambda: reflector.get(namespace, "other") is not None)
    assert sorted(name for _, name in reflector.objects) == ["mine", "other"]


async def test_a_pool_lists_anew_what_changed_its_definition(
    shaky_pool: ReflectorPool, faults: FaultProxy, namespace: str
) -> None:
    maps, crds = shaky_pool.acquire(CONFIG_MAPS, namespace), shaky_pool.acquire(CRDS)
    await maps.wait_synced()
    await crds.wait_synced()
    before = len(faults.seen(request(watch=False)))
    shaky_pool.relist([CONFIG_MAPS.group_kind])
    assert not maps.synced
    assert crds.synced
    await maps.wait_synced()
    lists = faults.seen(request(watch=False))[before:]
    assert [seen.path for seen in lists] == [CONFIG_MAPS.path(namespace)]
