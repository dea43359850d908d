"""What service accounts may see, asked of a real API server; what is asked again, and when."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from controller.dev.controlplane import ControlPlane
from controller.kube.access import ANSWER_AGE, DENIAL_FIRST, AccessReviews, ServiceAccount
from controller.kube.client import KubeClient
from controller.kube.errors import ForbiddenError
from controller.kube.resources import CONFIG_MAPS, NAMESPACES, SECRETS
from controller.objects import Kind, ObjectKey
from controller.sync.scope import KindScope, Scope
from controller.sync.sight import Sight
from tests.e2e.kube.conftest import MakeClient
from tests.support.api import Api
from tests.support.audit import AuditLog, Mark
from tests.support.kubectl import Kubectl
from tests.support.tenants import RBAC, Tenant, let_reign, reaching_everywhere

READING = ("get", "list", "watch")


class Time:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def tenant(api: Api, namespace: str) -> Tenant:
    return Tenant(api, namespace)


@pytest.fixture
def who(tenant: Tenant) -> ServiceAccount:
    return ServiceAccount(tenant.namespace, tenant.name)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def reviews(client: KubeClient, clock: Time) -> AccessReviews:
    return AccessReviews(client, clock)


def asked(audit_log: AuditLog, mark: Mark) -> int:
    """How many reviews there were since then."""
    return sum(one.path.endswith("subjectaccessreviews") for one in audit_log.requests("tandem/", since=mark))


@pytest.mark.parametrize("missing", READING)
async def test_all_three_verbs_are_needed(
    reviews: AccessReviews, tenant: Tenant, who: ServiceAccount, missing: str
) -> None:
    tenant.allow("configmaps", verbs=[verb for verb in READING if verb != missing])
    answer = await reviews.reading(who, CONFIG_MAPS, tenant.namespace)
    assert not answer.allowed
    assert answer.message == (
        f"service account {tenant.namespace}/tenant may not get, list and watch configmaps in namespace "
        f"{tenant.namespace}; give it such a Role by a RoleBinding there"
    )
    tenant.allow("configmaps", verbs=[missing])
    reviews.ask_again(who)
    assert (await reviews.reading(who, CONFIG_MAPS, tenant.namespace)).allowed


async def test_a_right_to_one_object_by_name_is_none_to_its_kind(
    reviews: AccessReviews, tenant: Tenant, who: ServiceAccount, api: Api
) -> None:
    grant = tenant.allow("configmaps")
    role = f"{RBAC}/namespaces/{tenant.namespace}/roles/{grant}"
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"], "verbs": ["*"]}]
    api.merge(role, {"rules": rules})
    assert not (await reviews.reading(who, CONFIG_MAPS, tenant.namespace)).allowed


async def test_an_answer_counts_for_five_minutes_and_a_refusal_for_a_moment(
    reviews: AccessReviews, tenant: Tenant, who: ServiceAccount, clock: Time, audit_log: AuditLog
) -> None:
    mark = audit_log.mark()
    pauses = []
    for _ in range(4):
        refused = await reviews.reading(who, CONFIG_MAPS, tenant.namespace)
        pauses.append(refused.until - clock.now)
        clock.now = refused.until
    assert pauses == [DENIAL_FIRST, 2 * DENIAL_FIRST, 4 * DENIAL_FIRST, 8 * DENIAL_FIRST]
    assert asked(audit_log, mark) == 5, "whether it may do anything, once; and whether it may list, four times"
    grant = tenant.allow("configmaps", verbs=READING)
    answer = await reviews.reading(who, CONFIG_MAPS, tenant.namespace)
    assert (answer.allowed, answer.until) == (True, clock.now + ANSWER_AGE)
    before = asked(audit_log, mark)
    tenant.revoke(grant)
    clock.now = answer.until - 1
    assert (await reviews.reading(who, CONFIG_MAPS, tenant.namespace)).allowed
    assert asked(audit_log, mark) == before + 1, "only whether it may do anything, whose time was over"
    clock.now = answer.until
    assert not (await reviews.reading(who, CONFIG_MAPS, tenant.namespace)).allowed


async def test_a_forbidden_request_ends_what_is_known_of_its_kind(
    reviews: AccessReviews, client: KubeClient, tenant: Tenant, who: ServiceAccount
) -> None:
    grants = [tenant.allow(kind, verbs=READING) for kind in ("configmaps", "secrets")]
    for kind in (CONFIG_MAPS, SECRETS):
        assert (await reviews.reading(who, kind, tenant.namespace)).allowed
    for grant in grants:
        tenant.revoke(grant)
    acting = client.acting_as(who.user, lambda path: reviews.doubt(who, path))
    before = reviews.doubts(who)
    with pytest.raises(ForbiddenError, match=f'User "{who.user}" cannot get resource "configmaps"'):
        await acting.get(CONFIG_MAPS, tenant.namespace, "any")
    assert reviews.doubts(who) == before + 1
    assert not (await reviews.reading(who, CONFIG_MAPS, tenant.namespace)).allowed
    assert (await reviews.reading(who, SECRETS, tenant.namespace)).allowed, "of another kind it still counts"


async def test_who_may_do_anything_is_asked_once_for_all_kinds(
    reviews: AccessReviews, api: Api, namespace: str, audit_log: AuditLog
) -> None:
    let_reign(api, namespace, "chief")
    chief, mark = ServiceAccount(namespace, "chief"), audit_log.mark()
    kinds = (CONFIG_MAPS, SECRETS)
    at_once = await asyncio.gather(*(reviews.reading(chief, kind, namespace) for kind in kinds))
    later = [await reviews.reading(chief, kind, namespace) for kind in kinds]
    assert all(answer.allowed for answer in (*at_once, *later))
    assert asked(audit_log, mark) == 1
    assert not (await reviews.reading(chief, SECRETS, None)).allowed
    assert not (await reviews.reading(chief, NAMESPACES, None)).allowed
    with reaching_everywhere(api, namespace, "chief"):
        reviews.ask_again(chief)
        assert (await reviews.reading(chief, SECRETS, None)).allowed
        assert (await reviews.reading(chief, NAMESPACES, None)).allowed


async def test_an_installation_of_some_namespaces_asks_there(
    controlplane: ControlPlane, kubectl: Kubectl, api: Api, tenant: Tenant, who: ServiceAccount,
    make_client: MakeClient, tmp_path: Path,
) -> None:  # fmt: skip
    """It may ask in the namespaces that it is given, and nowhere else."""
    api.create(f"/api/v1/namespaces/{tenant.namespace}/serviceaccounts", {"metadata": {"name": "controller"}})
    controller = Tenant(api, tenant.namespace, "controller")
    config = json.loads(controlplane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": kubectl.within(tenant.namespace)("create", "token", "controller").strip()}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    reviews = AccessReviews(await make_client(kubeconfig))
    refused = await reviews.reading(who, CONFIG_MAPS, tenant.namespace)
    assert "let the controller's own user create subjectaccessreviews.authorization.k8s.io" in refused.message
    controller.allow("localsubjectaccessreviews", verbs=["create"], group="authorization.k8s.io")
    tenant.allow("configmaps", verbs=READING)
    reviews.ask_again(who)
    assert (await reviews.reading(who, CONFIG_MAPS, tenant.namespace)).allowed
    assert not (await reviews.reading(who, SECRETS, tenant.namespace)).allowed
    assert not (await reviews.reading(who, CONFIG_MAPS, None)).allowed


async def test_where_all_namespaces_are_in_scope_those_that_matter_are_asked_about(
    reviews: AccessReviews, tenant: Tenant, who: ServiceAccount
) -> None:
    tenant.allow("configmaps", verbs=READING)
    sight = Sight(who, reviews, Scope(tenant.namespace, ("*",)))
    elsewhere = ObjectKey("", "ConfigMap", "kube-system", "x")
    sight.name_places([ObjectKey("", "ConfigMap", tenant.namespace, "x"), elsewhere])
    await sight.ask([CONFIG_MAPS])
    assert sight.places(CONFIG_MAPS) == {tenant.namespace}
    assert "configmaps in namespace kube-system" in sight.objection(CONFIG_MAPS, "kube-system")
    assert "configmaps in all namespaces" in sight.objection(CONFIG_MAPS, "another")
    assert [said for said in sight.refusals() if "in all namespaces" in said] == []
    importing = Scope(tenant.namespace, ("*",), kinds={Kind("", "ConfigMap"): KindScope(imports=True)})
    importer = Sight(who, reviews, importing)
    await importer.ask([CONFIG_MAPS])
    (said,) = importer.refusals()
    assert "configmaps in all namespaces; give it such a ClusterRole by a ClusterRoleBinding" in said


async def test_a_sight_is_due_when_an_answer_ends_or_is_doubted(
    reviews: AccessReviews, tenant: Tenant, who: ServiceAccount, clock: Time
) -> None:
    tenant.allow("configmaps", verbs=READING)
    sight = Sight(who, reviews, Scope(tenant.namespace, (tenant.namespace,)))

    def due() -> tuple[bool, float | None]:
        return sight.is_due, sight.due_in

    assert due() == (False, None), "nothing was asked"
    await sight.ask([CONFIG_MAPS])
    assert due() == (False, ANSWER_AGE)
    reviews.doubt(who, CONFIG_MAPS.path(tenant.namespace, "any"))
    assert due() == (True, ANSWER_AGE)
    await sight.ask([CONFIG_MAPS])
    assert due() == (False, ANSWER_AGE)
    clock.now += ANSWER_AGE
    assert due() == (True, 0.0)


async def test_who_watches_with_credentials_of_its_own_is_asked_about_nowhere(
    reviews: AccessReviews, namespace: str, audit_log: AuditLog
) -> None:
    mark = audit_log.mark()
    sight = Sight(None, reviews, Scope(namespace, (namespace,)))
    await sight.ask([CONFIG_MAPS])
    assert (sight.places(CONFIG_MAPS), sight.due_in, sight.refusals()) == ({namespace}, None, [])
    assert asked(audit_log, mark) == 0
