"""GitHub's stand-in: an API with a memory, in which every request is held against GitHub's own description.

    client ──► door ──► Prism ──► annexe ──► emulate

emulate keeps users, repositories, branches, requests, comments and Apps. The annexe adds what it lacks: commit
statuses, ETags, heads that move, and the refusal of a request without a branch, or of a second one for it. Prism
compares with the description; what it finds wrong with a *request*, the door refuses as GitHub would. The door also
gives what a test asks it to: limits, say.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from controller.dev.children import Child
from controller.dev.ports import free_port
from tests.support.githubbuild import DESCRIPTION, NODE
from tests.support.wait import wait_until

OWNER = "octocat"
TOKEN = "ghp_5tandem0tests7"
APP_ID, INSTALLATION = "12345", "100"
READY = 120.0  # seconds until both answer; about six where nothing else runs
TIMEOUT = 60.0  # seconds for one request
SECOND_REQUEST = "A pull request already exists for {head}."  # GitHub's words

_PASSED = {"accept", "authorization", "content-type", "if-none-match", "user-agent"}
_KEPT = {"content-type", "etag", "sl-violations"}
_STATUSES = re.compile(r"/repos/([^/]+/[^/]+)/(?:statuses/([^/]+)|commits/([^/]+)/statuses)$")
_PULLS = re.compile(r"/repos/([^/]+)/([^/]+)/pulls$")


@dataclass(frozen=True)
class Reply:
    """An answer. Names of headers are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json; charset=utf-8"})

    @classmethod
    def of(cls, status: int, value: Any, **headers: str) -> Reply:
        """JSON."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, json.dumps(value).encode(), {"content-type": "application/json; charset=utf-8", **named})

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Asked:
    """A request. Names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)


class GitHub:
    """Started by `start`, from the main thread; `close` ends it. `url` is what a Fabric calls apiURL."""

    def __init__(self, folder: Path, work: Path) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = serialization.PrivateFormat.TraditionalOpenSSL  # PKCS#1, as GitHub hands it out
        self.app_key = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
        self.asked: list[Asked] = []  # what came to the door
        self.answers: list[Reply] = []  # what the next requests get, whatever they ask for
        self.heads: dict[tuple[str, str], str] = {}  # (repository, branch) → where it is, if Git is kept elsewhere
        self._statuses: dict[tuple[str, str], list[Any]] = {}
        self._ports = [free_port() for _ in range(4)]
        door, prism, annexe, emulate = self._ports
        work.mkdir(parents=True, exist_ok=True)
        (work / "seed.json").write_text(json.dumps(self._seed()))
        programs = folder / "node_modules" / ".bin"
        memory = ["emulate", "start", "--service", "github", "--port", str(emulate), "--seed", "seed.json"]
        judge = ["prism", "proxy", str(folder / DESCRIPTION), _at(annexe), "--port", str(prism)]
        self._children = [
            Child(name, [NODE, programs / name, *arguments], work / f"{name}.log", cwd=work)
            for name, *arguments in (memory, judge)
        ]
        self._hops = [_Hop(annexe, self._add), _Hop(door, self._guard)]

    @property
    def url(self) -> str:
        """Where its API is."""
        return _at(self._ports[0])

    def start(self) -> None:
        """Start it, and return when it can be used."""
        for child in self._children:
            child.start()
        for hop in self._hops:
            hop.start()
        wait_until(lambda: self._ended() or self._answers(), READY, ignoring=(OSError,))
        assert not self._ended(), self._ended()

    def close(self) -> None:
        """Stop it."""
        for hop in self._hops:
            hop.stop()
        for child in self._children:
            child.stop()

    def create_repository(self, name: str) -> None:
        """A new repository of OWNER with one commit on main."""
        self.ask("POST", "/user/repos", name=name, auto_init=True)

    def commit(self, name: str, branch: str, path: str, text: str) -> str:
        """Write a file on a branch, made from main if it is new; the branch's commit."""
        root = f"/repos/{OWNER}/{name}"
        known = {one["name"] for one in self.ask("GET", f"{root}/branches")}
        if branch not in known:
            head = self.ask("GET", f"{root}/branches/main")["commit"]["sha"]
            self.ask("POST", f"{root}/git/refs", ref=f"refs/heads/{branch}", sha=head)
        content = base64.b64encode(text.encode()).decode()
        self.ask("PUT", f"{root}/contents/{path}", message=f"Write {path}", content=content, branch=branch)
        return str(self.ask("GET", f"{root}/branches/{branch}")["commit"]["sha"])

    def ask(self, method: str, target: str, **body: Any) -> Any:
        """OWNER's request, past the door; the decoded answer."""
        headers = {"authorization": f"token {TOKEN}", "content-type": "application/json"}
        asked = Asked(method, target, headers, json.dumps(body).encode() if body else b"")
        reply = self._add(asked)
        assert reply.status < 300, f"{method} {target}: {reply.status} {reply.body.decode()}"
        return reply.json if reply.body else None

    def _ended(self) -> str:
        """What those said that ended by themselves, "" while all run."""
        return "\n".join(f"{child.name}:\n{child.log_tail()}" for child in self._children if not child.running)

    def _answers(self) -> bool:
        asked = Asked("GET", f"/repos/{OWNER}/none/pulls", {"authorization": f"token {TOKEN}"}, b"")
        return _forward(self._ports[1], asked).status == 404

    def _guard(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        if self.answers:
            return self.answers.pop(0)
        reply = _forward(self._ports[1], asked)
        found = json.loads(reply.headers.get("sl-violations", "[]"))
        wrong = [one for one in found if one["location"][0] == "request" and one["severity"] == "Error"]
        if wrong:
            return Reply.of(422, {"message": "Validation Failed", "errors": wrong})
        return reply

    def _add(self, asked: Asked) -> Reply:
        if statuses := _STATUSES.fullmatch(asked.path):
            reply = self._status(asked, statuses[1], statuses[2] or statuses[3])
        elif (
            (pulls := _PULLS.fullmatch(asked.path)) and asked.method == "POST" and (wrong := self._wrong(asked, pulls))
        ):
            reply = Reply.of(422, {"message": "Validation Failed", "errors": [{"resource": "PullRequest", **wrong}]})
        else:
            reply = _forward(self._ports[3], asked)
            if pulls and asked.method == "GET" and reply.status == 200:
                reply = Reply.of(200, [self._moved(asked, pull) for pull in reply.json])
        if asked.method != "GET" or reply.status != 200:
            return reply
        etag = f'"{hashlib.sha256(reply.body).hexdigest()}"'
        if asked.headers.get("if-none-match") == etag:
            return Reply(304, b"", {"etag": etag})
        return Reply(200, reply.body, {**reply.headers, "etag": etag})

    def _status(self, asked: Asked, repository: str, commit: str) -> Reply:
        known = self._statuses.setdefault((repository, commit), [])
        if asked.method == "GET":
            return Reply.of(200, known)
        said = json.loads(asked.body)
        keys = ("state", "context", "description", "target_url")
        number = sum(len(statuses) for statuses in self._statuses.values()) + 1
        known.insert(0, {"id": number, **{key: said.get(key) for key in keys}})
        return Reply.of(201, known[0])

    def _wrong(self, asked: Asked, pulls: re.Match[str]) -> dict[str, str] | None:
        """What GitHub has against a new request: its branch is not there, or has one already."""
        said = json.loads(asked.body)
        branch, base = said.get("head"), said.get("base")
        if not isinstance(branch, str) or self._head(asked, branch) is None:
            return {"field": "head", "code": "invalid"}
        listed = self._behind(asked, f"{asked.path}?state=open&head={pulls[1]}:{branch}")
        if listed.status == 200 and any(one["base"]["ref"] == base for one in listed.json):
            return {"code": "custom", "message": SECOND_REQUEST.format(head=f"{pulls[1]}:{branch}")}
        return None

    def _moved(self, asked: Asked, pull: Any) -> Any:
        """A request with its branch as it is now; emulate tells where the branch was when it was opened."""
        head = self._head(asked, pull["head"]["ref"]) if pull["state"] == "open" else None
        return pull if head is None else {**pull, "head": {**pull["head"], "sha": head}}

    def _head(self, asked: Asked, branch: str) -> str | None:
        name = asked.path.split("/")[3]
        if (name, branch) in self.heads:
            return self.heads[name, branch]
        found = self._behind(asked, f"{asked.path.removesuffix('/pulls')}/branches/{branch}")
        return str(found.json["commit"]["sha"]) if found.status == 200 else None

    def _behind(self, asked: Asked, target: str) -> Reply:
        """What emulate says to the same person."""
        return _forward(self._ports[3], Asked("GET", target, asked.headers, b""))

    def _seed(self) -> Any:
        rights = {"contents": "write", "issues": "write", "pull_requests": "write", "statuses": "write"}
        installed = {"installation_id": int(INSTALLATION), "account": OWNER, "repository_selection": "all"}
        app = {"app_id": int(APP_ID), "slug": "tandem", "name": "Tandem", "private_key": self.app_key}
        app |= {"permissions": rights, "events": [], "installations": [installed]}
        user = {"login": OWNER, "name": "Octo Cat", "email": "octocat@example.com"}
        return {"tokens": {TOKEN: {"login": OWNER, "scopes": ["repo"]}}, "github": {"users": [user], "apps": [app]}}


class _Hop:
    """A port in a thread of its own, behind which a function answers."""

    def __init__(self, port: int, answer: Callable[[Asked], Reply]) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): text for name, text in self.headers.items()}
                reply = answer(Asked(self.command, self.path, headers, body))
                self.send_response(reply.status)
                for name, text in reply.headers.items():
                    self.send_header(name, text)
                if reply.status != 304:
                    self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = serve  # noqa: N815 - as http.server calls them

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Clients that hang up are no news."""

        self._server = Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


def _forward(port: int, asked: Asked) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        passed = {name: text for name, text in asked.headers.items() if name in _PASSED}
        connection.request(asked.method, asked.target, asked.body or None, passed)
        answer = connection.getresponse()
        headers = {name.lower(): text for name, text in answer.getheaders()}
        return Reply(answer.status, answer.read(), {name: headers[name] for name in _KEPT & headers.keys()})
    finally:
        connection.close()


def _at(port: int) -> str:
    return f"http://127.0.0.1:{port}"
