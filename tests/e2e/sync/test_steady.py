"""What a fabric costs that is in step: nothing but a look at the branch."""

from __future__ import annotations

import pytest

from controller.dev.gitserver import GitServer
from controller.dev.gitserver import Request as GitRequest
from tests.e2e.sync.manifests import config_map
from tests.support.audit import AuditedRequest, AuditLog, Mark
from tests.support.fabrics import Fabrics
from tests.support.repository import Repository
from tests.support.tandem import Tandem

OBJECTS = 1000
FILES = 20
INTERVALS = 3
INTERVAL = 2  # seconds between two looks at the branch
OURS = "tandem/"  # how the user agents of the controller begin, kopf's part too


@pytest.fixture
def steady(tandem: Tandem, fabrics: Fabrics, repository: Repository) -> str:
    """A fabric of a thousand objects that is in step; its commit. Something was edited live, too."""
    names = [f"steady-{number:04}" for number in range(OBJECTS)]
    files = {
        f"part-{part:02}.yaml": "---\n".join(config_map(name, key="value", other=name) for name in names[part::FILES])
        for part in range(FILES)
    }
    first = repository.publish(files)
    fabrics.apply(repository.url, sync={"interval": f"{INTERVAL}s"})
    fabrics.wait_synced(revision=first, deadline=90)
    fabrics.kubectl.patch("configmap", "steady-0500", {"data": {"key": "edited"}})
    fabrics.eventually(lambda: repository.head() != first)
    status = fabrics.wait_synced(revision=repository.head())
    assert status["inventory"] == {"declared": OBJECTS, "kept": OBJECTS, "exceptions": 0}
    return repository.head()


def test_a_steady_fabric_of_a_thousand_objects_costs_nothing(
    steady: str,
    fabrics: Fabrics,
    repository: Repository,
    git_server: GitServer,
    audit_log: AuditLog,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wait_settled(fabrics, audit_log)
    looks = f"/{repository.name}.git/info/refs"
    start, begun = audit_log.mark(), len(git_server.log.requests)

    def asked() -> list[GitRequest]:
        return [one for one in git_server.log.requests[begun:] if one.path.startswith(f"/{repository.name}.git")]

    # The first look may belong to an interval that had begun before: one more than the intervals that are counted.
    fabrics.eventually(lambda: len(asked()) > INTERVALS, deadline=60)
    git = asked()
    requests = [one for one in audit_log.requests(OURS, start) if not is_renewal(one)]
    renewals = len(audit_log.requests(OURS, start)) - len(requests)
    beyond = [one for one in git if one.path != looks]
    with capsys.disabled():
        print(  # noqa: T201 - the figures are what this test is for
            f"\nsteady fabric of {OBJECTS} objects over {INTERVALS} intervals: "
            f"{len(requests)} API requests ({renewals} watch renewals apart); "
            f"{sum(one.received + one.sent for one in beyond)} Git bytes beyond {len(git) - len(beyond)} ref checks "
            f"of {max(one.sent for one in git)} bytes each"
        )
    assert [str(one) for one in requests] == []
    assert beyond == []
    assert all(one.received == 0 for one in git)
    assert repository.head() == steady


def wait_settled(fabrics: Fabrics, audit_log: AuditLog) -> None:
    """Wait for an interval without a request: the last status, which names the fetched commit, and Events are told."""
    marks: list[Mark] = [audit_log.mark()]

    def quiet() -> bool:
        if [one for one in audit_log.requests(OURS, marks[0]) if not is_renewal(one)]:
            marks[0] = audit_log.mark()
        return (audit_log.mark().at - marks[0].at).total_seconds() > 2 * INTERVAL

    fabrics.eventually(quiet)


def is_renewal(one: AuditedRequest) -> bool:
    """Whether it goes on with a watch that the server has ended after its minutes."""
    return one.verb == "watch"
