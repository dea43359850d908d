"""What Tandem stands on, looked at one thing at a time: each look ends in a line that says ok, or what to do."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from controller.api.v1alpha1.fabric import Fabric
from controller.bootstrap import looking_at_git
from controller.cli.cluster import Cluster
from controller.cli.definitions import Definition, State, installed_definitions
from controller.cli.permissions import missing_rights, needed_rights, told
from controller.cli.values import short_commit
from controller.dev.locate import OLDEST_MINOR, find_programs
from controller.errors import TandemError
from controller.kube.kinds import FABRICS
from controller.settings import Settings
from controller.sops.locate import VERSION, find_sops
from controller.store.address import SqliteFile, database_at
from controller.store.copy import copy_database, told_as
from controller.store.store import Store
from controller.sync.profile import Installation, profile_of
from controller.sync.source import SourceReader

_ANYBODY = str(uuid.UUID(int=0))  # an installation, where it does not matter which


class Grade(StrEnum):
    """How a look ended. Only `FAIL` keeps Tandem from working."""

    OK = "ok"
    NOTE = "note"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, what was found, and what to do about it ("" for nothing)."""

    subject: str
    grade: Grade
    message: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """For programs."""
        told = {"subject": self.subject, "grade": self.grade.value, "message": self.message}
        return told | ({"remedy": self.remedy} if self.remedy else {})


def failed(subject: str, error: TandemError) -> Check:
    """A look that an error ended; its message says what to do."""
    return Check(subject, Grade.FAIL, error.message)


def check_control_plane(environ: Mapping[str, str]) -> Check:
    """Where the programs of the local control plane come from. Only `tandem dev` and `tandem demo` need them."""
    found = find_programs(environ)
    if found.programs is None:
        remedy = "only `tandem dev` and `tandem demo` need it, and build it when they are called first"
        return Check("control plane", Grade.NOTE, found.describe(), remedy)
    return Check("control plane", Grade.OK, found.describe())


def check_sops(settings: Settings, environ: Mapping[str, str]) -> Check:
    """Where sops is. Only encrypted files need it."""
    found = find_sops(settings.sops, environ)
    if found.program is None:
        remedy = f"only encrypted files need it: install sops {VERSION}, or name it with --sops"
        return Check("sops", Grade.NOTE, found.describe(), remedy)
    return Check("sops", Grade.OK, found.describe())


async def check_cluster(cluster: Cluster) -> Check:
    """Whether the API server answers, and is new enough. Raises TandemError where it does not answer."""
    version = orjson.loads(await cluster.client.request("GET", "/version"))
    message = f"{cluster.client.server}, Kubernetes {version['gitVersion']} ({cluster.origin})"
    if is_too_old(version["major"], version["minor"]):
        return Check("cluster", Grade.FAIL, message, f"Tandem needs Kubernetes 1.{OLDEST_MINOR} or newer")
    return Check("cluster", Grade.OK, message)


def is_too_old(major: str, minor: str) -> bool:
    """Whether this Kubernetes lacks what Tandem needs; hosted ones write their minor version as `29+`."""
    numbers = [re.match(r"\d*", part) for part in (major, minor)]
    found = tuple(int(number[0] or 0) if number else 0 for number in numbers)
    return found < (1, OLDEST_MINOR)


async def check_definitions(cluster: Cluster) -> list[Check]:
    """Whether each of our kinds is served, in this program's version."""
    return [definition_check(found, cluster.program) for found in await installed_definitions(cluster.client)]


def definition_check(definition: Definition, program: str) -> Check:
    """The line of one definition."""
    served = f" ({', '.join(definition.served)})" if definition.served else ""
    message = f"{definition.name}{served}: {definition.state}"
    match definition.state:
        case State.SAME:
            return Check("definitions", Grade.OK, message)
        case State.PENDING:
            remedy = f"look at its conditions: kubectl describe crd {definition.name}"
        case State.DIFFERENT:
            remedy = f"`{program} crds --install` brings this program's; use the program of your controller's version"
        case State.MISSING:
            remedy = f"`{program} crds --install` installs them"
    return Check("definitions", Grade.FAIL, message, remedy)


async def check_permissions(cluster: Cluster, settings: Settings) -> Check:
    """Whether whoever asks may do what a controller does."""
    name = await cluster.whoami() or "you"
    missing = await missing_rights(cluster.client, needed_rights(settings.controller_namespace))
    if not missing:
        message = f"{name} may do what the controller needs; the rights on the kinds that fabrics sync come on top"
        return Check("permissions", Grade.OK, message)
    remedy = (
        "a controller needs these rights: manifests/rbac.yaml gives them to its service account; "
        "or run this command with the controller's kubeconfig"
    )
    return Check("permissions", Grade.FAIL, f"{name} may not {told(missing)}", remedy)


async def check_database(settings: Settings) -> Check:
    """Whether the database can be read, and is of this program's version. Nothing is written beside it."""
    address = database_at(settings.database_url)
    with TemporaryDirectory(prefix="tandem-doctor-") as folder:
        copy = Path(folder) / "tandem.db"
        if not await copy_database(settings.database_url, copy):
            remedy = "`tandem run` makes it; if your controller has another one, name it: --database or --data-dir"
            return Check("database", Grade.NOTE, f"there is none at {address}", remedy)
        with told_as(settings.database_url, copy):
            store = await Store.open(f"sqlite:///{copy}", exclusive=False)
        await store.close()
        size = (address.path if isinstance(address, SqliteFile) else copy).stat().st_size / (1 << 20)
    return Check("database", Grade.OK, f"{address}, {size:.1f} MiB")


async def check_git(cluster: Cluster, settings: Settings, *, everywhere: bool) -> list[Check]:
    """Whether the branch of every Fabric can be seen with its credentials."""
    fabrics = [Fabric.from_object(item) for item in await cluster.list(FABRICS, everywhere=everywhere)]
    if not fabrics:
        place = "the cluster" if everywhere else f"namespace {cluster.namespace}"
        remedy = "" if everywhere else "-A looks at all namespaces"
        return [Check("git", Grade.NOTE, f"no Fabric in {place} names a repository", remedy)]
    async with looking_at_git(settings, cluster.client) as source:
        return list(await asyncio.gather(*(_check_repository(source, fabric) for fabric in fabrics)))


async def _check_repository(source: SourceReader, fabric: Fabric) -> Check:
    repository = fabric.spec.repository
    name = f"{fabric.metadata.namespace}/{fabric.metadata.name}"
    try:
        profile = profile_of(fabric, Installation(_ANYBODY, "", "", ("*",), allow_insecure_git=True))
        commit = await (await source.mirror(profile)).find(repository.branch)
    except TandemError as error:
        return Check("git", Grade.FAIL, f"{name}: {error.reason}: {error.message}")
    message = f"{name}: {repository.url}, branch {repository.branch} at {short_commit(commit)}"
    return Check("git", Grade.OK, message)
