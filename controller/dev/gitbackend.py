"""One request to `git http-backend`: the environment it runs in, and its answer.

Apart from gitserver.py, which knows connections, faults and who may in; this knows CGI.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from aiohttp import web

BACKEND_TIMEOUT = 300.0  # seconds; a fetch of a large repository on a busy machine

# No configuration of this machine or its user may change what the server does. Pushes are allowed, and none of them
# is slowed down by a garbage collection.
BACKEND_CONFIG = {"http.receivepack": "true", "receive.autogc": "false", "gc.auto": "0", "safe.directory": "*"}


def backend_environment(root: Path) -> dict[str, str]:
    """What Git gets to see: the repositories' folder and our configuration, nothing of the user's."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(root),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_COUNT": str(len(BACKEND_CONFIG)),
    }
    for number, (key, value) in enumerate(BACKEND_CONFIG.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment


def cgi_variables(request: web.Request, length: int) -> dict[str, str]:
    """One request as CGI (RFC 3875) names it. The body has been decompressed, so its encoding is not passed on."""
    return {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query_string,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(length),
        "REMOTE_ADDR": request.remote or "",
        "REMOTE_USER": "developer",
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
    }


def run_backend(environment: dict[str, str], body: bytes) -> web.Response:
    """Ask `git http-backend`, and hand back its answer in one piece: header and body leave in one write."""
    answer = subprocess.run(
        ["git", "http-backend"],
        input=body,
        env=environment,
        capture_output=True,
        check=False,
        timeout=BACKEND_TIMEOUT,
    )
    head, _, content = answer.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line)
    if not headers:
        return web.Response(status=500, body=answer.stderr)
    status = int(headers.pop("Status", "200").split()[0])
    headers.pop("Content-Length", None)
    return web.Response(status=status, headers=headers, body=content)
