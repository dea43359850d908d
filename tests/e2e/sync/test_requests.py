"""Edits that wait in a pull request, on a plain server: there the request is its branch, and git merges it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.sync.looking import data, wait_event
from tests.e2e.sync.manifests import CONFIG, config_map
from tests.support.fabrics import Fabrics
from tests.support.repository import Commit, Repository
from tests.support.tandem import Tandem

PROPOSE = {"write": "PullRequest"}
RED = CONFIG.replace("blue", "red")


@pytest.fixture(autouse=True)
def running(tandem: Tandem) -> None:
    """Beside the controller that the module's tests share."""


class Proposals:
    """The branch of one Fabric's request, as the server has it."""

    def __init__(self, fabrics: Fabrics, repository: Repository) -> None:
        self._fabrics = fabrics
        self.repository = repository

    @property
    def branch(self) -> str:
        """Its name; "" while there is none."""
        names = self.repository.branches("tandem/**")
        assert len(names) <= 1, f"one branch per fabric: {names}"
        return names[0] if names else ""

    def wait_branch(self) -> str:
        """The branch, once the status names it."""
        name = self._fabrics.eventually(lambda: self.branch)
        self._fabrics.wait(lambda found: found["status"]["pending"].get("branch") == name or None)
        return str(name)

    def wait_shown(self, path: str, text: str) -> None:
        """Until the request holds this text."""
        self._fabrics.eventually(lambda: text in self.repository.show(path, self.branch) if self.branch else False)

    def wait_gone(self) -> dict[str, Any]:
        """Until nothing is on its way, and the branch is gone; the status."""
        self._fabrics.eventually(lambda: not self.branch)
        return self._fabrics.wait(lambda found: found["status"] if found["status"]["pending"] == {"edits": 0} else None)

    def commits(self) -> list[Commit]:
        """What it has that the followed branch has not, the newest first."""
        return self.repository.log(f"{self.repository.branch}..{self.branch}")


@pytest.fixture
def proposals(fabrics: Fabrics, repository: Repository) -> Proposals:
    return Proposals(fabrics, repository)


def begin(fabrics: Fabrics, published: Repository, files: dict[str, str] | None = None, **spec: Any) -> str:
    first = published.publish(files or {"cm.yaml": CONFIG})
    fabrics.apply(published.url, **({"sync": PROPOSE} | spec))
    fabrics.wait_synced(revision=first)
    return first


def edit(fabrics: Fabrics, name: str = "web", **values: str | None) -> None:
    fabrics.kubectl.patch("configmap", name, {"data": values})


def test_an_edit_waits_is_amended_and_is_merged(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, proposals: Proposals
) -> None:
    first = begin(fabrics, repository)
    edit(fabrics, color="red")
    branch = proposals.wait_branch()
    assert branch.startswith(f"tandem/{fabrics.namespace}/demo-")
    proposals.wait_shown("cm.yaml", "color: red   # the color")
    assert repository.head() == first
    assert "Live edits of 1 object" not in proposals.commits()[0].message
    assert proposals.commits()[0].subject == f"Write back 1 object from {fabrics.namespace}/demo"
    wait_event(fabrics, "RequestOpened", branch, "Normal")
    assert fabrics.wait_synced(revision=first)["pending"] == {"edits": 1, "branch": branch}

    edit(fabrics, size="huge")
    proposals.wait_shown("cm.yaml", "size: huge")
    assert "color: red" in repository.show("cm.yaml", branch)
    elsewhere = repository.publish({"other.yaml": config_map("other", a="b")})
    fabrics.wait_synced(revision=elsewhere)
    assert data(fabrics, "web") == {"color": "red", "size": "huge"}, "a pending path is put back in no direction"
    assert len(proposals.commits()) == 2, "what moved elsewhere is no reason to amend"

    merged = repository.merge(branch)
    fabrics.wait_synced(revision=merged)
    proposals.wait_gone()
    assert data(fabrics, "web") == {"color": "red", "size": "huge"}
    assert fabrics.conflicts() == []
    edit(fabrics, color="green")
    assert proposals.wait_branch() == branch
    assert [commit.subject for commit in proposals.commits()] == [f"Write back 1 object from {fabrics.namespace}/demo"]


def test_a_squash_with_a_reviewers_change_ends_it(
    fabrics: Fabrics, repository: Repository, proposals: Proposals
) -> None:
    """The reviewer pushed to the branch, Tandem amended it after that, and both are in what is merged."""
    begin(fabrics, repository, {"cm.yaml": CONFIG, "other.yaml": config_map("other", a="b")})
    edit(fabrics, color="red")
    branch = proposals.wait_branch()
    repository.publish_on(branch, {"other.yaml": config_map("other", a="reviewed")})
    edit(fabrics, size="huge")
    proposals.wait_shown("cm.yaml", "size: huge")
    assert "a: reviewed" in repository.show("other.yaml", branch), "what a reviewer pushed stays"
    assert "color: red" in repository.show("cm.yaml", branch)

    squashed = repository.merge(branch, "--squash")
    fabrics.wait_synced(revision=squashed)
    fabrics.eventually(lambda: data(fabrics, "other") == {"a": "reviewed"})
    assert data(fabrics, "web") == {"color": "red", "size": "huge"}
    assert fabrics.conflicts() == []
    fabrics.eventually(lambda: fabrics.status()["pending"] == {"edits": 0})


def test_a_deleted_branch_is_a_rejection_that_somebody_decides(
    fabrics: Fabrics, repository: Repository, proposals: Proposals
) -> None:
    first = begin(fabrics, repository)
    edit(fabrics, color="red")
    branch = proposals.wait_branch()
    repository.delete_branch(branch)
    conflict = fabrics.wait_conflict()
    assert conflict["spec"]["type"] == "Rejected"
    assert f"branch {branch} was deleted" in conflict["status"]["conditions"][0]["message"]
    assert data(fabrics, "web") == {"color": "red", "size": "big"}
    assert not proposals.branch, "it is never opened again by itself"
    name = conflict["metadata"]["name"]
    resolve = {"spec": {"resolution": {"strategy": "ClusterWins"}}}
    fabrics.kubectl.patch("syncconflict", name, resolve)
    assert proposals.wait_branch() == branch
    proposals.wait_shown("cm.yaml", "color: red")
    fabrics.eventually(lambda: not fabrics.conflicts())

    repository.delete_branch(branch)
    fabrics.wait_conflict()
    fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": "GitWins"}}})
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "blue", "size": "big"})
    fabrics.eventually(lambda: not fabrics.conflicts())
    assert repository.head() == first
    assert fabrics.status()["pending"] == {"edits": 0}


def test_what_git_moves_elsewhere_is_a_conflict_and_proposed_no_longer(
    fabrics: Fabrics, repository: Repository, proposals: Proposals
) -> None:
    begin(fabrics, repository)
    edit(fabrics, color="red")
    proposals.wait_branch()
    repository.publish({"cm.yaml": CONFIG.replace("blue", "green")})
    conflict = fabrics.wait_conflict()
    assert conflict["spec"]["type"] == "BothChanged"
    fabrics.eventually(lambda: not proposals.branch)
    fabrics.kubectl.patch(
        "syncconflict", conflict["metadata"]["name"], {"spec": {"resolution": {"strategy": "ClusterWins"}}}
    )
    branch = proposals.wait_branch()
    proposals.wait_shown("cm.yaml", "color: red")
    fabrics.wait_synced(revision=repository.merge(branch))
    assert fabrics.conflicts() == []


def test_what_is_taken_back_is_proposed_no_longer(
    fabrics: Fabrics, repository: Repository, proposals: Proposals
) -> None:
    first = begin(fabrics, repository)
    edit(fabrics, color="red", size="huge")
    proposals.wait_branch()
    edit(fabrics, size="big")
    fabrics.eventually(lambda: "size: big" in repository.show("cm.yaml", proposals.branch))
    assert "color: red" in repository.show("cm.yaml", proposals.branch)
    edit(fabrics, color="blue")
    proposals.wait_gone()
    assert fabrics.wait_synced(revision=first)["pending"] == {"edits": 0}


def test_a_base_that_moves_in_the_same_file_is_brought_into_the_request(
    fabrics: Fabrics, repository: Repository, proposals: Proposals
) -> None:
    """The lines are neighbours: git alone could not merge them."""
    begin(fabrics, repository)
    edit(fabrics, color="red")
    branch = proposals.wait_branch()
    repository.publish({"cm.yaml": CONFIG.replace("big", "tall")})
    proposals.wait_shown("cm.yaml", "size: tall")
    assert "color: red   # the color" in repository.show("cm.yaml", branch)
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "red", "size": "tall"})
    fabrics.wait_synced(revision=repository.merge(branch))
    assert data(fabrics, "web") == {"color": "red", "size": "tall"}


def test_imports_and_deletions_wait_too(fabrics: Fabrics, repository: Repository, proposals: Proposals) -> None:
    begin(
        fabrics,
        repository,
        {"cm.yaml": CONFIG, "old.yaml": config_map("old", a="b")},
        resources=[{"kind": "ConfigMap", "import": True}],
        deletion={"propagate": "Observed", "settle": "0s"},
    )
    fabrics.kubectl.apply(config_map("new", a="b"))
    proposals.wait_branch()
    proposals.wait_shown("configmaps/new.yaml", "name: new")
    fabrics.kubectl("delete", "configmap", "old")
    fabrics.eventually(lambda: "old.yaml" not in repository.files(proposals.branch))
    repository.delete_branch(proposals.branch)
    rejected = fabrics.eventually(lambda: fabrics.conflicts() if len(fabrics.conflicts()) == 2 else None)
    assert {conflict["spec"]["type"] for conflict in rejected} == {"Rejected"}
    names = {conflict["spec"]["object"]["name"]: conflict["metadata"]["name"] for conflict in rejected}
    for name in names.values():
        fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": "ClusterWins"}}})
    fabrics.eventually(lambda: proposals.branch and "old.yaml" not in repository.files(proposals.branch))
    proposals.wait_shown("configmaps/new.yaml", "name: new")
    merged = repository.merge(proposals.branch)
    fabrics.wait_synced(revision=merged)
    proposals.wait_gone()
    assert sorted(repository.files()) == ["cm.yaml", "configmaps/new.yaml"]
    assert data(fabrics, "old") is None
    assert data(fabrics, "new") == {"a": "b"}


def test_a_document_whose_removal_is_undone_waits_and_its_object_stays(
    fabrics: Fabrics, repository: Repository, proposals: Proposals
) -> None:
    """The file went in Git, the object was edited, and the cluster won."""
    begin(fabrics, repository, {"cm.yaml": CONFIG, "stays.yaml": config_map("stays", a="b")}, suspend=False)
    fabrics.patch({"suspend": True})
    edit(fabrics, color="red")
    removed = repository.publish({"cm.yaml": None})
    fabrics.patch({"suspend": False})
    conflict = fabrics.wait_conflict()
    assert conflict["spec"]["type"] == "DeletedInGit"
    fabrics.kubectl.patch(
        "syncconflict", conflict["metadata"]["name"], {"spec": {"resolution": {"strategy": "ClusterWins"}}}
    )
    branch = proposals.wait_branch()
    proposals.wait_shown("cm.yaml", "color: red")
    fabrics.wait_handled(fabrics.request())
    assert data(fabrics, "web") == {"color": "red", "size": "big"}
    assert repository.head() == removed
    fabrics.wait_synced(revision=repository.merge(branch))
    assert "color: red" in repository.show("cm.yaml")


def test_another_way_of_writing_takes_the_edits_out_again(
    fabrics: Fabrics, repository: Repository, proposals: Proposals
) -> None:
    begin(fabrics, repository)
    edit(fabrics, color="red")
    proposals.wait_branch()
    fabrics.patch({"sync": {"write": "Push"}})
    fabrics.eventually(lambda: "color: red" in repository.show("cm.yaml"))
    fabrics.wait_synced(revision=repository.head())
    assert fabrics.status()["pending"] == {"edits": 0}


def test_a_branch_of_ones_own_choice_gets_the_edits_and_stays(fabrics: Fabrics, repository: Repository) -> None:
    first = begin(fabrics, repository, sync={}, repository={"pushBranch": "edits"})
    edit(fabrics, color="red")
    fabrics.eventually(lambda: "edits" in repository.branches() and "red" in repository.show("cm.yaml", "edits"))
    assert repository.head() == first
    fabrics.wait_synced(revision=repository.merge("edits"))
    fabrics.eventually(lambda: fabrics.status()["pending"] == {"edits": 0})
    assert "edits" in repository.branches()
    edit(fabrics, color="green")
    fabrics.eventually(lambda: "green" in repository.show("cm.yaml", "edits"))


def test_the_followed_branch_itself_is_refused(fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, repository={"pushBranch": "main"})
    told = fabrics.wait_condition("Stalled", "True", "InvalidSpec")
    assert "spec.repository.pushBranch: 'main' is the branch that is followed" in told["message"]
