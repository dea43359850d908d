"""`tandem crds`, `version` and `doctor` on a cluster that nobody has prepared."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest

from controller.api.crd import crd_files
from controller.dev.controlplane import ControlPlane, Options, User
from controller.dev.locate import Programs
from controller.sops.locate import find_sops
from tests.e2e.sync.manifests import CONFIG
from tests.support.cli import ESCAPE, Cli, Said
from tests.support.fabrics import NAME, Fabrics, fabric
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository

DEFINITIONS = ("fabrics.tandem.dev", "syncjobs.tandem.dev", "syncconflicts.tandem.dev")
NARROW_CRD = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/description"


@pytest.fixture(scope="module")
def fresh(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster of the module's own, without Tandem's kinds."""
    options = Options(users=(User("alice"),), controllers=(), fsync=False)
    with ControlPlane(programs, tmp_path_factory.mktemp("fresh"), options) as plane:
        yield plane


@pytest.fixture
def on_fresh(fresh: ControlPlane, home: Path) -> Cli:
    """The admin's command line there, whatever of Tandem an earlier test has installed."""
    return Cli.of(fresh, home, "default").using(environ=where_programs_are(fresh.programs))


@pytest.fixture
def empty(on_fresh: Cli, fresh: ControlPlane) -> Cli:
    """The same where nothing of Tandem is."""
    Kubectl.of(fresh)("delete", "crd", *DEFINITIONS, "--ignore-not-found", timeout=120)
    return on_fresh


@pytest.fixture
def prepared(on_fresh: Cli) -> Cli:
    """The same where the definitions are served."""
    assert on_fresh("crds", "--install").code == 0
    return on_fresh


def where_programs_are(programs: Programs) -> dict[str, str]:
    """For a home in which no control plane was ever built."""
    return {"KUBEBUILDER_ASSETS": str(programs.etcd.parent), "TANDEM_SOPS": str(find_sops("", os.environ).program)}


def grades(said: Said) -> dict[str, set[str]]:
    """subject → the grades of its lines, of `doctor -o json`."""
    found: dict[str, set[str]] = {}
    for check in said.json():
        found.setdefault(check["subject"], set()).add(check["grade"])
    return found


@pytest.mark.parametrize(
    "arguments", [["status"], ["plan", NAME], ["sync", NAME], ["conflicts", "list"], ["suspend", NAME]], ids=" ".join
)
def test_without_the_definitions_every_command_says_how_to_install_them(empty: Cli, arguments: list[str]) -> None:
    said = empty(*arguments)
    assert (said.code, said.out) == (1, "")
    kind = "syncconflicts" if arguments[0] == "conflicts" else "fabrics"
    assert f"does not know {kind}.tandem.dev; install the definitions: tandem crds --install\n" in said.err
    assert said.err.count("\n") == 1


def test_the_versions_of_both_sides(empty: Cli, fresh: ControlPlane) -> None:
    said = empty("version")
    server = Kubectl.of(fresh).json("version")["serverVersion"]["gitVersion"]
    assert said.lines == [
        f"client   {version('tandem-gitops')}",
        f"server   {server}",
        *(f"{name}   not installed" for name in DEFINITIONS),
    ]
    told = empty("version", "-o", "json").json()
    assert told["server"] == server
    assert told["definitions"][0] == {"name": DEFINITIONS[0], "served": [], "state": "missing"}
    client = empty.using(kubeconfig=None)("version", "--client")
    assert (client.code, client.lines) == (0, [f"client   {version('tandem-gitops')}"])


def test_doctor_says_what_is_missing_and_what_to_do(empty: Cli) -> None:
    said = empty("doctor")
    assert said.code == 1
    assert ESCAPE not in said.out
    for name in DEFINITIONS:
        assert f"fail  definitions    {name}: not installed" in said.lines
    assert any(line.strip() == "→ `tandem crds --install` installs them" for line in said.lines)
    assert any(line.startswith("ok    cluster        https://127.0.0.1:") for line in said.lines)
    database = empty.home / ".local/state/tandem/tandem.db"
    assert f"note  database       there is none at {database}" in said.lines
    assert any(line.startswith("ok    permissions    admin may do") for line in said.lines)
    assert any(line.startswith("ok    control plane  ") for line in said.lines)
    assert list(empty.home.iterdir()) == [], "it writes nothing"


def test_the_definitions_are_installed_once_and_served(empty: Cli, fresh: ControlPlane) -> None:
    said = empty("crds", "--install")
    assert said.code == 0, said.err
    assert said.lines == [f"{name} created" for name in DEFINITIONS]
    assert empty("crds", "--install").lines == [f"{name} unchanged" for name in DEFINITIONS]
    assert empty("status").err.startswith("no fabrics; "), "they are served when it returns"
    kubectl = Kubectl.of(fresh)
    kubectl.patch("crd", DEFINITIONS[0], [{"op": "replace", "path": NARROW_CRD, "value": "another"}])
    assert "fabrics.tandem.dev   v1alpha1, another version than this program's" in empty("version").lines
    assert empty("crds", "--install").lines[0] == f"{DEFINITIONS[0]} updated"


def test_they_are_printed_for_kubectl(on_fresh: Cli, fresh: ControlPlane) -> None:
    said = on_fresh.using(kubeconfig=None)("crds")
    assert said.code == 0
    assert said.out.split("---\n") == list(crd_files().values())
    kubectl = Kubectl.of(fresh)
    applied = kubectl("apply", "--server-side", "-f", "-", stdin=said.out)
    assert applied.count("serverside-applied") == 3


def test_who_may_not_install_them_is_told(on_fresh: Cli, fresh: ControlPlane) -> None:
    said = on_fresh.using(kubeconfig=fresh.kubeconfig_of("alice"))("crds", "--install")
    assert said.code == 1
    assert 'User "alice" cannot' in said.err


def test_doctor_names_missing_rights(prepared: Cli, fresh: ControlPlane) -> None:
    said = prepared.using(kubeconfig=fresh.kubeconfig_of("alice"))("doctor")
    assert said.code == 1
    (line,) = [line for line in said.lines if line.startswith("fail  permissions")]
    assert line.startswith("fail  permissions    alice may not get, list, watch, patch fabrics.tandem.dev; ")
    assert "get, create configmaps in tandem-system" in line
    assert 'User "alice" cannot' in said.out, "nor may she see the definitions"


def test_doctor_without_a_cluster_looks_at_the_rest(on_fresh: Cli) -> None:
    said = on_fresh.using(kubeconfig=None)("doctor", "-o", "json")
    assert said.code == 1
    assert grades(said) == {"control plane": {"ok"}, "sops": {"ok"}, "database": {"note"}, "cluster": {"fail"}}
    (cluster,) = [check for check in said.json() if check["subject"] == "cluster"]
    assert cluster["message"].startswith("no cluster: neither --kubeconfig nor KUBECONFIG is given")


def test_doctor_says_where_the_control_plane_came_from(on_fresh: Cli, tmp_path: Path) -> None:
    chosen = on_fresh.using(environ={"KUBEBUILDER_ASSETS": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)})
    said = chosen("doctor")
    assert "note  control plane  nowhere on this machine" in said.lines
    assert any("passed over KUBEBUILDER_ASSETS: " in line and "lacks etcd" in line for line in said.lines)


def test_doctor_says_where_sops_is_or_is_not(on_fresh: Cli) -> None:
    said = on_fresh("doctor", "--sops", "/nowhere/sops")
    assert "note  sops           --sops /nowhere/sops is no program" in said.lines
    assert any("→ only encrypted files need it: install sops v3" in line for line in said.lines)


def test_doctor_looks_at_every_fabric_s_repository(prepared: Cli, fresh: ControlPlane, repository: Repository) -> None:
    kubectl = Kubectl.of(fresh).within("default")
    commit = repository.publish({"cm.yaml": CONFIG})
    kubectl.apply(json.dumps(fabric(repository.url, "good")))
    kubectl.apply(json.dumps(fabric(repository.url, "bad", repository={"branch": "release"})))
    insecure = prepared("doctor")
    assert insecure.code == 1
    assert "allow it: --allow-insecure-git" in insecure.out
    said = prepared("doctor", "--allow-insecure-git")
    assert said.code == 1
    assert f"ok    git            default/good: {repository.url}, branch main at {commit[:12]}" in said.lines
    assert any(line.startswith("fail  git            default/bad: BranchNotFound: ") for line in said.lines)
    kubectl("delete", "fabrics", "--all")
    assert grades(prepared("doctor", "-o", "json"))["git"] == {"note"}


def test_doctor_beside_a_controller_finds_all_well(
    cli: Cli, fabrics: Fabrics, repository: Repository, programs: Programs
) -> None:
    cli = cli.using(environ=where_programs_are(programs))
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    said = cli("doctor", "-o", "json")
    assert said.code == 0, said.out
    expected = ("control plane", "sops", "database", "cluster", "definitions", "permissions", "git")
    assert grades(said) == {subject: {"ok"} for subject in expected}
    plain = cli("doctor")
    assert plain.code == 0
    assert all(line.startswith(("ok ", " ")) for line in plain.lines)
    assert f"{ESCAPE}[32mok" in cli.on_terminal("doctor").out


def test_doctor_reads_no_database_that_another_version_wrote(on_fresh: Cli, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t (a)")
    said = on_fresh("doctor", "--database", f"sqlite:///{path}")
    assert said.code == 1
    (line,) = [line for line in said.lines if line.startswith("fail  database")]
    assert f"{path} is of version none" in line
