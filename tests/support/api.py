"""The API server, asked directly: for what a test looks at many times a second, and for clearing up after it.

What people do in a test, they do with kubectl; a kubectl for every look would be most of the suite's work.
"""

from __future__ import annotations

import json
import ssl
from base64 import b64decode
from pathlib import Path
from typing import Any

import urllib3

from controller.api.meta import API_VERSION

Json = dict[str, Any]

TIMEOUT = 60.0  # seconds, as kubectl has in a test
KINDS = f"/apis/{API_VERSION}"
NAMESPACES = "/api/v1/namespaces"


class ApiError(Exception):
    """The API server answered something else than success; the message is what it said."""


class Api:
    """The server of a kubeconfig that the tests' own control planes write: JSON, with the CA and a token inside."""

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        authority = b64decode(cluster["certificate-authority-data"]).decode()
        self._server = cluster["server"]
        self._headers = {
            "Authorization": f"Bearer {config['users'][0]['user']['token']}",
            "Accept": "application/json",
            "User-Agent": "test-api/1",
        }
        # Connections are kept: opening one for every look would cost more than all the answers.
        self._pool = urllib3.PoolManager(
            timeout=TIMEOUT, retries=1, ssl_context=ssl.create_default_context(cadata=authority)
        )

    def get(self, path: str) -> Json:
        """An object or a list. Raises ApiError, also where there is none."""
        found = self.find(path)
        if found is None:
            raise ApiError(f"GET {path}: there is none")
        return found

    def find(self, path: str) -> Json | None:
        """An object or a list, None where there is none."""
        return self._ask("GET", path)

    def items(self, path: str) -> list[Json]:
        """The objects of a list."""
        found: list[Json] = self.get(path)["items"]
        return found

    def create(self, path: str, body: Json) -> None:
        """Make an object of the list at `path`."""
        self._ask("POST", path, body)

    def merge(self, path: str, patch: Json) -> None:
        """Change an object by a merge patch."""
        self._ask("PATCH", path, patch, "application/merge-patch+json")

    def delete(self, path: str) -> None:
        """Delete an object, or all of a list; what is gone already is no failure. Waits for nothing."""
        self._ask("DELETE", path)

    def _ask(self, method: str, path: str, body: Json | None = None, form: str = "application/json") -> Json | None:
        answer = self._pool.request(
            method,
            self._server + path,
            body=None if body is None else json.dumps(body),
            headers=self._headers | {"Content-Type": form},
        )
        if answer.status == 404 and method in {"GET", "DELETE"}:
            return None
        if answer.status >= 400:
            raise ApiError(f"{method} {path}: {answer.status}: {answer.data.decode(errors='replace')}")
        said: Json = answer.json()
        return said
