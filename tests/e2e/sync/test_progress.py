"""A run that takes long says so, while what was judged before stands."""

from __future__ import annotations

import pytest

from controller.dev.gitserver import GitServer
from tests.e2e.sync.manifests import CONFIG
from tests.support.fabrics import Fabrics
from tests.support.repository import Repository

pytestmark = pytest.mark.usefixtures("tandem")


def test_a_run_that_takes_long_is_shown_as_under_way(
    fabrics: Fabrics, repository: Repository, git_server: GitServer
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    git_server.hold()
    try:
        fabrics.request()
        said = fabrics.wait_condition("Reconciling", "True", "Progressing")
        assert "A run is under way since" in said["message"]
        assert fabrics.condition("Ready")["status"] == "True", "the last judgement stands"
    finally:
        git_server.release()
    fabrics.wait_condition("Reconciling", "False")
