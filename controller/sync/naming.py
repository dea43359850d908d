"""Names that are computed, never chosen: field managers and the files of imported objects.

All deterministic, so that finding a thing again never makes a second one.
"""

from __future__ import annotations

import hashlib
import re

from controller.objects import ObjectKey
from controller.sync.plan.editors import FABRIC_PREFIX

REQUEST_PREFIX = "tandem/"  # of the branches of pull requests
MANAGER_BYTES = 128  # the API server refuses longer field manager names
_UNSAFE = re.compile(rb"[^a-z0-9.\-]")


def installation_prefix(install_id: str) -> str:
    """How the field managers of one installation's fabrics begin: `tandem:<install id, 4 hex>:`."""
    return f"{FABRIC_PREFIX}{_short(install_id)}:"


def field_manager(install_id: str, namespace: str, fabric: str) -> str:
    """`tandem:<install id, 4 hex>:<namespace>/<fabric>`, its tail replaced by a hash beyond 128 bytes."""
    name = f"{installation_prefix(install_id)}{namespace}/{fabric}"
    if len(name.encode()) <= MANAGER_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: MANAGER_BYTES - 13]}-{digest}"


def request_branch(install_id: str, namespace: str, fabric: str) -> str:
    """The branch of a fabric's pull request: `tandem/<namespace>/<fabric>-<install id, 4 hex>`."""
    return f"{REQUEST_PREFIX}{namespace}/{fabric}-{_short(install_id)}"


def write_back_title(count: int, fabric: str) -> str:
    """The subject of commits and pull requests that carry `count` objects' edits of a fabric (`<namespace>/<name>`)."""
    return f"Write back {'1 object' if count == 1 else f'{count} objects'} from {fabric}"


def _short(install_id: str) -> str:
    """What tells installations apart where there is little room."""
    return install_id.replace("-", "")[:4]


def escaped_component(name: str) -> str:
    """A path component for an object's name: what is outside `[a-z0-9.-]` becomes `_xx`, byte by byte."""
    escaped = _UNSAFE.sub(lambda found: b"_%02x" % found.group()[0], name.encode()).decode()
    return "_2e" + escaped[1:] if escaped.startswith(".") else escaped


def import_path(kind_directory: str, key: ObjectKey, *, many_namespaces: bool) -> str:
    """The file of an imported object, relative to the fabric's directory."""
    parts = [kind_directory.strip("/")]
    if not key.namespace:
        parts.append("_cluster")
    elif many_namespaces:
        parts.append(escaped_component(key.namespace))
    parts.append(f"{escaped_component(key.name)}.yaml")
    return "/".join(part for part in parts if part)
