"""The control plane is a real one, keeps what it was given, fails in words, and dies with its parent."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.dev.controlplane import ControlPlane, Options, User
from controller.dev.errors import StartError
from controller.dev.kubeconfig import CONTEXT, is_own_context
from controller.dev.locate import Programs
from controller.dev.recipe import kubernetes_version
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.processes import is_alive
from tests.support.wait import wait_until

REPOSITORY = Path(__file__).parents[3]

PARENT = """
import os, sys
from pathlib import Path
from controller.dev.controlplane import ControlPlane
from controller.dev.locate import Programs
plane = ControlPlane(Programs(*(Path(path) for path in sys.argv[2:])), Path(sys.argv[1]))
plane.start()
print(plane.etcd.pid, plane.apiserver.pid, plane.controller_manager.pid, flush=True)
sys.stdin.read()
"""


class TestShared:
    """On the session's control plane."""

    def test_an_object_is_created_and_read(self, kubectl: Kubectl, namespace: str) -> None:
        here = kubectl.within(namespace)
        assert here("create", "configmap", "one", "--from-literal=a=1") == "configmap/one created\n"
        assert here.json("get", "configmap", "one")["data"] == {"a": "1"}
        assert here.find("configmap", "two") is None

    def test_the_programs_say_which_version_they_are(self, kubectl: Kubectl, programs: Programs) -> None:
        versions = kubectl.json("version")
        assert versions["clientVersion"]["gitVersion"] == versions["serverVersion"]["gitVersion"]
        if programs.etcd.parent.name == kubernetes_version():  # built here, not found elsewhere
            assert versions["serverVersion"]["gitVersion"] == kubernetes_version()
            assert versions["serverVersion"]["minor"] == kubernetes_version().split(".")[1]

    def test_rbac_decides_who_may_what(self, kubectl: Kubectl, controlplane: ControlPlane, namespace: str) -> None:
        alice = kubectl.using(controlplane.kubeconfig_of("alice")).within(namespace)
        assert 'User "alice" cannot list resource "configmaps"' in alice.fails("get", "configmaps")
        kubectl.within(namespace)("create", "rolebinding", "devs", "--clusterrole=view", "--group=developers")
        wait_until(lambda: alice("auth", "can-i", "list", "configmaps"), ignoring=(KubectlError,))
        alice("get", "configmaps")
        assert 'User "alice" cannot create' in alice.fails("create", "configmap", "one")

    def test_nobody_comes_in_without_a_token(
        self, controlplane: ControlPlane, kubectl: Kubectl, tmp_path: Path
    ) -> None:
        config = json.loads(controlplane.kubeconfig.read_text())
        config["users"][0]["user"]["token"] = "guessed"
        (tmp_path / "config").write_text(json.dumps(config))
        said = kubectl.using(tmp_path / "config").fails("get", "namespaces")
        assert "Unauthorized" in said or "must be logged in" in said

    def test_the_server_s_certificate_is_verified(self, controlplane: ControlPlane, kubectl: Kubectl) -> None:
        config = json.loads(controlplane.kubeconfig.read_text())
        assert is_own_context(config, CONTEXT)
        host, port = controlplane.server.removeprefix("https://").split(":")
        with (
            socket.create_connection((host, int(port))) as plain,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            ssl.create_default_context().wrap_socket(plain, server_hostname=host)

    def test_etcd_talks_to_the_api_server_only(self, controlplane: ControlPlane) -> None:
        flags = dict(part.split("=", 1) for part in map(str, controlplane.etcd.command) if "=" in part)
        host, port = flags["--listen-client-urls"].removeprefix("https://").split(":")
        context = ssl.create_default_context(cafile=controlplane.authority.certificate)
        with (
            pytest.raises((ssl.SSLError, ConnectionError)),
            socket.create_connection((host, int(port))) as plain,
            context.wrap_socket(plain, server_hostname=host) as anybody,
        ):
            anybody.sendall(b"GET /version HTTP/1.1\r\nHost: etcd\r\n\r\n")
            if not anybody.recv(100):
                raise ConnectionError("closed")

    def test_what_an_owner_leaves_behind_is_collected(self, kubectl: Kubectl, namespace: str) -> None:
        here = kubectl.within(namespace)
        here("create", "configmap", "owner")
        owner = here.json("get", "configmap", "owner")
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
        here("create", "configmap", "owned")
        here.patch("configmap", "owned", {"metadata": {"ownerReferences": [reference]}})
        here("delete", "configmap", "owner")
        wait_until(lambda: here.find("configmap", "owned") is None, 30)

    def test_a_deleted_namespace_goes_away(self, kubectl: Kubectl, namespace: str) -> None:
        kubectl.within(namespace)("create", "configmap", "one")
        kubectl("delete", "namespace", namespace, "--timeout=60s")
        assert kubectl.find("namespace", namespace) is None

    def test_a_service_account_has_rights_of_its_own(
        self, kubectl: Kubectl, controlplane: ControlPlane, namespace: str, tmp_path: Path
    ) -> None:
        here = kubectl.within(namespace)
        wait_until(lambda: here.find("serviceaccount", "default"))
        config = json.loads(controlplane.kubeconfig.read_text())
        config["users"][0]["user"]["token"] = here("create", "token", "default").strip()
        (tmp_path / "config").write_text(json.dumps(config))
        whoami = here.using(tmp_path / "config").json("auth", "whoami")
        assert whoami["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:default"

    def test_requests_are_counted_by_user_agent(self, kubectl: Kubectl, audit_log: AuditLog, namespace: str) -> None:
        mark = audit_log.mark()
        kubectl.within(namespace)("get", "configmaps")
        kubectl.within(namespace)("create", "configmap", "one")

        def made() -> list[str]:
            requests = audit_log.requests("kubectl", since=mark)
            return [request.verb for request in requests if request.path.endswith(f"{namespace}/configmaps")]

        wait_until(lambda: made() == ["list", "create"])
        assert audit_log.requests("tandem-of-nobody", since=mark) == []

    def test_an_unknown_user_has_no_kubeconfig(self, controlplane: ControlPlane) -> None:
        with pytest.raises(KeyError, match="mallory is not among this control plane's users: admin, alice, bob"):
            controlplane.kubeconfig_of("mallory")


class TestOwn:
    """On planes that are stopped, killed and started again."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "plane"

    @pytest.fixture
    def plane(self, programs: Programs, folder: Path) -> Iterator[ControlPlane]:
        with ControlPlane(programs, folder, Options(users=(User("alice"),), fsync=False)) as plane:
            yield plane

    def test_it_survives_a_crash_of_each_part_and_starts_again_from_its_folder(
        self, plane: ControlPlane, programs: Programs, folder: Path
    ) -> None:
        kubectl = Kubectl.of(plane)
        kubectl("create", "configmap", "one")
        uid = kubectl.json("get", "configmap", "one")["metadata"]["uid"]

        plane.apiserver.kill()
        assert "refused" in kubectl.fails("get", "configmap", "one")
        plane.apiserver.start()
        plane.wait_ready()
        assert kubectl.json("get", "configmap", "one")["metadata"]["uid"] == uid

        plane.etcd.kill()
        plane.etcd.start()
        plane.wait_ready()
        assert kubectl.json("get", "configmap", "one")["metadata"]["uid"] == uid

        given_out = plane.token_of("alice"), plane.authority.certificate.read_bytes()
        plane.stop()
        plane.stop()
        with ControlPlane(programs, folder, Options(users=(User("alice"), User("bob")))) as again:
            assert (again.token_of("alice"), again.authority.certificate.read_bytes()) == given_out
            assert Kubectl.of(again).json("get", "configmap", "one")["metadata"]["uid"] == uid
            assert Kubectl.of(again, "bob").json("auth", "whoami")["status"]["userInfo"]["username"] == "bob"

    def test_an_open_watch_does_not_hold_up_a_stop(self, plane: ControlPlane) -> None:
        command = Kubectl.of(plane).command("get", "namespaces", "--watch")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as watch:
            assert watch.stdout is not None
            assert watch.stdout.readline()
            plane.stop()
            assert plane.apiserver.exit_code == 0, plane.apiserver.log_tail()
            watch.kill()

    def test_a_folder_in_use_is_not_started_twice(self, plane: ControlPlane, programs: Programs, folder: Path) -> None:
        other = ControlPlane(programs, folder)
        with pytest.raises(StartError, match=rf"in use by another control plane \(process {os.getpid()}\)"):
            other.start()
        assert Kubectl.of(plane)("get", "namespaces", "-o", "name")

    def test_before_the_first_start_there_is_nothing(self, programs: Programs, folder: Path) -> None:
        plane = ControlPlane(programs, folder)
        with pytest.raises(StartError, match="was not started yet"):
            _ = plane.authority
        plane.stop()
        assert not folder.exists()

    def test_controllers_are_a_choice(self, programs: Programs, folder: Path) -> None:
        with ControlPlane(programs, folder, Options(controllers=("serviceaccount-controller",), fsync=False)) as plane:
            kubectl = Kubectl.of(plane)
            kubectl("create", "namespace", "one")
            wait_until(lambda: kubectl.within("one").find("serviceaccount", "default"))
            kubectl("delete", "namespace", "one", "--wait=false")
            assert kubectl.json("get", "namespace", "one")["status"]["phase"] == "Terminating"

    def test_without_a_controller_manager_the_api_still_serves(self, programs: Programs, folder: Path) -> None:
        alone = replace(programs, kube_controller_manager=None)
        with ControlPlane(alone, folder, Options(fsync=False)) as plane:
            assert plane.controller_manager is None
            assert "default" in Kubectl.of(plane)("get", "namespaces", "-o", "name")

    def test_a_server_that_does_not_start_says_why(self, programs: Programs, folder: Path) -> None:
        plane = ControlPlane(programs, folder, Options(apiserver_flags=("--no-such-flag=1",)))
        with pytest.raises(StartError) as caught:
            plane.start()
        assert "kube-apiserver ended with 1" in str(caught.value)
        assert "unknown flag: --no-such-flag" in str(caught.value)
        assert not plane.etcd.running

    def test_a_server_that_never_gets_ready_is_given_up(self, programs: Programs, folder: Path) -> None:
        idle = folder.with_name("idle")
        idle.write_text("#!/bin/sh\necho I only sleep\nexec sleep 600\n")
        idle.chmod(0o755)
        plane = ControlPlane(replace(programs, kube_apiserver=idle), folder)
        with pytest.raises(StartError, match=r"kube-apiserver is not ready in time .*\nI only sleep"):
            plane.start(timeout=1.0)
        assert not plane.apiserver.running and not plane.etcd.running

    def test_all_of_it_dies_with_a_killed_parent(self, programs: Programs, folder: Path) -> None:
        assert programs.kube_controller_manager is not None
        paths = [programs.etcd, programs.kube_apiserver, programs.kubectl, programs.kube_controller_manager]
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, folder, *paths],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with parent:
            assert parent.stdout is not None
            children = [int(pid) for pid in parent.stdout.readline().split()]
            assert [is_alive(pid) for pid in children] == [True, True, True]
            parent.kill()
            wait_until(lambda: not any(is_alive(pid) for pid in children))
        with ControlPlane(programs, folder) as after:  # what was written is still there, and the folder is free
            assert "kube-system" in Kubectl.of(after)("get", "namespaces", "-o", "name")
