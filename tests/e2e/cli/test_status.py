"""`tandem status`, `suspend`, `resume` and `confirm` on Fabrics that a controller looks after."""

from __future__ import annotations

from tests.e2e.sync.manifests import CONFIG, several
from tests.support.cli import ESCAPE, Cli
from tests.support.fabrics import NAME, Fabrics
from tests.support.repository import Repository

HEADERS = ["NAME", "READY", "REASON", "REVISION", "OBJECTS", "CONFLICTS", "SUSPENDED", "LAST", "SYNC"]


def test_the_table_says_how_each_fabric_is(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    assert cli("status").err.startswith("no fabrics; ")
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    said = cli("status")
    assert said.code == 0
    header, line = said.lines
    assert header.split() == HEADERS
    assert line.split()[:7] == [NAME, "True", "Synced", first[:12], "1", "0", "no"]
    everywhere = cli.using(namespace="default")("status", "-A")
    assert everywhere.lines[0].split()[0] == "NAMESPACE"
    assert [fabrics.namespace, NAME] in [line.split()[:2] for line in everywhere.lines]
    (told,) = cli("status", "-o", "json").json()
    assert told["status"]["revision"]["applied"] == first


def test_one_fabric_is_shown_with_all_that_is_known(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    second = repository.publish({"bad.yaml": "a: [\n"})
    fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    fabrics.wait_applied(second)
    said = cli("status", NAME)
    assert said.code == 0
    assert said.lines[0] == f"{fabrics.namespace}/{NAME}"
    assert said.lines[1].startswith(repository.url)
    conditions = {
        line.split()[0]: line.split()[1:3] for line in said.lines if line.split()[1:2] in (["True"], ["False"])
    }
    assert conditions["Ready"] == ["False", "DocumentsFailed"]
    assert conditions["SourceReady"] == ["True", "Fetched"]
    assert any(line.startswith("objects     1 declared, 1 kept in step") for line in said.lines)
    assert any(line.startswith("  bad.yaml:2   DocumentsFailed: ") for line in said.lines)
    assert cli("status", NAME, "-o", "json").json()["metadata"]["name"] == NAME


def test_a_terminal_gets_colours_and_a_pipe_none(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    for arguments in (["status"], ["status", NAME]):
        assert ESCAPE not in cli(*arguments).out
        shown = cli.on_terminal(*arguments)
        assert shown.code == 0
        assert f"{ESCAPE}[32mTrue{ESCAPE}[0m" in shown.out
        plain = cli.using(environ={"NO_COLOR": "1"}).on_terminal(*arguments)
        assert f"{ESCAPE}[32m" not in plain.out
        assert shown.plain.split()[:4] == plain.plain.split()[:4]


def test_a_suspended_fabric_is_left_alone_until_it_is_resumed(
    cli: Cli, fabrics: Fabrics, repository: Repository
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    said = cli("suspend", NAME)
    assert (said.code, said.lines) == (0, [f"Fabric {fabrics.namespace}/{NAME} suspended"])
    assert cli("suspend", NAME).lines == [f"Fabric {fabrics.namespace}/{NAME} is suspended already"]
    assert cli("status").lines[1].split()[6] == "yes"
    assert f"go on with tandem resume {NAME} -n {fabrics.namespace}" in cli("status", NAME).out
    repository.publish({"cm.yaml": CONFIG.replace("color: blue", "color: red")})
    assert fabrics.get()["spec"]["suspend"] is True
    said = cli("resume", NAME)
    assert (said.code, said.lines) == (0, [f"Fabric {fabrics.namespace}/{NAME} resumed"])
    assert cli("resume", NAME).lines == [f"Fabric {fabrics.namespace}/{NAME} is not suspended"]
    fabrics.eventually(lambda: fabrics.kubectl.json("get", "configmap", "web")["data"]["color"] == "red")


def test_what_a_guard_stopped_is_shown_and_let_through(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"all.yaml": several("a", "b"), "README.md": "hello\n"})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    repository.publish({"all.yaml": None})
    fabrics.wait_condition("Stalled", "True", "EmptySource")
    said = cli("status", NAME)
    assert "stopped by EmptySource: 2 deletions, 0 edits" in said.lines
    (how,) = [line for line in said.lines if "let exactly this through" in line]
    token = how.split()[-1]
    assert how.endswith(f"tandem confirm {NAME} -n {fabrics.namespace} {token}")
    wrong = cli("confirm", NAME, "0000000000000000")
    assert wrong.code == 1
    assert wrong.err == f"error: 0000000000000000 confirms nothing of Fabric {NAME}: it waits for {token}\n"
    assert cli("confirm", NAME).code == 64
    assert cli("confirm", NAME, token).code == 0
    fabrics.eventually(lambda: fabrics.config_map("a") is None)
    none = cli("confirm", NAME, token)
    assert none.code == 0 or "no guard stops its plan" in none.err


def test_a_name_and_all_namespaces_make_no_sense(bare: Cli) -> None:
    said = bare("status", NAME, "-A")
    assert said.code == 64
    assert said.err.startswith("error: one Fabric is in one namespace")
