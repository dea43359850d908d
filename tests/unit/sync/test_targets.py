"""Which addresses a kubeconfig may lead to, and how errors of another cluster read."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from controller.errors import Reason, TandemError
from controller.git.remote import UrlRules, objection_of
from controller.kube.client import KubeClient
from controller.kube.errors import ForbiddenError, UnauthorizedError, UnreachableError
from controller.kube.kubeconfig import InvalidKubeconfigError, Kubeconfig, cluster_config
from controller.sync.reach import OtherClusterError, told_of
from controller.sync.targets import check_server, digest_of

WHERE = "Secret shop/elsewhere"
SAFE, LAX = UrlRules(), UrlRules(allow_insecure=True)
NO_API = UrlRules(refused_hosts=frozenset({"203.0.113.7"}))


@pytest.mark.parametrize(
    ("rules", "address", "refused"),
    [
        (SAFE, "127.0.0.1", True),
        (SAFE, "::1", True),
        (SAFE, "169.254.169.254", True),
        (SAFE, "::ffff:127.0.0.1", True),
        (SAFE, "0.0.0.0", True),  # noqa: S104 - an address that is asked about
        (SAFE, "10.0.0.1", False),
        (SAFE, "203.0.113.7", False),
        (NO_API, "203.0.113.7", True),
        (NO_API, "203.0.113.8", False),
        (LAX, "127.0.0.1", False),
    ],
)
def test_what_is_local_is_not_connected_to(rules: UrlRules, address: str, refused: bool) -> None:
    said = objection_of(rules)(address)
    assert bool(said) is refused
    assert not refused or "does not connect to" in said
    assert address not in said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_server_is_looked_at_before_anything_is_sent(host: str) -> None:
    with pytest.raises(
        InvalidKubeconfigError, match=f"{WHERE}: cluster.server: it leads to an address that Tandem does not connect to"
    ):
        check_server(Kubeconfig(f"https://{host}:6443"), WHERE, objection_of(SAFE))


def test_a_name_that_does_not_resolve_is_for_the_connection_to_tell() -> None:
    check_server(Kubeconfig("https://nowhere.invalid:6443"), WHERE, objection_of(SAFE))


async def test_a_name_that_leads_elsewhere_by_then_is_met_when_it_is_connected_to() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.setblocking(False)
        kubeconfig = Kubeconfig(f"https://localhost:{server.getsockname()[1]}", token="t")
        async with KubeClient(cluster_config(kubeconfig, WHERE, objection_of(SAFE))) as client:
            with pytest.raises(UnreachableError, match="it leads to an address that Tandem does not connect to"):
                await client.request("GET", "/version")
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_cluster_is_known_by_its_address_and_authority_where_nothing_else_tells() -> None:
    one = Kubeconfig("https://a.example", authority="CA", token="one")
    assert digest_of(one) == digest_of(Kubeconfig("https://a.example", authority="CA", token="two"))
    assert digest_of(one) != digest_of(Kubeconfig("https://b.example", authority="CA"))
    assert digest_of(one) != digest_of(Kubeconfig("https://a.example", authority="other"))


@pytest.mark.parametrize(
    ("error", "reason", "said"),
    [
        (UnauthorizedError("GET /api", 401), Reason.INVALID_KUBECONFIG, f"credentials of {WHERE} (401)"),
        (
            UnreachableError("no answer"),
            Reason.API_UNREACHABLE,
            f"the cluster of {WHERE}: no answer; it is tried again",
        ),
        (ForbiddenError(Reason.FORBIDDEN, "no"), Reason.FORBIDDEN, "no"),
        (OtherClusterError(Reason.API_UNREACHABLE, "told"), Reason.API_UNREACHABLE, "told"),
    ],
)
def test_an_error_says_of_which_cluster_it_is(error: TandemError, reason: Reason, said: str) -> None:
    found = told_of(WHERE, error)
    assert found.reason is reason
    assert said in found.message
    assert told_of("", error) is error, "of the cluster that the Fabric is in, nothing more has to be said"
