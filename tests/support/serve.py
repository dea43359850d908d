"""The real `tandem serve` beside a controller, and a Git server's part of the talk with it."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from controller.dev.children import Child
from controller.dev.ports import free_port
from tests.support.tandem import READY, STOP, Launch
from tests.support.wait import wait_until

TOKEN = "a long random text"


class Serve:
    """`tandem serve` with the settings of a controller."""

    def __init__(self, launch: Launch) -> None:
        self.port = free_port()
        launch.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "controller", "serve", "--kubeconfig", str(launch.kubeconfig)]
        command += ["--database", launch.database or f"sqlite:///{launch.database_file}"]
        command += ["--data-dir", str(launch.data_dir), "--bind", f"127.0.0.1:{self.port}"]
        self._child = Child("tandem serve", command, launch.folder / "serve.log", env=launch.environment())

    def start(self) -> None:
        """Start it, and return when it answers at all."""
        self._child.start()
        wait_until(lambda: self.get("/livez")[0] == 200, READY, ignoring=(OSError,))

    def wait_ready(self) -> None:
        """Return when hooks are taken."""
        wait_until(lambda: self.get("/readyz")[0] == 200, READY, ignoring=(OSError,))

    def stop(self) -> int | None:
        """End it; its exit code."""
        self._child.stop(STOP)
        return self._child.exit_code

    def log(self) -> str:
        """What it said."""
        return self._child.log.read_text()

    def get(self, path: str) -> tuple[int, str]:
        """The status and text of a page."""
        return self.send("GET", path, b"", {})

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """One request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def push(self, namespace: str, fabric: str, commit: str, token: str = TOKEN, **how: Any) -> tuple[int, Any]:
        """What a Git server says after a push; `provider`, `branch` and `delivery` as keywords. The decoded answer."""
        provider, branch = how.get("provider", "github"), how.get("branch", "main")
        body, headers = message(provider, branch, commit, token, how.get("delivery", ""))
        status, text = self.send("POST", f"/hooks/{provider}/{namespace}/{fabric}", body, headers)
        return status, json.loads(text)


def message(provider: str, branch: str, commit: str, token: str, delivery: str = "") -> tuple[bytes, dict[str, str]]:
    """A push as this provider says it: (body, headers)."""
    said: dict[str, Any] = {"ref": f"refs/heads/{branch}", "after": commit, "repository": {"name": "fleet"}}
    if provider == "generic":
        said = {"branch": branch} | ({"commit": commit} if commit else {})
    if provider == "gitlab":
        said["object_kind"] = "push"
    body = json.dumps(said).encode()
    digest = hmac.new(token.encode(), body, hashlib.sha256).hexdigest()
    stamp = str(int(time.time()))
    stamped = hmac.new(token.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "github": {
            "X-GitHub-Event": "push",
            "X-Hub-Signature-256": f"sha256={digest}",
            "X-GitHub-Delivery": delivery,
        },
        "gitea": {"X-Gitea-Event": "push", "X-Gitea-Signature": digest, "X-Gitea-Delivery": delivery},
        "gitlab": {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": token, "X-Gitlab-Event-UUID": delivery},
        "generic": {"X-Tandem-Timestamp": stamp, "X-Tandem-Signature-256": f"sha256={stamped}"},
    }[provider]
    return body, {"Content-Type": "application/json"} | headers


@contextmanager
def serving(launch: Launch) -> Iterator[Serve]:
    """A `tandem serve` beside the controller that was launched so."""
    serve = Serve(launch)
    serve.start()
    try:
        yield serve
    finally:
        serve.stop()
