"""Kubeconfigs for local control planes, and how to know one again: Tandem must not touch a cluster by mistake."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from controller.dev.certificates import write_private

CONTEXT = "tandem-dev"
MARK = "tandem.dev/local-control-plane"  # the name of an extension of the context, which kubectl keeps


def write_kubeconfig(path: Path, *, server: str, authority: Path, user: str, token: str) -> Path:
    """A kubeconfig with the CA inside, for one user with a token. JSON, which is YAML."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [
            {
                "name": CONTEXT,
                "cluster": {
                    "server": server,
                    "certificate-authority-data": base64.b64encode(authority.read_bytes()).decode(),
                },
            }
        ],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [
            {
                "name": CONTEXT,
                "context": {
                    "cluster": CONTEXT,
                    "user": user,
                    "namespace": "default",
                    "extensions": [{"name": MARK, "extension": {"server": server}}],
                },
            }
        ],
    }
    write_private(path, (json.dumps(config, indent=2) + "\n").encode())
    return path


def is_own_context(config: dict[str, Any], context: str) -> bool:
    """Whether a context of a (parsed) kubeconfig leads to a local control plane of ours, and still to the same server.

    The mark alone would not do: somebody may have copied the context and pointed its cluster elsewhere.
    """
    clusters = {entry["name"]: entry["cluster"] for entry in config.get("clusters") or []}
    for entry in config.get("contexts") or []:
        if entry["name"] != context:
            continue
        marks = [mark["extension"] for mark in entry["context"].get("extensions") or [] if mark["name"] == MARK]
        server = clusters.get(entry["context"].get("cluster"), {}).get("server")
        return any(mark.get("server") == server for mark in marks)
    return False
