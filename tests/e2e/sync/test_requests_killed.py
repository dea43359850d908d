"""A controller that is killed between any two steps of a pull request: one branch, one request, no edit lost."""

from __future__ import annotations

import pytest

from tests.e2e.sync.looking import data
from tests.e2e.sync.manifests import CONFIG
from tests.e2e.sync.test_killed import held_push
from tests.support.fabrics import Fabrics
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem


@pytest.fixture
def tandem(own_tandem: Tandem, stage: Stage) -> Tandem:
    """A ready controller of the test's own."""
    stage.enter(own_tandem)
    return own_tandem


def begin(fabrics: Fabrics, repository: Repository) -> str:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, sync={"write": "PullRequest"})
    fabrics.wait_synced(revision=first)
    return first


def edit(fabrics: Fabrics, **values: str) -> None:
    fabrics.kubectl.patch("configmap", "web", {"data": values})


def wait_proposed(fabrics: Fabrics, repository: Repository, *texts: str) -> str:
    """The one branch, once it holds these texts and the Fabric says so."""

    def shown() -> str:
        branches = repository.branches("tandem/**")
        assert len(branches) == 1, branches
        text = repository.show("cm.yaml", branches[0])
        assert all(one in text for one in texts), text
        return branches[0]

    branch = fabrics.eventually(shown)
    fabrics.wait(lambda found: found["status"]["pending"] == {"edits": 1, "branch": branch} or None)
    fabrics.wait_synced(revision=repository.head())
    return str(branch)


@pytest.mark.parametrize(("hook", "outcome"), [("pre-receive", 1), ("post-receive", 0)], ids=["not taken", "taken"])
def test_at_the_first_push(tandem: Tandem, fabrics: Fabrics, repository: Repository, hook: str, outcome: int) -> None:
    """Everything is written down by then: the edit is proposed, also if the live object is not looked at again."""
    first = begin(fabrics, repository)
    with held_push(repository, hook, outcome) as wait_pushed:
        edit(fabrics, color="red")
        wait_pushed()
        tandem.kill()
    tandem.start()
    branch = wait_proposed(fabrics, repository, "color: red")
    assert len(repository.log(f"main..{branch}")) == 1
    assert (repository.head(), fabrics.conflicts()) == (first, [])
    fabrics.wait_synced(revision=repository.merge(branch))
    assert data(fabrics, "web") == {"color": "red", "size": "big"}


@pytest.mark.parametrize(("hook", "outcome"), [("pre-receive", 1), ("post-receive", 0)], ids=["not taken", "taken"])
def test_at_an_amendment_with_an_edit_meanwhile(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, hook: str, outcome: int
) -> None:
    begin(fabrics, repository)
    edit(fabrics, color="red")
    branch = wait_proposed(fabrics, repository, "color: red")
    with held_push(repository, hook, outcome) as wait_pushed:
        edit(fabrics, size="huge")
        wait_pushed()
        tandem.kill()
    edit(fabrics, size="tall")
    tandem.start()
    assert wait_proposed(fabrics, repository, "color: red", "size: tall") == branch
    fabrics.wait_synced(revision=repository.merge(branch))
    assert data(fabrics, "web") == {"color": "red", "size": "tall"}
    assert fabrics.conflicts() == []


@pytest.mark.parametrize("how", ["merged", "squashed", "deleted"])
def test_an_end_that_nobody_saw(tandem: Tandem, fabrics: Fabrics, repository: Repository, how: str) -> None:
    """The request is decided while nothing runs; what follows is as if it had been seen."""
    first = begin(fabrics, repository)
    edit(fabrics, color="red")
    branch = wait_proposed(fabrics, repository, "color: red")
    tandem.kill()
    if how == "deleted":
        repository.delete_branch(branch)
    else:
        repository.merge(branch, *(["--squash"] if how == "squashed" else []))
    tandem.start()
    if how == "deleted":
        conflict = fabrics.wait_conflict()
        assert conflict["spec"]["type"] == "Rejected"
        assert repository.head() == first
    else:
        fabrics.wait_synced(revision=repository.head())
        fabrics.eventually(lambda: repository.branches("tandem/**") == [])
        assert fabrics.conflicts() == []
    assert data(fabrics, "web") == {"color": "red", "size": "big"}


def test_a_lost_database_proposes_nothing_twice(tandem: Tandem, fabrics: Fabrics, repository: Repository) -> None:
    """What was kept is lost with it: the edit is a conflict, and goes on the branch that is there if it wins."""
    begin(fabrics, repository)
    edit(fabrics, color="red")
    branch = wait_proposed(fabrics, repository, "color: red")
    tandem.kill()
    for path in tandem.launch.folder.rglob("tandem.db*"):
        path.unlink()
    tandem.start()
    conflict = fabrics.wait_conflict()
    assert data(fabrics, "web") == {"color": "red", "size": "big"}
    fabrics.kubectl.patch(
        "syncconflict", conflict["metadata"]["name"], {"spec": {"resolution": {"strategy": "ClusterWins"}}}
    )
    assert wait_proposed(fabrics, repository, "color: red") == branch
    assert len(repository.log(f"main..{branch}")) == 2
    fabrics.wait_synced(revision=repository.merge(branch))
    assert fabrics.conflicts() == []
