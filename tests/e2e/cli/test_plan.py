"""`tandem plan` beside a controller that runs and one that does not: what it shows, and that it touches nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.sync.manifests import CONFIG, DEPLOYMENT, config_map, several
from tests.support.audit import AuditedRequest, AuditLog, Mark
from tests.support.cli import ESCAPE, Cli, Said
from tests.support.fabrics import NAME, Fabrics
from tests.support.repository import Repository
from tests.support.tandem import Tandem

SEEN_BY_NOBODY = {"interval": "1h"}  # the controller does not look at a push by itself


def entry(said: Said, name: str) -> dict[str, Any]:
    """The change of one object in `-o json`."""
    (found,) = [change for change in said.json()["changes"] if change["object"]["name"] == name]
    return dict(found)


def files(folder: Path) -> dict[str, int]:
    """What lies in a folder: name → time of the last write."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def writes(requests: list[AuditedRequest]) -> list[AuditedRequest]:
    """Those of the requests that change something, or would if they could."""
    reviews = ("selfsubjectreviews", "subjectaccessreviews")
    return [
        request
        for request in requests
        if request.verb not in {"get", "list", "watch"}
        and "dryRun" not in request.query
        and not request.path.endswith(reviews)
    ]


def mine(log: AuditLog, since: Mark) -> list[AuditedRequest]:
    """What commands have asked for, a controller beside them left out."""
    return [request for request in log.requests("tandem/", since) if "(cli;" in request.user_agent]


def start(fabrics: Fabrics, repository: Repository, **documents: str) -> str:
    """A fabric in step whose controller looks at the branch only when it is asked to; the commit."""
    first = repository.publish(documents)
    fabrics.apply(repository.url, sync=SEEN_BY_NOBODY)
    fabrics.wait_synced(revision=first)
    return first


def test_nothing_to_do_is_0_and_says_so(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    first = start(fabrics, repository, **{"cm.yaml": CONFIG})
    said = cli("plan", NAME)
    assert said.code == 0, said.err
    assert f"at {first[:12]}" in said.lines[0]
    assert said.lines[-1] == "nothing to do: both sides agree"
    assert said.err == ""


def test_a_commit_that_is_not_applied_yet_is_shown_field_by_field(
    cli: Cli, fabrics: Fabrics, repository: Repository, tandem: Tandem
) -> None:
    start(fabrics, repository, **{"cm.yaml": CONFIG, "old.yaml": config_map("old", key="value")})
    changed = CONFIG.replace("color: blue", "color: red")
    second = repository.publish({"cm.yaml": changed, "new.yaml": config_map("new", key="value"), "old.yaml": None})
    assert tandem.running, "it plans beside a controller"
    said = cli("plan", NAME)
    assert said.code == 2, said.err
    assert f"at {second[:12]}" in said.lines[0]
    for line in (
        f"ConfigMap/{fabrics.namespace}/web   configure   cm.yaml:2",
        '      ~ /data/color: "blue" → "red"',
        f"ConfigMap/{fabrics.namespace}/new   create   new.yaml:1",
        '      + /data/key: "value"',
        f"ConfigMap/{fabrics.namespace}/old   prune   old.yaml:1",
        "3 objects: 1 configure, 1 create, 1 prune",
    ):
        assert line in said.lines
    assert fabrics.kubectl.json("get", "configmap", "web")["data"]["color"] == "blue"
    assert fabrics.config_map("new") is None


def test_json_is_for_programs(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    start(fabrics, repository, **{"cm.yaml": CONFIG})
    second = repository.publish({"cm.yaml": CONFIG.replace("color: blue", "color: red"), "bad.yaml": "a: [\n"})
    said = cli("plan", NAME, "-o", "json")
    assert said.code == 2
    assert ESCAPE not in said.out
    tool = [sys.executable, "-m", "json.tool"]
    subprocess.run(tool, input=said.out, check=True, capture_output=True, text=True, timeout=30)
    told = said.json()
    assert told["fabric"] == f"{fabrics.namespace}/{NAME}"
    assert told["commit"] == second
    assert told["empty"] is False
    change = entry(said, "web")
    assert (change["action"], change["row"]) == ("configure", "B | ≠ B | = B")
    assert change["cluster"] == [{"path": "/data/color", "old": "blue", "new": "red"}]
    assert change["git"] == []
    (problem,) = told["problems"]
    assert (problem["file"], problem["line"], problem["reason"]) == ("bad.yaml", 2, "DocumentsFailed")


def test_why_shows_the_three_sides_of_a_conflict_its_owners_and_the_row(
    cli: Cli, fabrics: Fabrics, repository: Repository, tandem: Tandem
) -> None:
    start(fabrics, repository, **{"cm.yaml": CONFIG, "web/deployment.yaml": DEPLOYMENT})
    tandem.stop()
    try:
        fabrics.kubectl.patch("deployment", "web", {"spec": {"replicas": 5}}, "--field-manager=kubectl-edit")
        repository.publish({"web/deployment.yaml": DEPLOYMENT.replace("replicas: 2", "replicas: 3")})
        for wanted in ("deployment/web", "Deployment.apps/web", "deployments/web"):
            said = cli("plan", NAME, "--why", wanted)
            assert said.code == 2, said.err
        assert said.lines[0] == f"Deployment/{fabrics.namespace}/web"
        base, declared, actual, row = said.lines[1:5]
        assert base.split()[:2] == ["B", "base"]
        assert "agreed on web/deployment.yaml:1" in base
        assert declared.split()[:3] == ["D", "declared", "declared"]
        assert actual.split()[:3] == ["A", "actual", "in"]
        assert row.startswith("  row [B | ≠ B | ≠ B, ≠ D]  → conflict: waits for a decision")
        (line,) = [line for line in said.lines if line.startswith("/spec/replicas")]
        assert line.split() == ["/spec/replicas", "2", "3", "5", "kubectl-edit", "Git", "changed", "it;", "edit"]
        (explained,) = cli("plan", NAME, "--why", "deployment/web", "-o", "json").json()["explanations"]
        (difference,) = explained["differences"]
        assert [difference[side] for side in ("base", "git", "cluster")] == [2, 3, 5]
        assert difference["owners"] == ["kubectl-edit"]
        assert explained["action"] == "conflict"
    finally:
        tandem.start()


def test_why_answers_also_where_the_sides_never_agreed(
    cli: Cli, fabrics: Fabrics, repository: Repository, tandem: Tandem
) -> None:
    tandem.stop()
    try:
        fabrics.kubectl.apply(config_map("web", color="red"))
        repository.publish({"cm.yaml": CONFIG})
        fabrics.apply(repository.url, sync=SEEN_BY_NOBODY)
        said = cli("plan", NAME, "--why", "configmap/web")
        assert said.code == 2, said.err
        assert "none: the sides have not agreed on it yet" in said.lines[1]
        assert "→ conflict" in said.lines[4]
        (line,) = [line for line in said.lines if line.startswith("/data/color")]
        assert line.split()[:4] == ["/data/color", "–", '"blue"', '"red"']
    finally:
        tandem.start()


def test_why_of_something_unknown_says_so(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    start(fabrics, repository, **{"cm.yaml": CONFIG})
    for output in ([], ["-o", "json"]):
        said = cli("plan", NAME, "--why", "configmap/nothing", *output)
        assert (said.code, said.out) == (1, "")
        assert (
            said.err == f"error: Fabric {fabrics.namespace}/{NAME} knows no configmap/nothing: it is on neither side\n"
        )


def test_a_live_edit_would_be_written_back_and_a_guard_names_its_token(
    cli: Cli, fabrics: Fabrics, repository: Repository, tandem: Tandem
) -> None:
    start(fabrics, repository, **{"all.yaml": several(*(f"n{number}" for number in range(12))), "cm.yaml": CONFIG})
    tandem.stop()
    try:
        fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}}, "--field-manager=kubectl-edit")
        said = cli("plan", NAME)
        assert '      ~ /data/color: "blue" → "green"   (kubectl-edit)' in said.lines
        assert "  → Git cm.yaml" in said.lines
        repository.publish({"all.yaml": None})
        stopped = cli("plan", NAME)
        assert stopped.code == 2
        (how,) = [line for line in stopped.lines if "to let it through" in line]
        assert f"tandem confirm {NAME} -n {fabrics.namespace} " in how
        token = how.split()[-1]
        assert cli("plan", NAME, "-o", "json").json()["guards"][0]["token"] == token
    finally:
        tandem.start()
    fabrics.request()
    fabrics.wait_condition("Stalled", "True", "DeletionGuard")
    assert fabrics.status()["guards"][0]["token"] == token, "the plan's token is the controller's"


def test_it_writes_nothing_anywhere(
    cli: Cli, fabrics: Fabrics, repository: Repository, tandem: Tandem, audit_log: AuditLog
) -> None:
    """Neither beside a controller nor without one, and without one not even a file beside its database."""
    first = start(fabrics, repository, **{"cm.yaml": CONFIG})
    mark = audit_log.mark()
    assert cli("plan", NAME).code == 0
    assert writes(mine(audit_log, mark)) == []
    tandem.stop()
    try:
        fabrics.kubectl.patch("configmap", "web", {"data": {"size": "small"}}, "--field-manager=kubectl-edit")
        changed = CONFIG.replace("color: blue", "color: red")
        second = repository.publish({"cm.yaml": changed, "x.yaml": config_map("x", a="b")})
        folder = tandem.launch.database_file.parent
        before, mark = files(folder), audit_log.mark()
        said = cli("plan", NAME)
        assert said.code == 2, said.err
        assert mine(audit_log, mark)
        assert writes(mine(audit_log, mark)) == []
        assert files(folder) == before
        assert repository.head() == second != first
        assert list(cli.home.iterdir()) == []
    finally:
        tandem.start()


def test_without_the_controller_s_database_it_says_what_that_means(
    cli: Cli, fabrics: Fabrics, repository: Repository, tmp_path: Path
) -> None:
    start(fabrics, repository, **{"cm.yaml": CONFIG})
    missing = tmp_path / "none.db"
    said = cli("plan", NAME, "--database", f"sqlite:///{missing}")
    assert said.code in {0, 2}
    assert said.err.startswith(f"note: there is no database at {missing}, ")
    assert "--database" in said.err
    assert not missing.exists()


def test_a_source_that_cannot_be_read_is_one_line(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, repository={"branch": "release"})
    said = cli("plan", NAME)
    assert (said.code, said.out) == (1, "")
    assert said.err.count("\n") == 1
    assert said.err.startswith("error: ")
    assert "no branch 'release'" in said.err
    assert "main" in said.err


def test_in_a_pipe_there_are_no_escapes_whatever_the_repository_holds(
    cli: Cli, fabrics: Fabrics, repository: Repository
) -> None:
    start(fabrics, repository, **{"cm.yaml": CONFIG})
    steering = CONFIG.replace("color: blue", 'color: "\\e[2J\\u202Ered"')
    repository.publish({"cm.yaml": steering})
    said = cli("plan", NAME)
    assert said.code == 2
    assert not {ESCAPE, "\u202e"} & set(said.out)
    shown = cli.on_terminal("plan", NAME)
    assert shown.code == 2
    assert f"{ESCAPE}[1m" in shown.out, "a terminal gets colours"
    assert f"{ESCAPE}[2J" not in shown.out
    assert "\u202e" not in shown.out
    plain = cli.using(environ={"NO_COLOR": "1"}).on_terminal("plan", NAME)
    assert not [code for code in ("[31m", "[32m", "[33m", "[36m") if f"{ESCAPE}{code}" in plain.out]
    value = json.loads(cli("plan", NAME, "-o", "json").out)["changes"][0]["cluster"][0]["new"]
    assert value == "\x1b[2J\u202ered"
