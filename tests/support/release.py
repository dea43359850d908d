"""What a release leaves for the tests of later ones: its database after a small story, its definitions, its objects.

    make release-data VERSION=0.1.0

plays the story with the real controller on a real control plane and writes `tests/data/v0.1.0`:

    tandem.db     the database, as the stopped controller left it, in one file
    crds/         the definitions
    objects.json  the Fabrics, SyncJobs and SyncConflicts that the cluster held
    story.json    what the program of the release read in its own database

A release's data never changes: a folder that is there is not written again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from controller.dev.build import ensure_programs
from controller.dev.controlplane import ControlPlane, Options
from controller.dev.gitserver import GitServer
from controller.dev.progress import Progress
from controller.store.fabrics import FabricRow
from controller.store.store import Store
from tests.support.api import Api
from tests.support.fabrics import Fabrics
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository
from tests.support.tandem import Launch, Stage, Tandem
from tests.support.tenants import let_reign

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
CRDS = ROOT / "crds"
MOST_BYTES = 300_000  # of the database: it is cloned with the repository for ever

NAMESPACE = "shop"
OURS = "fabrics,syncjobs,syncconflicts"
GUARDED = 12  # documents, of which all but one are removed: above maxDeletionPercent from 10 up

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: registry.example/web:1   # pinned
        ports:
        - containerPort: 80
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
  - port: 80
"""
SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: login\nstringData:\n  user: shop\n"
REFUSED = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: refused\ndatum:\n  a: b\n"
JOB = "apiVersion: tandem.dev/v1alpha1\nkind: SyncJob\nmetadata:\n  name: once\nspec:\n  fabricRef:\n    name: shop\n"

Json = dict[str, Any]


def config_map(name: str, **data: str) -> str:
    """A ConfigMap's document."""
    lines = "".join(f"  {key}: {value}\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{lines}"


class Story:
    """A namespace with two Fabrics, and everything in it that a database can have a row of."""

    def __init__(self, kubectl: Kubectl, server: GitServer, stage: Stage, folder: Path) -> None:
        kubectl("create", "namespace", NAMESPACE)
        let_reign(Api(kubectl.kubeconfig), NAMESPACE)
        self.fabrics = Fabrics(kubectl, NAMESPACE, stage)
        self.shop = Repository(server, "shop", folder / "shop")
        self.catalog = Repository(server, "catalog", folder / "catalog")

    def play(self) -> None:
        """From an empty namespace to the state that is stored; each step has been seen before the next."""
        self._objects_come_into_step()
        self._edits_become_commits()
        self._somebody_asks_for_a_run()
        self._both_change_one_field()
        self._guards_stop_plans()
        self._the_remote_refuses_a_commit()

    def _objects_come_into_step(self) -> None:
        """One adopted, others created, one refused."""
        adopted = config_map("adopted", color="blue")
        self.fabrics.kubectl.apply(adopted)
        revision = self.shop.publish(
            {
                "web.yaml": WEB,
                "config.yaml": "---\n".join(
                    (adopted, config_map("clash", size="small"), config_map("edited", size="small"))
                ),
                "secret.yaml": SECRET,
                "refused.yaml": REFUSED,
            }
        )
        self.fabrics.apply(self.shop.url, "shop", resources=_kinds("ConfigMap"))
        self.fabrics.wait_applied(revision, "shop")

    def _edits_become_commits(self) -> None:
        """An edit is written back, and a ConfigMap that only the cluster had is imported."""
        self.fabrics.kubectl.patch("configmap", "edited", {"data": {"size": "medium"}})
        self.fabrics.kubectl("create", "configmap", "made", "--from-literal=by=hand")
        self.fabrics.eventually(
            lambda: "size: medium" in self.shop.show("config.yaml") and "configmaps/made.yaml" in self.shop.files(),
            "shop",
        )
        self.fabrics.wait_applied(self.shop.head(), "shop")

    def _somebody_asks_for_a_run(self) -> None:
        self.fabrics.kubectl.apply(JOB)
        self.fabrics.kubectl("wait", "syncjob/once", "--for=jsonpath={.status.completionTime}", "--timeout=30s")

    def _both_change_one_field(self) -> None:
        """While the Fabric is suspended, so that neither side is first."""
        self.fabrics.patch({"suspend": True}, "shop")
        self.shop.pull()
        self.shop.replace("config.yaml", "name: clash\ndata:\n  size: small", "name: clash\ndata:\n  size: large")
        self.shop.commit("Grow")
        self.shop.push()
        self.fabrics.kubectl.patch("configmap", "clash", {"data": {"size": "tiny"}})
        self.fabrics.patch({"suspend": False}, "shop")
        self.fabrics.wait_conflict("shop")

    def _guards_stop_plans(self) -> None:
        """One that was confirmed, and one that still stops its plan."""
        documents = {f"item-{number}.yaml": config_map(f"item-{number}", key="value") for number in range(GUARDED)}
        first = self.catalog.publish(documents)
        self.fabrics.apply(self.catalog.url, "catalog", deletion={"maxDeletions": 0}, resources=_kinds())
        self.fabrics.wait_synced("catalog", revision=first)
        second = self.catalog.publish({"item-0.yaml": None})
        self.fabrics.wait_condition("Stalled", "True", "DeletionGuard", "catalog")
        self.fabrics.confirm(self.fabrics.status("catalog")["guards"][0]["token"], "catalog")
        self.fabrics.wait_synced("catalog", revision=second)
        self.catalog.publish(dict.fromkeys(list(documents)[2:]))
        self.fabrics.wait_condition("Stalled", "True", "DeletionGuard", "catalog")

    def _the_remote_refuses_a_commit(self) -> None:
        hook = self.shop.bare / "hooks" / "pre-receive"
        hook.write_text("#!/bin/sh\necho 'main is closed for today' >&2\nexit 1\n")
        hook.chmod(0o755)
        self.fabrics.kubectl.patch("configmap", "edited", {"data": {"size": "huge"}})
        self.fabrics.wait_condition("SourceReady", "False", "PushRejected", "shop")


async def contents(database: Path) -> Json:
    """What this program reads in a database of its own version, fabric by fabric; what does not depend on the time."""
    store = await Store.open(f"sqlite:///{database}", exclusive=False)
    try:
        installation = await store.installation.read()
        assert installation is not None
        return {
            "install_id": installation.install_id,
            "database_id": installation.database_id,
            "fabrics": {row.name: await _contents_of(store, row) for row in await store.fabrics.all()},
        }
    finally:
        await store.close()


async def _contents_of(store: Store, row: FabricRow) -> Json:
    bases = await store.bases.load_all(row.id)
    pushes = await store.pushes.since(row.id, 0.0)
    return {
        "uid": row.uid,
        "planned": row.planned_commit,
        "applied": row.applied_commit,
        "pushed": row.pushed_commit,
        "bases": {
            str(key): {
                "declared": base.declared.decode(),
                "actual": base.actual.decode(),
                "uid": base.uid,
                "epoch": base.epoch,
                "file": base.origin.path,
            }
            for key, base in sorted(bases.items())
        },
        "pushes": [
            {
                "commit": push.commit,
                "state": push.state.value,
                "objects": sorted(str(item.key) for item in push.objects),
            }
            for push in pushes
        ],
        "refusals": {str(key): found.reason for key, found in (await store.refusals.load_all(row.id)).items()},
        "guards": sorted(
            [guard.reason, guard.confirmed, len(guard.entries)]
            for guard in (await store.guards.load_all(row.id)).values()
        ),
        "runs": sorted(run.operation_id for run in await store.history.latest(row.id)),
        "jobs": sorted(job.name for job in await store.archive.latest(row.id, "SyncJob")),
    }


def make(target: Path) -> None:
    """Play the story, and write what it leaves to `target`."""
    programs = ensure_programs(os.environ, Progress(), controllers=True).programs
    assert programs is not None
    with (
        TemporaryDirectory(prefix="tandem-release-") as name,
        ControlPlane(programs, Path(name) / "plane", Options(fsync=False)) as plane,
        GitServer(Path(name) / "git") as server,
    ):
        folder = Path(name)
        kubectl = Kubectl.of(plane)
        kubectl("apply", "--server-side", "--filename", str(CRDS))
        kubectl("wait", "--for=condition=Established", "--filename", str(CRDS))
        stage = Stage()
        tandem = Tandem(Launch(plane.kubeconfig, folder / "tandem", "tandem-system"))
        try:
            stage.enter(tandem)
            Story(kubectl, server, stage, folder / "clones").play()
        finally:
            tandem.stop()
        objects = kubectl.within(NAMESPACE).json("get", OURS)["items"]
        _write(target, tandem.launch.database_file, objects)


def _write(target: Path, database: Path, objects: list[Json]) -> None:
    target.mkdir(parents=True)
    stored = target / "tandem.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", [str(stored)])
    assert stored.stat().st_size < MOST_BYTES, f"the database has {stored.stat().st_size} bytes"
    shutil.copytree(CRDS, target / "crds")
    _write_json(target / "objects.json", objects)
    with TemporaryDirectory() as scratch:  # reading makes files beside a database
        copy = shutil.copy(stored, scratch)
        _write_json(target / "story.json", asyncio.run(contents(Path(copy))))


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def _kinds(*imported: str) -> list[Json]:
    kinds = [("", "ConfigMap"), ("", "Secret"), ("", "Service"), ("apps", "Deployment")]
    return [{"group": group, "kind": kind, "import": kind in imported} for group, kind in kinds]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.release", description=__doc__)
    parser.add_argument("version", help="such as 0.1.0")
    target = DATA / f"v{parser.parse_args(arguments).version}"
    if target.exists():
        sys.stderr.write(f"{target} is there, and a release's data never changes; remove it first if it is a new one\n")
        return 1
    make(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
