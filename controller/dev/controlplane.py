"""A real Kubernetes control plane on this machine: etcd, kube-apiserver, kube-controller-manager.

    with ControlPlane(programs, folder) as plane:
        subprocess.run([plane.kubectl, "--kubeconfig", plane.kubeconfig, "get", "namespaces"])

Everything it writes is below its folder, and starts again from there. Its processes die with this one, however it ends.
"""

from __future__ import annotations

import csv
import fcntl
import http.client
import json
import os
import secrets
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from controller.dev.certificates import Authority, KeyPair, create_key, write_private
from controller.dev.children import Child
from controller.dev.commands import (
    CONTROLLERS,
    LOOPBACK,
    Files,
    Ports,
    apiserver_command,
    controller_manager_command,
    etcd_command,
)
from controller.dev.errors import StartError
from controller.dev.kubeconfig import write_kubeconfig
from controller.dev.locate import Programs
from controller.dev.ports import free_port

POLL = 0.05  # seconds between two looks at a server that is coming up
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],  # every request is in the log once, a watch at its start and at its end
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True)
class User:
    """Somebody with a static token."""

    name: str
    groups: tuple[str, ...] = ()


ADMIN = User("admin", ("system:masters",))
CONTROLLER_MANAGER = User("system:kube-controller-manager", ("system:masters",))


@dataclass(frozen=True)
class Options:
    """How a control plane differs from the usual one."""

    users: tuple[User, ...] = ()  # besides the admin
    controllers: tuple[str, ...] = CONTROLLERS
    audit: bool = False
    fsync: bool = True  # off: faster, and what was written may be lost with the machine (not with the process)
    apiserver_flags: tuple[str, ...] = ()
    etcd_flags: tuple[str, ...] = ()


class ControlPlane:
    """One control plane. `start` and the children's `start` only from the main thread (see children.py)."""

    def __init__(self, programs: Programs, folder: Path, options: Options | None = None) -> None:
        """Nothing is written or started yet. What an earlier plane left in `folder` (objects, tokens, CA) is used."""
        self.programs = programs
        self.folder = folder
        self.options = options or Options()
        self._ports = Ports(free_port(), free_port(), free_port(), free_port())
        self._files = _files(folder)
        self._users = (ADMIN, CONTROLLER_MANAGER, *self.options.users)
        self._authority: Authority | None = None
        self._tokens: dict[str, str] = {}
        self._lock: IO[str] | None = None
        self.etcd, self.apiserver, self.controller_manager = self._children()

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{LOOPBACK}:{self._ports.apiserver}"

    @property
    def kubeconfig(self) -> Path:
        """The admin's kubeconfig."""
        return self.kubeconfig_of(ADMIN.name)

    @property
    def kubectl(self) -> Path:
        """The kubectl of the same version."""
        return self.programs.kubectl

    @property
    def audit_log(self) -> Path:
        """One JSON object a line, if the options ask for it."""
        return self._files.audit_log

    @property
    def authority(self) -> Authority:
        """What signed the servers' certificates. There from the first start on, as the tokens are."""
        if self._authority is None:
            raise StartError(f"the control plane in {self.folder} was not started yet")
        return self._authority

    def kubeconfig_of(self, user: str) -> Path:
        """The kubeconfig of the admin or of one of the options' users."""
        if user not in (names := [known.name for known in self._users]):
            raise KeyError(f"{user} is not among this control plane's users: {', '.join(sorted(names))}")
        return self.folder / f"{user}.kubeconfig"

    def token_of(self, user: str) -> str:
        """The static token of the admin or of one of the options' users."""
        return self._tokens[user]

    def start(self, timeout: float = 60.0) -> None:
        """Start everything and return when it is ready; stops it again and raises `StartError` if that fails."""
        self._take_lock()
        deadline = time.monotonic() + timeout
        try:
            self._write_files()
            self.etcd.start()
            self.apiserver.start()
            self.wait_ready(deadline - time.monotonic())
            if self.controller_manager is not None:
                self.controller_manager.start()
                self._wait(self.controller_manager, self._ports.controller_manager, "/healthz", deadline)
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Return when the API server answers /readyz with ok, as after its restart. Any thread may call it."""
        self._wait(self.apiserver, self._ports.apiserver, "/readyz", time.monotonic() + timeout)

    def stop(self) -> None:
        """End everything in order. What is in the folder stays."""
        for child in (self.controller_manager, self.apiserver, self.etcd):
            if child is not None:
                child.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _children(self) -> tuple[Child, Child, Child | None]:
        programs, ports, files, options = self.programs, self._ports, self._files, self.options
        etcd = etcd_command(programs, ports, files, fsync=options.fsync)
        apiserver = apiserver_command(programs, ports, files, audit=options.audit)
        manager = None
        if programs.kube_controller_manager is not None and options.controllers:
            command = controller_manager_command(programs.kube_controller_manager, ports, files, options.controllers)
            manager = self._child("kube-controller-manager", command)
        return (
            self._child("etcd", [*etcd, *options.etcd_flags]),
            self._child("kube-apiserver", [*apiserver, *options.apiserver_flags]),
            manager,
        )

    def _child(self, name: str, command: Sequence[str]) -> Child:
        return Child(name, command, self.folder / "logs" / f"{name}.log", cwd=self.folder)

    def _write_files(self) -> None:
        """Everything the servers read. Only behind the lock: it would change a running plane's."""
        self._authority = Authority(self.folder / "pki")
        self._authority.issue("kubernetes", ["localhost", LOOPBACK])
        create_key(self._files.service_account_key)
        self._files.audit_policy.write_text(json.dumps(AUDIT_POLICY))
        self._tokens = _write_tokens(self._files.tokens, self._users)
        for user, token in self._tokens.items():
            write_kubeconfig(
                self.kubeconfig_of(user), server=self.server, authority=self._files.authority, user=user, token=token
            )

    def _take_lock(self) -> None:
        """Two control planes over one folder would wait for each other's etcd for ever."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read()
            lock.close()
            raise StartError(f"{self.folder} is in use by another control plane (process {holder}): stop it") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _wait(self, child: Child, port: int, path: str, deadline: float) -> None:
        trust = ssl.create_default_context(cafile=str(self._files.authority))
        while not _is_ok(port, path, trust):
            for one in (self.etcd, child):
                if not one.running:
                    code = one.exit_code
                    raise StartError(f"{one.name} ended with {code} ({one.log}); it said last:\n{one.log_tail()}")
            if time.monotonic() > deadline:
                raise StartError(f"{child.name} is not ready in time ({child.log}); it said last:\n{child.log_tail()}")
            time.sleep(POLL)


def _files(folder: Path) -> Files:
    pki = folder / "pki"  # laid out by the authority
    return Files(
        authority=pki / "ca.crt",
        serving=KeyPair(pki / "kubernetes.crt", pki / "kubernetes.key"),
        service_account_key=pki / "service-accounts.key",
        tokens=folder / "tokens.csv",
        controller_kubeconfig=folder / f"{CONTROLLER_MANAGER.name}.kubeconfig",
        etcd_data=folder / "etcd",
        audit_policy=folder / "audit-policy.json",
        audit_log=folder / "logs" / "audit.log",
    )


def _is_ok(port: int, path: str, trust: ssl.SSLContext) -> bool:
    connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=5, context=trust)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _write_tokens(path: Path, users: Sequence[User]) -> dict[str, str]:
    """kube-apiserver's file of static tokens. Tokens that are in it stay, so that kubeconfigs given out go on working.

    Returns the user's name → token.
    """
    known: dict[str, str] = {}
    if path.exists():
        with path.open(newline="") as rows:
            known = {name: token for token, name, *_ in csv.reader(rows)}
    tokens = {user.name: known.get(user.name) or secrets.token_urlsafe(32) for user in users}
    lines = [f'{tokens[user.name]},{user.name},{user.name},"{",".join(user.groups)}"\n' for user in users]
    write_private(path, "".join(lines).encode())
    return tokens
