"""What is wrong in the repository: named with file, line and field, left alone, in nobody's way, and mended by itself.

Each case breaks a file whose object is live and in step, so that "left alone" can be seen, beside a file that is not
broken and changes in the same commit, so that "everything else goes on" can.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.e2e.sync.looking import data, wait_error, wait_event
from tests.e2e.sync.manifests import DEPLOYMENT, config_map
from tests.support.fabrics import Fabrics
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository

pytestmark = pytest.mark.usefixtures("tandem")

SOUND = config_map("web", key="one")
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
    - port: 80
"""
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@dataclass(frozen=True)
class Broken:
    """A file that cannot be read, and what is said of it."""

    text: str
    reason: str
    line: int
    message: str
    field: str = ""


UNREADABLE = {
    "a syntax error": Broken(SOUND + "---\nthis: [is: broken\n", "DocumentsFailed", 9, ""),
    "a tab": Broken(SOUND + "\ttab: 1\n", "DocumentsFailed", 7, "tab"),
    "the same key twice": Broken(SOUND + "  key: two\n", "DocumentsFailed", 7, "key"),
    "an alias bomb": Broken(SOUND + "---\n" + BOMB, "DocumentsFailed", 8, ""),
    "too deep": Broken(SOUND + "---\n" + "[" * 200 + "]" * 200 + "\n", "DocumentsFailed", 8, ""),
    "bytes that are no text": Broken(SOUND + "  bad: \x00\n", "DocumentsFailed", 1, ""),
    "no name": Broken(
        SOUND + "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: x-\n",
        "FieldRefused",
        8,
        "name",
        "/metadata",
    ),
}


@pytest.mark.parametrize("broken", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_file_leaves_its_objects_alone_until_it_is_mended(
    fabrics: Fabrics, repository: Repository, broken: Broken
) -> None:
    first = repository.publish({"web.yaml": SOUND, "other.yaml": config_map("other", key="one")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    repository.publish({"web.yaml": broken.text.replace("one", "two"), "other.yaml": config_map("other", key="two")})
    error = wait_error(fabrics, file="web.yaml", reason=broken.reason, message=broken.message, field=broken.field)
    assert error["line"] == broken.line
    fabrics.eventually(lambda: data(fabrics, "other") == {"key": "two"})
    assert data(fabrics, "web") == {"key": "one"}
    said = fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    assert f"web.yaml:{broken.line}" in said["message"]
    assert fabrics.status()["errorCount"] == 1, "the file is named once, not once for each of its objects"
    wait_event(fabrics, broken.reason, f"web.yaml:{broken.line}")
    mended = repository.publish({"web.yaml": SOUND.replace("one", "three")})
    status = fabrics.wait_synced(revision=mended)
    assert data(fabrics, "web") == {"key": "three"}
    assert status["errors"] == []
    assert status["errorCount"] == 0


def test_a_broken_file_that_nothing_came_from_yet_is_told_as_well(fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"good.yaml": SOUND, "new.yaml": "apiVersion: v1\nkind: [\n"})
    fabrics.apply(repository.url)
    said = fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    assert "new.yaml:" in said["message"]
    fabrics.eventually(lambda: data(fabrics, "web") == {"key": "one"})
    mended = repository.publish({"new.yaml": config_map("new", key="value")})
    fabrics.wait_synced(revision=mended)
    assert data(fabrics, "new") == {"key": "value"}


@dataclass(frozen=True)
class Refused:
    """A document that the API server does not take: what it was, what it becomes, what is said of the latter."""

    sound: str
    text: str
    reason: str
    field: str
    look: tuple[str, str, str]  # kind, name, and a field of the spec that stays


REFUSED = {
    "a value out of range (422)": Refused(
        SERVICE, SERVICE.replace("80", "99999"), "FieldRefused", "/spec/ports/0/port", ("service", "web", "ports")
    ),
    "a field that there is not": Refused(
        DEPLOYMENT,
        DEPLOYMENT.replace("  replicas: 2", "  replica: 2"),
        "UnknownField",
        "/spec/replica",
        ("deployment", "web", "replicas"),
    ),
    "a value of the wrong type": Refused(
        DEPLOYMENT,
        DEPLOYMENT.replace("  replicas: 2", "  replicas: many"),
        "FieldRefused",
        "/spec/replicas",
        ("deployment", "web", "replicas"),
    ),
    "an immutable field": Refused(
        DEPLOYMENT,
        DEPLOYMENT.replace("app: web", "app: shop"),
        "FieldRefused",
        "/spec/selector",
        ("deployment", "web", "selector"),
    ),
    "a quantity that is none (400)": Refused(
        DEPLOYMENT,
        DEPLOYMENT + "          resources: {limits: {cpu: lots}}\n",
        "FieldRefused",
        "",
        ("deployment", "web", "template"),
    ),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_a_refused_document_is_told_and_sent_again_only_when_it_changes(
    fabrics: Fabrics, repository: Repository, refused: Refused
) -> None:
    kind, name, field = refused.look
    first = repository.publish({"web.yaml": f"# first\n{refused.sound}", "other.yaml": config_map("other", key="one")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    before = fabrics.kubectl.json("get", kind, name)
    second = repository.publish({"web.yaml": f"# first\n{refused.text}", "other.yaml": config_map("other", key="two")})
    error = wait_error(
        fabrics, file="web.yaml", reason=refused.reason, field=refused.field, object=f"{before['kind']}/"
    )
    assert error["line"] == 2
    fabrics.eventually(lambda: data(fabrics, "other") == {"key": "two"})
    status = fabrics.wait_applied(second)
    assert [entry["reason"] for entry in status["exceptions"]] == [refused.reason]
    fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    wait_event(fabrics, refused.reason, "web.yaml:2")
    assert fabrics.kubectl.json("get", kind, name)["spec"][field] == before["spec"][field]
    mended = repository.publish({"web.yaml": refused.sound + "# mended\n"})
    fabrics.wait_synced(revision=mended)


def test_a_document_outside_the_scope_is_told_and_taken_when_it_moves_inside(
    fabrics: Fabrics, repository: Repository
) -> None:
    outside = SOUND.replace("  name: web\n", "  name: web\n  namespace: elsewhere\n")
    repository.publish({"web.yaml": outside, "role.yaml": ROLE, "other.yaml": config_map("other", key="one")})
    fabrics.apply(repository.url)
    error = wait_error(fabrics, file="web.yaml", reason="OutOfScope", field="/metadata/namespace")
    assert (error["line"], error["object"]) == (1, "ConfigMap/elsewhere/web")
    wait_error(fabrics, file="role.yaml", reason="OutOfScope", message="spec.target.clusterScoped")
    fabrics.eventually(lambda: data(fabrics, "other") == {"key": "one"})
    fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    wait_event(fabrics, "OutOfScope", "web.yaml:1")
    mended = repository.publish({"web.yaml": SOUND, "role.yaml": None})
    fabrics.wait_synced(revision=mended)
    assert data(fabrics, "web") == {"key": "one"}


ROLE = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: tandem-test-never-made
rules: []
"""


@pytest.mark.usefixtures("everywhere")
def test_an_object_of_a_missing_namespace_waits_for_it(
    fabrics: Fabrics, repository: Repository, kubectl: Kubectl
) -> None:
    missing = f"{fabrics.namespace}-later"
    there = config_map("there", key="value").replace("metadata:\n", f"metadata:\n  namespace: {missing}\n")
    first = repository.publish({"there.yaml": there, "here.yaml": config_map("here", key="value")})
    fabrics.apply(repository.url, target={"namespaces": [fabrics.namespace, missing]})
    error = wait_error(fabrics, file="there.yaml", reason="NamespaceNotFound")
    assert missing in error["message"]
    assert error["line"] == 1
    assert data(fabrics, "here") == {"key": "value"}
    fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    wait_event(fabrics, "NamespaceNotFound", "there.yaml:1")
    kubectl("create", "namespace", missing)
    try:
        fabrics.wait_synced(revision=first, deadline=60)
        assert kubectl.within(missing).json("get", "configmap", "there")["data"] == {"key": "value"}
    finally:
        fabrics.remove_all()
        kubectl("delete", "namespace", missing, "--wait=false")


def test_an_object_declared_twice_is_told_with_both_places(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"a.yaml": SOUND, "other.yaml": config_map("other", key="one")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    twice = {"deep/b.yaml": "# again\n" + SOUND.replace("one", "two"), "other.yaml": config_map("other", key="two")}
    repository.publish(twice)
    error = wait_error(fabrics, reason="DuplicateObject", object=f"ConfigMap/{fabrics.namespace}/web")
    assert "a.yaml:1 and deep/b.yaml:2" in error["message"]
    fabrics.eventually(lambda: data(fabrics, "other") == {"key": "two"})
    assert data(fabrics, "web") == {"key": "one"}
    fabrics.kubectl.patch("configmap", "web", {"data": {"key": "edited"}})
    handled = fabrics.wait_handled(fabrics.request())
    assert "conflicts" not in handled or handled["conflicts"] == 0
    assert data(fabrics, "web") == {"key": "edited"}, "neither put back nor written to Git"
    mended = repository.publish({"deep/b.yaml": None})
    fabrics.eventually(lambda: repository.show("a.yaml") == SOUND.replace("one", "edited"))
    fabrics.wait_synced()
    assert repository.head() != mended


def test_what_is_mended_and_broken_again_is_told_again(fabrics: Fabrics, repository: Repository) -> None:
    broken = "apiVersion: v1\nkind: [\n"
    repository.publish({"web.yaml": broken})
    fabrics.apply(repository.url)
    wait_event(fabrics, "DocumentsFailed", "web.yaml")
    fabrics.wait_synced(revision=repository.publish({"web.yaml": SOUND}))
    repository.publish({"web.yaml": broken})

    def told_twice() -> bool:
        told = [event for event in fabrics.events() if event["message"].startswith("web.yaml:")]
        return sum(event.get("count") or event.get("series", {}).get("count") or 1 for event in told) == 2

    fabrics.eventually(told_twice)


def test_a_flood_of_bad_documents_is_counted_and_cut(fabrics: Fabrics, repository: Repository) -> None:
    bad = {f"bad/{number:02}.yaml": "kind: [\n" for number in range(30)}
    repository.publish({**bad, "web.yaml": SOUND})
    fabrics.apply(repository.url)
    fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    status = fabrics.status()
    assert (len(status["errors"]), status["errorCount"]) == (20, 30)
    assert len(json.dumps(status)) < 20_000
    assert data(fabrics, "web") == {"key": "one"}
