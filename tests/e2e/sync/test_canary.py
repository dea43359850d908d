"""The life of an encrypted Secret, and everything that somebody may look at meanwhile: no value of it is anywhere."""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from controller.dev.controlplane import ControlPlane
from controller.sops.room import MEMORY, PREFIX
from tests.e2e.sync.looking import wait_error
from tests.support.cli import Cli
from tests.support.fabrics import NAME, Fabrics
from tests.support.repository import Repository
from tests.support.sops import Keeper
from tests.support.tandem import Tandem
from tests.support.worktree import git_bytes

CANARIES = [f"canary-{number}-5d1e77c0" for number in range(9)]
STRING, DATA, LIVE, GIT, CLASH, BROKEN, NUMBER, IMPORTED, NEXT = CANARIES


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


SECRET = f"""\
apiVersion: v1
kind: Secret
metadata:
  name: pay
stringData:
  key: {STRING}
data:
  other: {encoded(DATA)}
"""
NOT_BASE64 = SECRET.replace("name: pay", "name: broken").replace(encoded(DATA), f"'{BROKEN}!'")
NO_TEXT = SECRET.replace("name: pay", "name: number").replace(STRING, f"[{NUMBER}]")


class Sightings:
    """What was seen of secrets, and where."""

    def __init__(self, keeper: Keeper) -> None:
        values = [form for value in CANARIES for form in (value, encoded(value))]
        self._needles = [needle.encode() for needle in (*values, keeper.identity)]
        self.found: set[str] = set()

    def look(self, where: str, text: bytes | str) -> None:
        """Note what stands in a text."""
        data = text.encode() if isinstance(text, str) else text
        self.found |= {f"{needle.decode()} in {where}" for needle in self._needles if needle in data}

    @contextmanager
    def watching_command_lines(self) -> Iterator[None]:
        """Look at every process's command line, again and again."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.002):
                for path in Path("/proc").glob("[0-9]*/cmdline"):
                    with suppress(OSError):
                        line = path.read_bytes()
                        if b"sops" in line:
                            self.look("a command line", line)
                            self.seen += 1

        self.seen = 0
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
        assert self.seen, "no run of sops was seen, so nothing was looked at"


def test_no_value_is_seen_anywhere_but_where_it_belongs(
    sops_program: Path,
    controlplane: ControlPlane,
    own_tandem: Tandem,
    fabrics: Fabrics,
    repository: Repository,
    tmp_path: Path,
) -> None:
    keeper = Keeper(sops_program, tmp_path / "keeper")
    sightings = Sightings(keeper)
    cli = Cli.of(controlplane, tmp_path, fabrics.namespace).using(
        launched=own_tandem.launch, environ={"TANDEM_SOPS": str(sops_program)}
    )
    with sightings.watching_command_lines():
        live_through(own_tandem, fabrics, repository, keeper, cli, sightings)
    look_around(own_tandem, fabrics, repository, sightings)
    assert sightings.found == set()
    whole = {"bases", "pushes"}  # what both sides agreed on, and what a push will make so: see docs/operations.md
    assert tables_with(own_tandem.launch.database_file, CLASH) <= whole


def live_through(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, keeper: Keeper, cli: Cli, sightings: Sightings
) -> None:
    """Reading, an edit, an import, broken files, a conflict decided for each side, a restart, a pruned file."""
    identity = {"metadata": {"name": "age"}, "stringData": {"age.agekey": keeper.identity}}
    fabrics.kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Secret"} | identity))
    first = repository.publish({"pay.yaml": keeper.encrypt(SECRET)})
    encryption = {"identitySecretRef": {"name": "age"}, "recipients": [keeper.recipient]}
    resources = [{"kind": "Secret", "import": True}, {"kind": "ConfigMap"}]
    fabrics.apply(repository.url, encryption=encryption, resources=resources)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("secret", "pay", {"stringData": {"key": LIVE}})
    fabrics.eventually(lambda: LIVE in keeper.decrypt(repository.show("pay.yaml")))
    live = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "live"}, "stringData": {"key": IMPORTED}}
    fabrics.kubectl.apply(json.dumps(live))
    fabrics.eventually(lambda: "secrets/live.yaml" in repository.files())
    fabrics.wait_synced(revision=repository.head())

    broken = keeper.encrypt(SECRET.replace("name: pay", "name: mac")).replace("name: mac", "name: mac2")
    repository.publish(
        {
            "mac.yaml": broken,
            "base64.yaml": keeper.encrypt(NOT_BASE64),
            "number.yaml": keeper.encrypt(NO_TEXT),
        }
    )
    wait_error(fabrics, file="mac.yaml", reason="DecryptionFailed")
    wait_error(fabrics, file="base64.yaml", field="/data/other")
    wait_error(fabrics, file="number.yaml", field="/stringData/key")
    repository.publish(dict.fromkeys(["mac.yaml", "base64.yaml", "number.yaml"]))
    fabrics.wait_synced(revision=repository.head())

    for strategy, live_value, git_value in (("GitWins", CLASH, GIT), ("ClusterWins", CLASH, NEXT)):
        fabrics.patch({"suspend": True})
        repository.pull()
        text = repository.show("pay.yaml")
        now = next(line.split()[1] for line in keeper.decrypt(text).splitlines() if line.strip().startswith("key:"))
        repository.publish({"pay.yaml": keeper.edit(text, now, git_value)})
        fabrics.kubectl.patch("secret", "pay", {"stringData": {"key": live_value}})
        fabrics.patch({"suspend": False})
        name = fabrics.wait_conflict()["metadata"]["name"]
        if strategy == "GitWins":
            ask(cli, name, sightings)
        sightings.look("a conflict", json.dumps(fabrics.kubectl.json("get", "syncconflict", name)))
        fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": strategy}}})
        fabrics.eventually(lambda: not fabrics.conflicts())
        fabrics.wait_synced(revision=repository.head())
        tandem.restart()
    fabrics.wait_handled(fabrics.request())


def ask(cli: Cli, conflict: str, sightings: Sightings) -> None:
    """What the command line shows while there is a conflict."""
    for said in (
        cli("plan", NAME, "-o", "json"),
        cli("plan", NAME, "--why", "Secret/pay"),
        cli("conflicts", "show", conflict),
        cli("conflicts", "show", conflict, "-o", "json"),
    ):
        assert said.out, said.err
        sightings.look("what the command line says", said.out + said.err)


def look_around(tandem: Tandem, fabrics: Fabrics, repository: Repository, sightings: Sightings) -> None:
    """All that somebody may read, except the Secrets themselves."""
    kinds = "fabrics,syncconflicts,syncjobs,events,configmaps"
    sightings.look("objects", json.dumps(fabrics.kubectl.json("get", kinds)))
    sightings.look("logs", tandem.logs(lines=1_000_000))
    sightings.look("metrics", tandem.probe("/metrics")[1])
    every = ("cat-file", "--batch-all-objects", "--batch")
    sightings.look("the repository", git_bytes(*every, cwd=repository.bare))
    mirrors = [path.parent for path in (tandem.launch.data_dir / "mirrors").rglob("HEAD")]
    assert mirrors
    for mirror in mirrors:
        sightings.look("a mirror", git_bytes(*every, cwd=mirror))
    files = [path for path in tandem.launch.folder.rglob("*") if path.is_file()]
    assert tandem.launch.database_file in files
    for path in files:
        sightings.look(str(path), path.read_bytes())
    for path in MEMORY.glob(f"{PREFIX}*/**/*"):  # of others that run at the same time, too
        with suppress(OSError):
            sightings.look("memory", path.read_bytes())


def tables_with(database: Path, value: str) -> set[str]:
    """The tables of a database with a value in them, compressed or not."""
    found = set()
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # its own name
                if any(is_in(cell, value) for cell in row):
                    found.add(table)
    return found


def is_in(cell: object, value: str) -> bool:
    data = cell.encode() if isinstance(cell, str) else cell if isinstance(cell, bytes) else b""
    with suppress(zlib.error):
        data = zlib.decompress(data)
    texts = [data]
    with suppress(ValueError, TypeError):
        texts += [unpacked(text) for text in strings_of(json.loads(data))]
    return any(form.encode() in text for text in texts for form in (value, encoded(value)))


def strings_of(found: object) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict | list):
        for item in found.values() if isinstance(found, dict) else found:
            yield from strings_of(item)


def unpacked(text: str) -> bytes:
    """What the push log packs documents into."""
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except (ValueError, zlib.error):
        return text.encode()
