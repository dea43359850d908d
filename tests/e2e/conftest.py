"""The whole thing on real counterparts: who runs on the session's control plane, and what a test finds there.

How controllers share one control plane without getting into each other's way is told in tests/README.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.dev.gitserver import GitServer
from tests.support.api import Api
from tests.support.fabrics import Fabrics
from tests.support.faults import FaultProxy
from tests.support.identity import Identity
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository
from tests.support.tandem import Launch, Stage, Tandem
from tests.support.tenants import reaching_everywhere

LONGEST = (
    "sync/test_gitea_requests.py",
    "sync/test_remotes.py",
    "sync/test_killed.py",
    "sync/test_lost_database.py",
    "sync/test_tenants.py",
    "cli/test_plan.py",
    "sync/test_hooks.py",
    "cli/test_programs.py",
    "git/test_transports.py",
    "sync/test_attribution.py",
    "sync/test_rights.py",
    "dev/test_demo.py",
    "git/test_forges.py",
    "sync/test_races.py",
    "sync/test_restored_cluster.py",
    "sync/test_requests_killed.py",
    "sync/test_pulls.py",
    "sync/test_private_remotes.py",
    "sync/test_restarts.py",
    "cli/test_installation.py",
    "sync/test_postgres.py",
    "cli/test_failures.py",
    "cli/test_adopt.py",
    "cli/test_conflicts.py",
    "dev/test_controlplane.py",
    "sync/test_encryption.py",
    "sync/test_bad_input.py",
    "sync/test_guards.py",
    "runtime/test_kopf_glue.py",
    "dev/test_session.py",
    "sync/test_notify.py",
    "sync/test_other_cluster.py",
    "sync/test_moves.py",
    "benchmarks/test_bench.py",
)
"""Files that take a minute or longer, about the longest first: begun last, one of them would keep one worker busy while
the others have nothing left to do."""

STAGE = pytest.StashKey[Stage]()

MakeTandem = Callable[..., Tandem]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long; xdist gives files out in this order (`--no-loadscope-reorder`)."""
    root = Path(__file__).parent
    ranks = {root / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the controller said, where a test failed that had one."""
    report = yield
    stage = item.session.stash.get(STAGE, None)
    fixtures = getattr(item, "fixturenames", ())
    if report.failed and stage is not None and stage.current is not None and "stage" in fixtures:
        report.sections.append(("the controller's log", stage.current.logs()))
    return report


@pytest.fixture(scope="session")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Sees to it that one controller at most looks after the session's control plane."""
    stage = request.session.stash[STAGE] = Stage()
    yield stage
    if stage.current is not None:
        stage.current.stop()


@pytest.fixture(scope="module")
def module_tandem(
    identity: Identity, crds: None, stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tandem]:
    """The controller that the tests of a module share; started by the first one that asks for `tandem`."""
    namespace = f"tandem-{secrets.token_hex(4)}"
    launch = Launch(identity.kubeconfig, tmp_path_factory.mktemp("tandem"), namespace, warm=True)
    identity.install(launch.namespace)
    shared = Tandem(launch)
    yield shared
    shared.stop()


@pytest.fixture
def tandem(module_tandem: Tandem, stage: Stage) -> Tandem:
    """A ready controller, shared with the other tests of the module: for what a namespace of its own isolates."""
    stage.enter(module_tandem)
    return module_tandem


@pytest.fixture
def make_tandem(identity: Identity, crds: None, stage: Stage, tmp_path: Path) -> Iterator[MakeTandem]:
    """Makes controllers with a database and a namespace of their own, not started: `stage.enter(made)` does that.

    Keywords are fields of `Launch`: another kubeconfig, more flags, …; and `through`, a fault proxy on its way.
    """
    made: list[Tandem] = []

    def make(through: FaultProxy | None = None, **options: Any) -> Tandem:
        number = len(made)
        kubeconfig = identity.kubeconfig if through is None else through.leading(identity.kubeconfig)
        launch = Launch(kubeconfig, tmp_path / f"tandem-{number}", f"tandem-{secrets.token_hex(4)}", warm=True)
        if "namespace" not in options:
            identity.install(launch.namespace)
        made.append(Tandem(replace(launch, **options)))
        return made[-1]

    yield make
    for tandem in made:
        tandem.stop()


@pytest.fixture
def own_tandem(make_tandem: MakeTandem, stage: Stage) -> Tandem:
    """A ready controller of the test's own, with a fresh database: for stops, crashes, lost databases, start-up."""
    own = make_tandem()
    stage.enter(own)
    return own


@pytest.fixture
def fabrics(kubectl: Kubectl, namespace: str, crds: None, stage: Stage) -> Iterator[Fabrics]:
    """The Fabrics of the test's namespace; deleted at its end, while its controller still runs."""
    fabrics = Fabrics(kubectl, namespace, stage)
    yield fabrics
    fabrics.remove_all()


@pytest.fixture
def everywhere(api: Api, namespace: str, identity: Identity) -> Iterator[None]:
    """Fabrics of the test's namespace reach beyond it: their service account may do anything in the whole cluster."""
    path = identity.open_all(f"reach-{namespace}")
    with reaching_everywhere(api, namespace):
        yield
    api.delete(path)


@pytest.fixture(scope="session")
def git_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """The session's Git server, open to everybody. A test with faults or credentials starts one of its own."""
    with GitServer(tmp_path_factory.mktemp("git-server")) as server:
        yield server


@pytest.fixture
def repository(git_server: GitServer, tmp_path: Path) -> Repository:
    """An empty repository of the test's own, with a person's clone."""
    return Repository(git_server, f"test-{secrets.token_hex(4)}", tmp_path / "clone")
