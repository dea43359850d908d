"""What is kept and for how long: settled conflicts and finished jobs, and a copy of Git that anybody may delete."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

from controller.dev.controlplane import ControlPlane
from tests.e2e.sync.manifests import CONFIG, config_map
from tests.support.cli import Cli
from tests.support.fabrics import Fabrics
from tests.support.repository import Repository
from tests.support.tandem import Tandem
from tests.support.worktree import git

LONG_AGO = "2020-01-01T00:00:00Z"


def archived(tandem: Tandem, kind: str) -> dict[str, dict[str, object]]:
    """Name → content of what the archive has of a kind."""
    with closing(sqlite3.connect(f"file:{tandem.launch.database_file}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT name, content FROM archive WHERE kind = ?", (kind,)).fetchall()
    return {name: json.loads(zlib.decompress(content)) for name, content in rows}


def test_a_settled_conflict_is_kept_for_a_week_and_then_archived(
    controlplane: ControlPlane, fabrics: Fabrics, repository: Repository, own_tandem: Tandem, tmp_path: Path
) -> None:
    first = repository.publish({"cm.yaml": CONFIG, "other.yaml": config_map("other", color="blue")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    names = {}
    for name in ("web", "other"):
        fabrics.kubectl.patch("configmap", name, {"data": {"color": "green"}}, "--field-manager=somebody")
        fabrics.eventually(lambda: len(fabrics.conflicts()) == 1)
        names[name] = fabrics.conflicts()[0]["metadata"]["name"]
        fabrics.kubectl.patch("configmap", name, {"data": {"color": "blue"}}, "--field-manager=somebody")
        fabrics.eventually(lambda: fabrics.conflicts() == [])
    own_tandem.stop()
    fabrics.kubectl.patch("syncconflict", names["web"], {"status": {"resolvedAt": LONG_AGO}}, "--subresource", "status")
    planned = Cli.of(controlplane, tmp_path, fabrics.namespace).using(launched=own_tandem.launch)("plan", "demo")
    assert planned.code == 0, planned.err
    assert fabrics.kubectl.find("syncconflict", names["web"]) is not None, "a plan tidies nothing up"
    own_tandem.start()
    fabrics.eventually(lambda: fabrics.kubectl.find("syncconflict", names["web"]) is None)
    assert fabrics.kubectl.find("syncconflict", names["other"]) is not None, "a week has not passed"
    (kept,) = archived(own_tandem, "SyncConflict").values()
    assert kept["spec"]["object"]["name"] == "web"  # type: ignore[index]


def test_a_finished_job_is_deleted_after_its_time_and_stays_in_the_archive(
    fabrics: Fabrics, repository: Repository, own_tandem: Tandem
) -> None:
    repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced()
    for name, seconds in (("short", 0), ("long", 3600)):
        job = {"fabricRef": {"name": "demo"}, "type": "Sync", "ttlSecondsAfterFinished": seconds}
        fabrics.kubectl.apply(
            json.dumps(
                {"apiVersion": "tandem.dev/v1alpha1", "kind": "SyncJob", "metadata": {"name": name}, "spec": job}
            )
        )
    fabrics.eventually(lambda: set(archived(own_tandem, "SyncJob")) == {"short", "long"})
    own_tandem.stop()
    own_tandem.start()
    fabrics.eventually(lambda: fabrics.kubectl.find("syncjob", "short") is None)
    assert fabrics.kubectl.find("syncjob", "long") is not None
    assert archived(own_tandem, "SyncJob")["short"]["status"]["phase"] == "Completed"  # type: ignore[index]


def test_a_mirror_that_is_deleted_while_history_is_rewritten_is_made_anew(
    fabrics: Fabrics, repository: Repository, own_tandem: Tandem
) -> None:
    repository.publish({"cm.yaml": CONFIG, "gone.yaml": config_map("gone", key="value")})
    fabrics.apply(repository.url)
    fabrics.wait_synced()
    shutil.rmtree(own_tandem.launch.data_dir / "mirrors")
    git("checkout", "--quiet", "--orphan", "other", cwd=repository.clone.folder)
    git("rm", "--quiet", "--force", "gone.yaml", cwd=repository.clone.folder)
    git("commit", "--quiet", "--message", "Begin again", cwd=repository.clone.folder)
    git("push", "--quiet", "--force", "origin", "other:main", cwd=repository.clone.folder)
    fabrics.wait_condition("Stalled", "True", "HistoryRewritten")
    (guard,) = fabrics.status()["guards"]
    fabrics.confirm(guard["token"])
    fabrics.wait_synced(revision=repository.head())
    assert fabrics.config_map("gone") is None
    assert fabrics.config_map("web") is not None
