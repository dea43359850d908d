"""The real counterparts that tests share: one control plane a session, one namespace a test."""

from __future__ import annotations

import gc
import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from controller.dev.build import ensure_programs, ensure_sops
from controller.dev.controlplane import ControlPlane, Options, User
from controller.dev.locate import Programs
from controller.dev.progress import Progress
from tests.support.api import NAMESPACES, Api
from tests.support.audit import AuditLog
from tests.support.faults import FaultProxy
from tests.support.gitea import Gitea
from tests.support.giteabuild import ensure_gitea
from tests.support.github import GitHub
from tests.support.githubbuild import ensure_github
from tests.support.identity import Identity
from tests.support.kubectl import Kubectl
from tests.support.postgres import PostgresServer
from tests.support.tenants import let_reign

CRDS = Path(__file__).parents[1] / "crds"

# The suite tries the same examples every time, however slow the machine; `--hypothesis-profile search` seeks others.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("search", max_examples=20_000, deadline=None)
settings.load_profile("suite")

# A shell's background jobs ignore Ctrl-C, and nohup the end of the terminal; tests send both to processes they start.
for ignored in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, signal.default_int_handler if ignored is signal.SIGINT else signal.SIG_DFL)

# Until the tests are collected: what is made by then stays to the end, and it would be searched again and again.
gc.disable()

# The servers that tests start collect less often: there is memory for it, and the cores are what everybody waits for.
os.environ.setdefault("GOGC", "400")

IDENTITIES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Have a place for what the workers tell."""
    config.stash[IDENTITIES] = []


def pytest_collection_finish() -> None:
    """From here on garbage is looked for, in what the tests make."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of xdist ended: as whom did its controllers run?"""
    name = getattr(node, "workeroutput", {}).get("identity")
    if name:
        node.config.stash[IDENTITIES].append(name)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say as whom the controllers ran."""
    names: list[str] = config.stash[IDENTITIES]
    for name in sorted(set(names)):
        terminalreporter.write_line(f"the controllers ran as {name}, by manifests/rbac.yaml and reach.yaml")


USERS = (User("tandem"), User("alice", ("developers",)), User("bob", ("developers",)))  # without any rights at first


@pytest.fixture(scope="session")
def programs() -> Programs:
    """etcd, kube-apiserver, kube-controller-manager and kubectl; built where they are found nowhere."""
    found = ensure_programs(os.environ, Progress(), controllers=True).programs
    assert found is not None
    return found


@pytest.fixture(scope="session")
def sops_program() -> Path:
    """The real sops; built where it is found nowhere."""
    found = ensure_sops(os.environ, Progress()).program
    assert found is not None
    return found


@pytest.fixture(scope="session")
def gitea(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    """The session's Gitea, for tests with users and repositories of their own; built where it is not there."""
    server = Gitea(ensure_gitea(os.environ, Progress()), tmp_path_factory.mktemp("gitea"), postgres)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHub]:
    """The session's stand-in for GitHub, for tests with repositories of their own; installed where it is not there."""
    server = GitHub(ensure_github(os.environ, Progress()), tmp_path_factory.mktemp("github"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def controlplane(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The session's control plane. A test that stops a part of it starts it again."""
    folder = tmp_path_factory.mktemp("controlplane")
    with ControlPlane(programs, folder, Options(users=USERS, audit=True, fsync=False)) as plane:
        yield plane


@pytest.fixture(scope="session")
def crds(controlplane: ControlPlane) -> None:
    """Tandem's kinds, served by the session's control plane: `pytestmark = pytest.mark.usefixtures("crds")`."""
    kubectl = Kubectl.of(controlplane)
    kubectl("apply", "--server-side", "--filename", str(CRDS))
    kubectl("wait", "--for=condition=Established", "--filename", str(CRDS))


@pytest.fixture
def kubectl(controlplane: ControlPlane) -> Kubectl:
    """kubectl as the admin, in the namespace `default`."""
    return Kubectl.of(controlplane)


@pytest.fixture
def api(controlplane: ControlPlane) -> Api:
    """The API server, asked directly as the admin."""
    return Api(controlplane.kubeconfig)


@pytest.fixture(scope="session")
def identity(controlplane: ControlPlane, request: pytest.FixtureRequest) -> Identity:
    """As whom the session's controllers run."""
    found = Identity.of(controlplane)
    told = getattr(request.config, "workeroutput", None)
    if told is None:
        request.config.stash[IDENTITIES].append(found.name)
    else:
        told["identity"] = found.name
    return found


@pytest.fixture
def namespace(api: Api, identity: Identity) -> Iterator[str]:
    """A new namespace, in which its service account `default` may do anything: whom Fabrics act as by default.

    The controllers may look into it, and no more. Its deletion goes on while the next test runs.
    """
    name = f"test-{secrets.token_hex(4)}"
    api.create(NAMESPACES, {"metadata": {"name": name}})
    let_reign(api, name)
    identity.open(name)
    yield name
    api.delete(f"{NAMESPACES}/{name}")


@pytest.fixture
def audit_log(controlplane: ControlPlane) -> AuditLog:
    """Who asked the API server for what."""
    return AuditLog(controlplane.audit_log)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The session's PostgreSQL server. A test that stops it starts it again."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def postgres_database(postgres: PostgresServer) -> Iterator[str]:
    """The name of an empty database of the test's own."""
    name = postgres.make_database()
    yield name
    postgres.drop_database(name)


@pytest.fixture
def faults(controlplane: ControlPlane) -> Iterator[FaultProxy]:
    """A way to the API server on which things go wrong; its kubeconfig leads through it."""
    with FaultProxy(controlplane) as proxy:
        yield proxy
