"""The command lines of the control plane's three servers: which flags, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.dev.certificates import KeyPair
from controller.dev.locate import Programs

LOOPBACK = "127.0.0.1"

# Of kube-controller-manager's forty, those that make the API behave as people know it: the roles view, edit and admin,
# owner references, deletion of namespaces, service accounts. No workload controller: a Deployment is a document here.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
)


@dataclass(frozen=True)
class Ports:
    """Loopback ports, one a server."""

    etcd: int
    etcd_peer: int
    apiserver: int
    controller_manager: int


@dataclass(frozen=True)
class Files:
    """What the servers read and write."""

    authority: Path
    serving: KeyPair  # also their client certificate towards etcd
    service_account_key: Path
    tokens: Path
    controller_kubeconfig: Path
    etcd_data: Path
    audit_policy: Path
    audit_log: Path


def etcd_command(programs: Programs, ports: Ports, files: Files, *, fsync: bool) -> list[str]:
    """A single member. Certificates both ways: whoever reads etcd reads every Secret, also on a shared machine."""
    client, peer = f"https://{LOOPBACK}:{ports.etcd}", f"https://{LOOPBACK}:{ports.etcd_peer}"
    return [
        str(programs.etcd),
        *_flags(
            {
                "name": "default",
                "data-dir": files.etcd_data,
                "listen-client-urls": client,
                "advertise-client-urls": client,
                "listen-peer-urls": peer,
                "initial-advertise-peer-urls": peer,
                "initial-cluster": f"default={peer}",
                "cert-file": files.serving.certificate,
                "key-file": files.serving.key,
                "trusted-ca-file": files.authority,
                "client-cert-auth": "true",
                "peer-cert-file": files.serving.certificate,
                "peer-key-file": files.serving.key,
                "peer-trusted-ca-file": files.authority,
                "peer-client-cert-auth": "true",
                "log-level": "warn",
            }
        ),
        *([] if fsync else ["--unsafe-no-fsync"]),
    ]


def apiserver_command(programs: Programs, ports: Ports, files: Files, *, audit: bool) -> list[str]:
    """RBAC is on; who somebody is, a static token says."""
    flags: dict[str, object] = {
        "etcd-servers": f"https://{LOOPBACK}:{ports.etcd}",
        "etcd-cafile": files.authority,
        "etcd-certfile": files.serving.certificate,
        "etcd-keyfile": files.serving.key,
        "secure-port": ports.apiserver,
        "bind-address": LOOPBACK,
        "advertise-address": LOOPBACK,  # else it looks for a default route, which a laptop on a train has not
        "endpoint-reconciler-type": "none",  # nobody reaches this server through the service `kubernetes`
        "tls-cert-file": files.serving.certificate,
        "tls-private-key-file": files.serving.key,
        "token-auth-file": files.tokens,
        "authorization-mode": "RBAC",
        "service-account-issuer": f"https://{LOOPBACK}:{ports.apiserver}",
        "service-account-key-file": files.service_account_key,
        "service-account-signing-key-file": files.service_account_key,
        "service-cluster-ip-range": "10.0.0.0/24",
        "shutdown-watch-termination-grace-period": "1s",  # else a client's open watch holds a stop up for a minute
        "disable-admission-plugins": "ServiceAccount",  # would refuse every Pod until its namespace has its account
    }
    if audit:
        flags |= {
            "audit-policy-file": files.audit_policy,
            "audit-log-path": files.audit_log,
            "audit-log-maxsize": 10_000,  # MB: one file, whoever counts requests in it wants all of them
        }
    return [str(programs.kube_apiserver), *_flags(flags)]


def controller_manager_command(program: Path, ports: Ports, files: Files, controllers: tuple[str, ...]) -> list[str]:
    """Only the controllers asked for, without an election, and fast: a namespace's deletion asks for every kind."""
    return [
        str(program),
        *_flags(
            {
                "kubeconfig": files.controller_kubeconfig,
                "controllers": ",".join(controllers),
                "leader-elect": "false",
                "service-account-private-key-file": files.service_account_key,
                "root-ca-file": files.authority,
                "secure-port": ports.controller_manager,
                "bind-address": LOOPBACK,
                "tls-cert-file": files.serving.certificate,
                "tls-private-key-file": files.serving.key,
                "authentication-skip-lookup": "true",
                "kube-api-qps": 200,
                "kube-api-burst": 400,
            }
        ),
    ]


def _flags(values: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]
