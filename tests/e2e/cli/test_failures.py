"""What goes wrong around a command: wrong names, no rights, no cluster. One line: what, where, what to do next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.dev.controlplane import ControlPlane
from controller.dev.ports import free_port
from tests.support.cli import Cli
from tests.support.fabrics import NAME, Fabrics
from tests.support.faults import FaultProxy

ON_A_FABRIC = (
    ["plan", "nothing"],
    ["sync", "nothing"],
    ["status", "nothing"],
    ["suspend", "nothing"],
    ["resume", "nothing"],
    ["confirm", "nothing", "token"],
)
ON_A_CLUSTER = (*ON_A_FABRIC, ["conflicts", "list"], ["conflicts", "show", "x"], ["conflicts", "resolve", "x", "--git"])


def name_of(arguments: list[str]) -> str:
    return " ".join(arguments[:2]) if arguments[0] == "conflicts" else arguments[0]


@pytest.mark.parametrize("arguments", ON_A_FABRIC, ids=name_of)
def test_a_wrong_fabric_name_is_said_with_where_to_look(bare: Cli, arguments: list[str]) -> None:
    said = bare(*arguments)
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        f"error: there is no Fabric nothing in namespace {bare.namespace}; `tandem status -A` lists them all\n"
    )


@pytest.mark.parametrize("arguments", [["status"], *ON_A_CLUSTER], ids=name_of)
def test_no_permission_names_who_and_what(
    controlplane: ControlPlane, crds: None, home: Path, namespace: str, arguments: list[str]
) -> None:
    said = Cli.of(controlplane, home, namespace, "alice")(*arguments)
    assert (said.code, said.out) == (1, "")
    assert said.err.count("\n") == 1
    kind = "syncconflicts" if arguments[0] == "conflicts" else "fabrics"
    assert 'User "alice" cannot' in said.err
    assert f'resource "{kind}"' in said.err


def test_a_right_to_look_is_no_right_to_change(controlplane: ControlPlane, fabrics: Fabrics, home: Path) -> None:
    fabrics.kubectl("create", "role", "looker", "--verb=get,list,watch", "--resource=fabrics.tandem.dev")
    fabrics.kubectl("create", "rolebinding", "looker", "--role=looker", "--user=alice")
    fabrics.apply("http://127.0.0.1:1/none.git", suspend=True)
    alice = Cli.of(controlplane, home, fabrics.namespace, "alice")
    assert fabrics.eventually(lambda: alice("status", NAME).code == 0)
    said = alice("resume", NAME)
    assert said.code == 1
    assert 'User "alice" cannot patch resource "fabrics"' in said.err
    said = alice("sync", NAME)
    assert said.code == 1
    assert 'User "alice" cannot create resource "syncjobs"' in said.err
    assert fabrics.get()["spec"]["suspend"] is True


@pytest.mark.parametrize("arguments", [["version"], ["crds", "--install"], *ON_A_CLUSTER], ids=name_of)
def test_no_cluster_within_reach_is_said_with_its_address(
    controlplane: ControlPlane, home: Path, arguments: list[str]
) -> None:
    config = json.loads(controlplane.kubeconfig.read_text())
    address = f"https://127.0.0.1:{free_port()}"
    config["clusters"][0]["cluster"]["server"] = address
    (home / "config").write_text(json.dumps(config))
    said = Cli(home / "config", home, "default")(*arguments)
    assert said.code == 1
    assert said.err.count("\n") == 1
    assert said.err.startswith(f"error: {address} cannot be reached: ")


def test_an_api_server_that_fails_is_said(faults: FaultProxy, crds: None, home: Path, namespace: str) -> None:
    faults.answer(503)
    said = Cli(faults.kubeconfig, home, namespace)("status")
    assert (said.code, said.out) == (1, "")
    assert said.err.count("\n") == 1


def test_a_kubeconfig_that_is_not_there_is_said_with_who_named_it(home: Path) -> None:
    nobody = Cli(None, home)
    missing = home / "none"
    assert nobody("status", "--kubeconfig", str(missing)).err == (
        f"error: --kubeconfig {missing}: there is no such file\n"
    )
    for variable in ("KUBECONFIG", "TANDEM_KUBECONFIG"):
        said = nobody.using(environ={variable: str(missing)})("status")
        assert (said.code, said.err) == (1, f"error: {variable}={missing}: there is no such file\n")
    said = nobody("status")
    assert said.code == 1
    assert said.err.startswith("error: no cluster: neither --kubeconfig nor KUBECONFIG is given")
    broken = home / "broken"
    broken.write_text("clusters: nonsense\n")
    said = nobody("status", "--kubeconfig", str(broken))
    assert said.code == 1
    assert said.err.startswith(f"error: --kubeconfig {broken}: not a usable kubeconfig")
    assert said.err.count("\n") == 1


def test_the_kubeconfig_is_found_as_kubectl_finds_it(
    controlplane: ControlPlane, crds: None, home: Path, namespace: str
) -> None:
    """Flag, TANDEM_KUBECONFIG, KUBECONFIG, ~/.kube/config; the context's namespace, and --context."""
    config = json.loads(controlplane.kubeconfig.read_text())
    here = config["contexts"][0]
    here["context"]["namespace"] = namespace
    config["contexts"].append({"name": "elsewhere", "context": here["context"] | {"namespace": "kube-public"}})
    path = home / ".kube" / "config"
    path.parent.mkdir()
    path.write_text(json.dumps(config))
    nobody = Cli(None, home)
    moved = path.rename(home / "moved")
    ways = (
        nobody.using(kubeconfig=moved),
        nobody.using(environ={"TANDEM_KUBECONFIG": str(moved), "KUBECONFIG": "/nowhere"}),
        nobody.using(environ={"KUBECONFIG": str(moved)}),
    )
    for way in ways:
        assert f"in namespace {namespace};" in way("status", NAME).err
    moved.rename(path)
    assert f"in namespace {namespace};" in nobody("status", NAME).err
    assert "in namespace kube-public;" in nobody("--context", "elsewhere", "status", NAME).err
    assert "in namespace default;" in nobody("status", NAME, "-n", "default").err
    assert "in namespace default;" in nobody.using(environ={"TANDEM_NAMESPACE": "default"})("status", NAME).err
    unknown = nobody("status", "--context", "other")
    assert unknown.code == 1
    assert "other" in unknown.err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["stauts"], "there is no command 'stauts'; did you mean status?"),
        (["frobnicate"], "there is no command 'frobnicate': it is one of status, plan, "),
        (["conflicts", "lst"], "'lst' is none of list, show, resolve"),
        (["status", "--colour"], "unrecognized arguments: --colour"),
        (["plan", NAME, "--why", "web"], "'web' is not KIND/NAME, such as deployment/web"),
        (["plan", NAME, "-o", "yaml"], "invalid choice: 'yaml'"),
    ],
)
def test_a_typing_error_is_64_with_where_help_is(home: Path, arguments: list[str], why: str) -> None:
    said = Cli(None, home)(*arguments)
    assert (said.code, said.out) == (64, "")
    assert why in said.err
    assert "--help` for what is possible" in said.err
