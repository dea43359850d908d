"""What the API server makes of each write: the facts that the sync engine stands on, one test each."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from controller.errors import Reason
from controller.kube.apply import Writer
from controller.kube.client import KubeClient
from controller.kube.errors import (
    AlreadyExistsError,
    ChangedMeanwhileError,
    ConflictError,
    ForbiddenError,
    KindUnknownError,
    NamespaceMissingError,
    NotFoundError,
    RefusedError,
)
from controller.kube.projection import CachedObject
from controller.kube.resources import CONFIG_MAPS, CRDS, NAMESPACES, SECRETS, Resource
from controller.objects import ObjectKey, canonical
from tests.e2e.kube.conftest import MakeClient, config_map
from tests.support.kubectl import Kubectl
from tests.support.wait import eventually

MANAGER = "tandem:0a1b:test/fabric"
DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments", namespaced=True)
JOBS = Resource("batch", "v1", "Job", "jobs", namespaced=True)
PODS = Resource("", "v1", "Pod", "pods", namespaced=True)
ANOTHER_UID = "8f9a0a0e-0000-0000-0000-000000000000"


@pytest.fixture
def key(namespace: str) -> ObjectKey:
    return CONFIG_MAPS.key(namespace, "a")


async def create(writer: Writer, key: ObjectKey, data: dict[str, str], manager: str = MANAGER) -> CachedObject:
    return await writer.create(CONFIG_MAPS, key, config_map(key.name, data), manager)


async def update(
    writer: Writer, key: ObjectKey, data: dict[str, str], made: CachedObject, manager: str = MANAGER
) -> CachedObject:
    body = config_map(key.name, data)
    return await writer.update(CONFIG_MAPS, key, body, manager, uid=made.uid, resource_version=made.resource_version)


def data_of(one: CachedObject | None) -> Any:
    assert one is not None
    return one.body.get("data")


def managers_of(one: CachedObject) -> set[str]:
    return {entry["manager"] for entry in one.managed_fields}


# ---- create ----


async def test_an_apply_with_resource_version_1_creates_what_is_absent(writer: Writer, key: ObjectKey) -> None:
    made = await create(writer, key, {"a": "1"})
    assert (data_of(made), managers_of(made)) == ({"a": "1"}, {MANAGER})
    assert await writer.read(CONFIG_MAPS, key) == made


async def test_an_apply_with_resource_version_1_is_refused_where_something_is(writer: Writer, key: ObjectKey) -> None:
    made = await create(writer, key, {"a": "1"})
    with pytest.raises(ChangedMeanwhileError):
        await create(writer, key, {"b": "2"}, "somebody-else")
    assert await writer.read(CONFIG_MAPS, key) == made


async def test_an_apply_without_a_resource_version_merges_silently_into_what_appeared(
    writer: Writer, key: ObjectKey, here: Kubectl
) -> None:
    here("create", "configmap", "a", "--from-literal=theirs=1")
    merged = await writer.update_unforced(CONFIG_MAPS, key, config_map("a", {"ours": "1"}), MANAGER, uid="")
    assert data_of(merged) == {"theirs": "1", "ours": "1"}


# ---- update ----


async def test_an_update_onto_the_state_it_was_made_from_is_applied(writer: Writer, key: ObjectKey) -> None:
    made = await create(writer, key, {"a": "1", "b": "1"})
    updated = await update(writer, key, {"a": "2"}, made)
    assert data_of(updated) == {"a": "2"}
    assert updated.uid == made.uid
    assert updated.is_newer_than(made)


async def test_an_apply_with_a_stale_resource_version_is_refused(writer: Writer, key: ObjectKey, here: Kubectl) -> None:
    made = await create(writer, key, {"a": "1"})
    here.patch("configmap", "a", {"data": {"a": "edited"}})
    with pytest.raises(ChangedMeanwhileError):
        await update(writer, key, {"a": "2"}, made)
    assert data_of(await writer.read(CONFIG_MAPS, key)) == {"a": "edited"}


async def test_an_update_does_not_bring_back_what_was_deleted_meanwhile(
    writer: Writer, key: ObjectKey, here: Kubectl
) -> None:
    made = await create(writer, key, {"a": "1"})
    here("delete", "configmap", "a")
    with pytest.raises(ChangedMeanwhileError, match="no existing object was found"):
        await update(writer, key, {"a": "2"}, made)
    assert await writer.read(CONFIG_MAPS, key) is None


async def test_a_resource_version_without_a_uid_would_bring_back_what_was_deleted(
    client: KubeClient, writer: Writer, key: ObjectKey, here: Kubectl
) -> None:
    made = await create(writer, key, {"a": "1"})
    here("delete", "configmap", "a")
    body = config_map("a", {"a": "2"}, resourceVersion=made.resource_version)
    query = "fieldManager=x&force=true"
    await client.request("PATCH", CONFIG_MAPS.path(key.namespace, "a"), query, body, "application/apply-patch+yaml")
    assert data_of(await writer.read(CONFIG_MAPS, key)) == {"a": "2"}


async def test_an_update_does_not_touch_a_successor(writer: Writer, key: ObjectKey, here: Kubectl) -> None:
    made = await create(writer, key, {"a": "1"})
    here("delete", "configmap", "a")
    here("create", "configmap", "a", "--from-literal=theirs=1")
    with pytest.raises(ChangedMeanwhileError):
        await update(writer, key, {"a": "2"}, made)
    with pytest.raises(ChangedMeanwhileError):
        await writer.update_unforced(CONFIG_MAPS, key, config_map("a", {"a": "2"}), MANAGER, uid=made.uid)
    assert data_of(await writer.read(CONFIG_MAPS, key)) == {"theirs": "1"}


async def test_an_apply_of_the_same_content_changes_nothing(writer: Writer, key: ObjectKey) -> None:
    made = await create(writer, key, {"a": "1"})
    assert await update(writer, key, {"a": "1"}, made) == made


async def test_an_update_takes_fields_from_others_by_force(writer: Writer, key: ObjectKey, here: Kubectl) -> None:
    await create(writer, key, {"a": "1"})
    here.patch("configmap", "a", {"data": {"a": "edited"}}, "--field-manager=kubectl-edit")
    live = await writer.read(CONFIG_MAPS, key)
    assert live is not None
    updated = await update(writer, key, {"a": "2"}, live)
    assert (data_of(updated), managers_of(updated)) == ({"a": "2"}, {MANAGER})


async def test_without_force_a_field_of_another_manager_is_a_conflict_that_names_both(
    writer: Writer, key: ObjectKey
) -> None:
    made = await create(writer, key, {"a": "1"}, "first")
    with pytest.raises(ConflictError) as caught:
        await writer.update_unforced(CONFIG_MAPS, key, config_map("a", {"a": "2"}), "second", uid=made.uid)
    assert caught.value.claims == (("first", ".data.a"),)
    assert caught.value.reason is Reason.OWNED_BY_OTHER


async def test_an_edit_moves_the_ownership_of_the_field_to_the_editor(
    writer: Writer, key: ObjectKey, here: Kubectl
) -> None:
    await create(writer, key, {"a": "1"})
    here.patch("configmap", "a", {"data": {"a": "edited"}}, "--field-manager=kubectl-edit")
    live = await writer.read(CONFIG_MAPS, key)
    assert live is not None
    owners = {entry["manager"]: entry["fieldsV1"] for entry in live.managed_fields}
    assert "f:a" in owners["kubectl-edit"]["f:data"]
    assert "f:data" not in owners.get(MANAGER, {})


async def test_two_managers_apply_the_same_and_one_that_forces_evicts_the_other_silently(
    writer: Writer, key: ObjectKey
) -> None:
    made = await create(writer, key, {"a": "1"}, "first")
    shared = await writer.update_unforced(CONFIG_MAPS, key, config_map("a", {"a": "1"}), "second", uid=made.uid)
    assert managers_of(shared) == {"first", "second"}
    forced = await update(writer, key, {"a": "2"}, shared, "second")
    assert managers_of(forced) == {"second"}


async def test_an_apply_onto_a_terminating_object_is_taken_and_shows_that_it_is(
    writer: Writer, key: ObjectKey, here: Kubectl
) -> None:
    body = config_map("a", {"a": "1"}, finalizers=["tandem.dev/test"])
    made = await writer.create(CONFIG_MAPS, key, body, MANAGER)
    held = await writer.delete(CONFIG_MAPS, key, uid=made.uid, resource_version=made.resource_version)
    assert held is not None
    assert held.deleting
    body = config_map("a", {"a": "2"}, finalizers=["tandem.dev/test"])
    updated = await writer.update(CONFIG_MAPS, key, body, MANAGER, uid=held.uid, resource_version=held.resource_version)
    assert (data_of(updated), updated.deleting) == ({"a": "2"}, True)
    here.patch("configmap", "a", [{"op": "remove", "path": "/metadata/finalizers"}])


async def test_an_update_goes_through_beside_a_status_that_changes_all_the_time_when_tried_again(
    writer: Writer, namespace: str
) -> None:
    key = DEPLOYMENTS.key(namespace, "web")
    made = await writer.create(DEPLOYMENTS, key, deployment("web"), MANAGER)
    stop = asyncio.Event()

    async def churn() -> None:
        for number in itertools.count(1):
            if stop.is_set():
                return
            await writer.patch_status(DEPLOYMENTS, key, {"observedGeneration": number}, "churn")

    churning = asyncio.create_task(churn())
    try:
        with pytest.raises(ChangedMeanwhileError):
            for _ in range(100):  # the state that was seen first is over at once
                await writer.update(
                    DEPLOYMENTS, key, deployment("web"), MANAGER, uid=made.uid, resource_version=made.resource_version
                )

        async def try_again() -> CachedObject:
            live = await writer.read(DEPLOYMENTS, key)
            assert live is not None
            assert live.content == made.content  # a status is no change of the content
            body = deployment("web", replicas=0, revisionHistoryLimit=3)
            return await writer.update(
                DEPLOYMENTS, key, body, MANAGER, uid=live.uid, resource_version=live.resource_version
            )

        updated = await eventually(try_again, ignoring=(ChangedMeanwhileError,), poll=0)
    finally:
        stop.set()
        await churning
    assert updated.body["spec"]["revisionHistoryLimit"] == 3


# ---- removals ----


async def test_an_apply_that_drops_a_field_removes_it_if_only_we_own_it(writer: Writer, key: ObjectKey) -> None:
    made = await create(writer, key, {"a": "1", "b": "1"})
    assert data_of(await update(writer, key, {"a": "1"}, made)) == {"a": "1"}


async def test_a_field_that_was_edited_and_written_back_stays_when_an_apply_drops_it(
    writer: Writer, key: ObjectKey, here: Kubectl
) -> None:
    """The reason for `patch_json`: the editor's entry owns the field for ever after."""
    await create(writer, key, {"a": "1", "b": "1"})
    here.patch("configmap", "a", {"data": {"b": "edited"}}, "--field-manager=kubectl-edit")
    written_back = await writer.update_unforced(
        CONFIG_MAPS, key, config_map("a", {"a": "1", "b": "edited"}), MANAGER, uid=(await read(writer, key)).uid
    )
    left = await update(writer, key, {"a": "1"}, written_back)
    assert data_of(left) == {"a": "1", "b": "edited"}

    removed = await writer.patch_json(
        CONFIG_MAPS,
        key,
        [{"op": "remove", "path": "/data/b"}],
        MANAGER,
        uid=left.uid,
        resource_version=left.resource_version,
    )
    assert data_of(removed) == {"a": "1"}


@pytest.mark.parametrize("guard", ["uid", "resourceVersion", "list key", "absent path"])
async def test_a_json_patch_whose_test_fails_means_that_somebody_was_faster(
    writer: Writer, namespace: str, guard: str
) -> None:
    key = DEPLOYMENTS.key(namespace, "web")
    made = await writer.create(DEPLOYMENTS, key, deployment("web"), MANAGER)
    path = "/spec/template/spec/containers/0"
    operations: list[Any] = [{"op": "replace", "path": f"{path}/image", "value": "other"}]
    if guard == "list key":
        operations.insert(0, {"op": "test", "path": f"{path}/name", "value": "another"})
    if guard == "absent path":
        operations.append({"op": "remove", "path": f"{path}/workingDir"})
    with pytest.raises(ChangedMeanwhileError):
        await writer.patch_json(
            DEPLOYMENTS,
            key,
            operations,
            MANAGER,
            uid=ANOTHER_UID if guard == "uid" else made.uid,
            resource_version="2" if guard == "resourceVersion" else made.resource_version,
        )
    live = await writer.read(DEPLOYMENTS, key)
    assert live is not None
    assert live.content == made.content


async def test_a_json_patch_without_a_resource_version_is_made_onto_any_state(
    writer: Writer, key: ObjectKey, here: Kubectl
) -> None:
    made = await create(writer, key, {"a": "1", "b": "1"})
    here.patch("configmap", "a", {"data": {"c": "theirs"}})
    operations = [{"op": "test", "path": "/data/b", "value": "1"}, {"op": "remove", "path": "/data/b"}]
    patched = await writer.patch_json(CONFIG_MAPS, key, operations, MANAGER, uid=made.uid)
    assert data_of(patched) == {"a": "1", "c": "theirs"}


async def test_a_json_patch_of_what_is_not_there_is_not_found(writer: Writer, key: ObjectKey) -> None:
    with pytest.raises(NotFoundError):
        await writer.patch_json(CONFIG_MAPS, key, [], MANAGER, uid=ANOTHER_UID)


async def test_a_removed_field_with_a_default_comes_back_as_the_servers_own(writer: Writer, namespace: str) -> None:
    key = DEPLOYMENTS.key(namespace, "web")
    body = deployment("web", revisionHistoryLimit=5)
    made = await writer.create(DEPLOYMENTS, key, body, MANAGER)
    operations = [{"op": "remove", "path": "/spec/revisionHistoryLimit"}]
    patched = await writer.patch_json(
        DEPLOYMENTS, key, operations, MANAGER, uid=made.uid, resource_version=made.resource_version
    )
    assert patched.body["spec"]["revisionHistoryLimit"] == 10
    again = await writer.patch_json(
        DEPLOYMENTS, key, operations, MANAGER, uid=patched.uid, resource_version=patched.resource_version
    )
    assert again.resource_version == patched.resource_version


# ---- deletes ----


async def test_a_delete_ends_the_object(writer: Writer, key: ObjectKey) -> None:
    made = await create(writer, key, {"a": "1"})
    assert await writer.delete(CONFIG_MAPS, key, uid=made.uid, resource_version=made.resource_version) is None
    assert await writer.read(CONFIG_MAPS, key) is None


@pytest.mark.parametrize("guard", ["uid", "resourceVersion"])
async def test_a_delete_whose_preconditions_do_not_hold_is_refused(writer: Writer, key: ObjectKey, guard: str) -> None:
    made = await create(writer, key, {"a": "1"})
    with pytest.raises(ChangedMeanwhileError):
        await writer.delete(
            CONFIG_MAPS,
            key,
            uid=ANOTHER_UID if guard == "uid" else made.uid,
            resource_version="2" if guard == "resourceVersion" else made.resource_version,
        )
    assert await writer.read(CONFIG_MAPS, key) == made


async def test_a_delete_by_uid_alone_takes_the_object_in_any_state(
    writer: Writer, key: ObjectKey, here: Kubectl
) -> None:
    made = await create(writer, key, {"a": "1"})
    here.patch("configmap", "a", {"data": {"a": "edited"}})
    assert await writer.delete(CONFIG_MAPS, key, uid=made.uid) is None


async def test_a_delete_of_what_is_not_there_is_not_found(writer: Writer, key: ObjectKey) -> None:
    with pytest.raises(NotFoundError):
        await writer.delete(CONFIG_MAPS, key, uid=ANOTHER_UID)


async def test_the_pods_of_a_deleted_job_go_with_it(writer: Writer, here: Kubectl, namespace: str) -> None:
    """Without a propagation policy the API server orphans them."""
    key = JOBS.key(namespace, "once")
    pod = {"spec": {"containers": [{"name": "c", "image": "x"}], "restartPolicy": "Never"}}
    job = canonical({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {"template": pod}})
    made = await writer.create(JOBS, key, job, MANAGER)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "once", "uid": made.uid}
    metadata = {"name": "once-1", "ownerReferences": [owner]}
    await writer.post(PODS, namespace, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, **pod}, MANAGER)
    await writer.delete(JOBS, key, uid=made.uid)
    pod_key = PODS.key(namespace, "once-1")

    async def is_gone() -> bool:
        live = await writer.read(PODS, pod_key)
        return live is None or live.deleting

    await eventually(is_gone, deadline=20)


# ---- asking without doing ----


async def test_a_dry_run_apply_shows_what_the_server_would_store(writer: Writer, namespace: str) -> None:
    key = DEPLOYMENTS.key(namespace, "web")
    resources = {"requests": {"cpu": "0.5", "memory": "1024Mi"}}
    answer = await writer.dry_run_apply(DEPLOYMENTS, key, deployment("web", resources=resources), MANAGER)
    (container,) = answer.body["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    assert await writer.read(DEPLOYMENTS, key) is None


async def test_a_dry_run_apply_onto_a_live_object_stores_nothing(writer: Writer, key: ObjectKey) -> None:
    made = await create(writer, key, {"a": "1"}, "first")
    body = config_map("a", {"a": "2"})
    forced = await writer.dry_run_apply(CONFIG_MAPS, key, body, "second", uid=made.uid)
    assert data_of(forced) == {"a": "2"}
    with pytest.raises(ConflictError):
        await writer.dry_run_apply(CONFIG_MAPS, key, body, "second", uid=made.uid, force=False)
    with pytest.raises(ChangedMeanwhileError):
        await writer.dry_run_apply(CONFIG_MAPS, key, body, "second", uid=ANOTHER_UID)
    assert await writer.read(CONFIG_MAPS, key) == made


async def test_a_dry_run_create_shows_defaults_under_the_objects_own_name_although_that_is_taken(
    writer: Writer, namespace: str
) -> None:
    key = DEPLOYMENTS.key(namespace, "web")
    await writer.create(DEPLOYMENTS, key, deployment("web", revisionHistoryLimit=5), MANAGER)
    probed = await writer.dry_run_create(DEPLOYMENTS, key, deployment("web"), MANAGER)
    assert probed.body["metadata"]["name"] == "web"
    assert probed.body["spec"]["revisionHistoryLimit"] == 10


async def test_a_dry_run_create_of_a_namespace_shows_the_label_it_would_have(writer: Writer, namespace: str) -> None:
    key = NAMESPACES.key("", f"{namespace}-x")
    body = canonical({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": key.name}})
    probed = await writer.dry_run_create(NAMESPACES, key, body, MANAGER)
    assert probed.body["metadata"]["labels"] == {"kubernetes.io/metadata.name": key.name}
    assert await writer.read(NAMESPACES, key) is None


# ---- managers ----


async def test_a_dropped_manager_leaves_co_owned_values(writer: Writer, key: ObjectKey) -> None:
    made = await create(writer, key, {"a": "1", "b": "1"}, "first")
    await writer.update_unforced(CONFIG_MAPS, key, config_map("a", {"a": "1"}), "second", uid=made.uid)
    dropped = await writer.drop_manager(CONFIG_MAPS, key, "first", uid=made.uid)
    assert (data_of(dropped), managers_of(dropped)) == ({"a": "1"}, {"second"})


@pytest.mark.parametrize("scaled", [True, False])
async def test_handed_over_replicas_outlive_the_entry_only_if_the_autoscaler_has_scaled(
    writer: Writer, client: KubeClient, namespace: str, scaled: bool
) -> None:
    """Without the hand-over the server sets 1 when we no longer declare them; without a new owner it does so later."""
    key = DEPLOYMENTS.key(namespace, "web")
    made = await writer.create(DEPLOYMENTS, key, deployment("web", replicas=2), MANAGER)
    if scaled:
        scale = {"spec": {"replicas": 7}}
        query = "fieldManager=kube-controller-manager"
        path = DEPLOYMENTS.path(namespace, "web", "scale")
        await client.request("PATCH", path, query, canonical(scale), "application/merge-patch+json")
    count = 7 if scaled else 2

    held = canonical(only_replicas("web", count))
    handed = await writer.update_unforced(DEPLOYMENTS, key, held, "tandem-handover", uid=made.uid)
    updated = await writer.update(
        DEPLOYMENTS,
        key,
        deployment("web", replicas=None),
        MANAGER,
        uid=handed.uid,
        resource_version=handed.resource_version,
    )
    assert updated.body["spec"]["replicas"] == count
    dropped = await writer.drop_manager(DEPLOYMENTS, key, "tandem-handover", uid=made.uid)
    assert dropped.body["spec"]["replicas"] == (count if scaled else 1)


# ---- refused documents ----


@pytest.mark.parametrize(
    ("content", "reason", "field"),
    [
        pytest.param(config_map("a", {"a": 1}), Reason.FIELD_REFUSED, ".data.a", id="a wrong type"),
        pytest.param(
            canonical({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "dta": {}}),
            Reason.UNKNOWN_FIELD,
            ".dta",
            id="an unknown field",
        ),
        pytest.param(config_map("a", {"a b": "1"}), Reason.FIELD_REFUSED, "data[a b]", id="a wrong value"),
        pytest.param(config_map("other"), Reason.FIELD_REFUSED, "", id="another name than the URL's"),
        pytest.param(config_map("a", {"a": "x" * 1_100_000}), Reason.FIELD_REFUSED, "[]", id="a document too long"),
        pytest.param(config_map("a", {"a": "x" * 3_200_000}), Reason.FIELD_REFUSED, "", id="a request too long"),
    ],
)
async def test_a_wrong_document_is_refused_and_says_where(
    writer: Writer, key: ObjectKey, content: bytes, reason: Reason, field: str
) -> None:
    for attempt in (
        writer.create(CONFIG_MAPS, key, content, MANAGER),
        writer.dry_run_apply(CONFIG_MAPS, key, content, MANAGER),
    ):
        with pytest.raises(RefusedError) as caught:
            await attempt
        assert (caught.value.reason, caught.value.field) == (reason, field)


@pytest.mark.parametrize("value", ["hunter2!", 4711, ["hunter2"], {"x": "hunter2"}])
async def test_a_refused_secret_says_where_and_never_what(writer: Writer, namespace: str, value: Any) -> None:
    key = SECRETS.key(namespace, "s")
    body = canonical({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": value}})
    with pytest.raises(RefusedError) as caught:
        await writer.create(SECRETS, key, body, MANAGER)
    told = repr(caught.value) + str(caught.value) + repr(caught.value.fields)
    assert "hunter2" not in told
    assert "4711" not in told
    assert "refused the Secret" in str(caught.value)


async def test_a_json_patch_that_makes_no_valid_secret_does_not_show_it(writer: Writer, namespace: str) -> None:
    key = SECRETS.key(namespace, "s")
    data = {"password": "aHVudGVyMg=="}
    body = canonical({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data})
    made = await writer.create(SECRETS, key, body, MANAGER)
    with pytest.raises(RefusedError) as caught:
        operations = [{"op": "add", "path": "/type", "value": 3}]
        await writer.patch_json(SECRETS, key, operations, MANAGER, uid=made.uid)
    assert "aHVudGVyMg" not in str(caught.value)


async def test_a_kind_that_is_not_served_is_unknown(writer: Writer, namespace: str) -> None:
    for group, version in (("no.such", "v1"), ("apps", "v9"), ("apps", "v1")):
        frobs = Resource(group, version, "Frob", "frobs", namespaced=True)
        body = canonical({"apiVersion": frobs.api_version, "kind": "Frob", "metadata": {"name": "x"}})
        with pytest.raises(KindUnknownError) as caught:
            await writer.create(frobs, frobs.key(namespace, "x"), body, MANAGER)
        assert caught.value.reason is Reason.KIND_UNKNOWN


async def test_a_namespace_that_is_not_there_is_named(writer: Writer) -> None:
    with pytest.raises(NamespaceMissingError, match="nowhere") as caught:
        await create(writer, CONFIG_MAPS.key("nowhere", "a"), {})
    assert (caught.value.reason, caught.value.terminating) == (Reason.NAMESPACE_NOT_FOUND, False)


async def test_nothing_can_be_created_in_a_namespace_that_is_about_to_go(
    writer: Writer, namespace: str, key: ObjectKey, here: Kubectl
) -> None:
    await writer.create(CONFIG_MAPS, key, config_map("a", finalizers=["tandem.dev/test"]), MANAGER)
    here("delete", "namespace", namespace, "--wait=false")
    with pytest.raises(NamespaceMissingError) as caught:
        await create(writer, CONFIG_MAPS.key(namespace, "b"), {})
    assert (caught.value.reason, caught.value.terminating) == (Reason.TERMINATING, True)
    here.patch("configmap", "a", [{"op": "remove", "path": "/metadata/finalizers"}])


async def test_what_is_not_allowed_is_forbidden(make_client: MakeClient, kubectl: Kubectl, key: ObjectKey) -> None:
    nobody = kubectl.kubeconfig.parent / "alice.kubeconfig"
    writer = Writer(await make_client(nobody))
    with pytest.raises(ForbiddenError, match='User "alice" cannot') as caught:
        await create(writer, key, {})
    assert caught.value.reason is Reason.FORBIDDEN


# ---- our own kinds ----


async def test_a_post_of_what_is_there_says_so(writer: Writer, namespace: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    made = await writer.post(CONFIG_MAPS, namespace, body, "tandem")
    assert managers_of(made) <= {"tandem"}
    with pytest.raises(AlreadyExistsError):
        await writer.post(CONFIG_MAPS, namespace, body, "tandem")


async def test_a_merge_patch_changes_and_removes(writer: Writer, key: ObjectKey) -> None:
    made = await create(writer, key, {"a": "1", "b": "1"})
    patch = {"metadata": {"annotations": {"x": "y"}}, "data": {"b": None}}
    patched = await writer.merge(CONFIG_MAPS, key, patch, "tandem")
    assert data_of(patched) == {"a": "1"}
    assert patched.body["metadata"]["annotations"] == {"x": "y"}
    for guard in ({"uid": ANOTHER_UID}, {"resourceVersion": made.resource_version}):
        with pytest.raises(ChangedMeanwhileError):
            await writer.merge(CONFIG_MAPS, key, {"metadata": guard, "data": {"a": "2"}}, "tandem")


async def test_a_status_is_patched_where_there_is_one(writer: Writer, namespace: str) -> None:
    key = DEPLOYMENTS.key(namespace, "web")
    made = await writer.create(DEPLOYMENTS, key, deployment("web"), MANAGER)
    patched = await writer.patch_status(DEPLOYMENTS, key, {"replicas": 3}, "tandem")
    assert patched.content == made.content
    assert patched.is_newer_than(made)
    assert [entry["subresource"] for entry in patched.managed_fields if entry["manager"] == "tandem"] == ["status"]
    with pytest.raises(NotFoundError):
        await writer.patch_status(DEPLOYMENTS, DEPLOYMENTS.key(namespace, "x"), {}, "tandem")


async def test_an_object_of_a_new_kind_can_be_written(writer: Writer, kubectl: Kubectl, namespace: str) -> None:
    crd = CRDS.key("", "gadgets.write.tandem.dev")
    await writer.create(CRDS, crd, canonical(gadgets()), MANAGER)
    kubectl("wait", "--for=condition=Established", f"crd/{crd.name}")
    resource = Resource("write.tandem.dev", "v1", "Gadget", "gadgets", namespaced=True)
    key = resource.key(namespace, "g")
    body = {"apiVersion": resource.api_version, "kind": "Gadget", "metadata": {"name": "g"}, "spec": {"size": 3}}
    made = await eventually(
        lambda: writer.create(resource, key, canonical(body), MANAGER), ignoring=(KindUnknownError,)
    )
    assert made.body["spec"] == {"size": 3}
    with pytest.raises(RefusedError) as caught:
        await writer.update(
            resource,
            key,
            canonical(body | {"spec": {"sise": 3}}),
            MANAGER,
            uid=made.uid,
            resource_version=made.resource_version,
        )
    assert (caught.value.reason, caught.value.field) == (Reason.UNKNOWN_FIELD, ".spec.sise")
    kubectl("delete", "crd", crd.name)


# ---- builders ----


async def read(writer: Writer, key: ObjectKey) -> CachedObject:
    live = await writer.read(CONFIG_MAPS, key)
    assert live is not None
    return live


def deployment(name: str, *, replicas: int | None = 0, resources: dict[str, Any] | None = None, **spec: Any) -> bytes:
    labels = {"app": name}
    container: dict[str, Any] = {"name": "c", "image": "x"} | ({"resources": resources} if resources else {})
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    body = {"selector": {"matchLabels": labels}, "template": template, **spec}
    if replicas is not None:
        body["replicas"] = replicas
    return canonical({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": body})


def only_replicas(name: str, count: int) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": count}}


def gadgets() -> dict[str, Any]:
    properties = {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": properties}}
    names = {"kind": "Gadget", "plural": "gadgets", "singular": "gadget"}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.write.tandem.dev"},
        "spec": {"group": "write.tandem.dev", "names": names, "scope": "Namespaced", "versions": [version]},
    }
