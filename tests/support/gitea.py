"""The real Gitea as a counterpart: a forge with tokens, deploy keys, protected branches and webhooks of its own.

What is told back comes from Gitea itself: from its API, and from its database what its webhooks were answered, which
the API does not show. It runs on two loopback ports, http and its own ssh server, and dies with its parent.
"""

from __future__ import annotations

import base64
import getpass
import json
import re
import secrets
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from controller.dev.children import Child
from controller.dev.ports import free_port
from tests.support.postgres import PASSWORD as DATABASE_PASSWORD
from tests.support.postgres import ROLE, PostgresServer
from tests.support.ssh import SshKey, new_key
from tests.support.wait import wait_until
from tests.support.worktree import WorkTree

ADMIN = "root-of-all"
PASSWORD = "correct-horse-7"  # everybody's; only this server knows it
READY = 120.0  # seconds until it answers; about five where nothing else runs
TIMEOUT = 60.0  # seconds for one request, or one run of its command
SCOPES = ("write:repository",)

# Loopback is the only place its webhooks may call, and the host key and the key of commits that it trusts are ours.
CONFIG = """\
RUN_USER = {user}
RUN_MODE = prod
WORK_PATH = {folder}
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {static}
OFFLINE_MODE = true
START_SSH_SERVER = true
BUILTIN_SSH_SERVER_USER = git
SSH_DOMAIN = 127.0.0.1
SSH_LISTEN_HOST = 127.0.0.1
SSH_LISTEN_PORT = {ssh_port}
SSH_PORT = {ssh_port}
SSH_ROOT_PATH = {folder}/ssh
SSH_SERVER_HOST_KEYS = {folder}/host_key
[database]
DB_TYPE = postgres
HOST = 127.0.0.1:{database_port}
NAME = {database}
USER = {role}
PASSWD = {password}
SSL_MODE = require
MAX_OPEN_CONNS = 10
[security]
INSTALL_LOCK = true
SECRET_KEY = {secret}
PASSWORD_HASH_ALGO = pbkdf2$1000$50
[oauth2]
ENABLED = false
[webhook]
ALLOWED_HOST_LIST = loopback
[repository.signing]
TRUSTED_SSH_KEYS = {trusted}
[indexer]
ISSUE_INDEXER_TYPE = db
[queue]
TYPE = channel
[cron]
ENABLED = false
[actions]
ENABLED = false
[packages]
ENABLED = false
[log]
MODE = console
LEVEL = Info
"""


class Delivery(NamedTuple):
    """One message of a webhook: the event, the status of the answer, and its text."""

    event: str
    status: int
    text: str


class Gitea:
    """Started by `start`, from the main thread; `close` ends it and drops its database."""

    def __init__(self, program: Path, folder: Path, postgres: PostgresServer) -> None:
        self.port, self.ssh_port = free_port(), free_port()
        self.host_key, self.trusted_key = new_key(), new_key()
        self._postgres, self._database = postgres, postgres.make_database()
        self._token = ""
        config = folder / "app.ini"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "host_key").touch(mode=0o600)
        (folder / "host_key").write_text(self.host_key.private)
        config.write_text(
            CONFIG.format(
                user=getpass.getuser(),
                folder=folder,
                port=self.port,
                ssh_port=self.ssh_port,
                static=program.parent,
                database_port=postgres.port,
                database=self._database,
                role=ROLE,
                password=DATABASE_PASSWORD,
                secret=secrets.token_hex(32),
                trusted=self.trusted_key.public,
            )
        )
        git = shutil.which("git")
        assert git is not None, "please install: git"
        self._environment = {"HOME": str(folder), "PATH": f"{Path(git).parent}:/usr/bin:/bin"}
        self._command = [str(program), "--config", str(config)]
        self._child = Child("gitea", [*self._command, "web"], folder / "gitea.log", env=self._environment)

    @property
    def url(self) -> str:
        """Where it is reached by http."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def known_hosts(self) -> str:
        """The line that `ssh-keyscan` prints for its ssh server."""
        return f"[127.0.0.1]:{self.ssh_port} {self.host_key.public}\n"

    def start(self) -> None:
        """Start it, make its administrator, and return when it can be used."""
        self._child.start()
        wait_until(lambda: not self._child.running or self._answers(), READY, ignoring=(OSError,))
        assert self._child.running, f"gitea ended:\n{self._child.log_tail()}"
        command = [*self._command, "admin", "user", "create", "--admin", "--username", ADMIN, "--password", PASSWORD]
        command += ["--email", f"{ADMIN}@example.com", "--must-change-password=false"]
        command += ["--access-token", "--access-token-name", "tests", "--access-token-scopes", "all"]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        found = re.search(r"Access token was successfully created\.* (\w{40})", done.stdout)
        assert found is not None, f"no administrator was made:\n{done.stdout}{done.stderr}"
        self._token = found[1]

    def close(self) -> None:
        """Stop it, and leave nothing in the database server."""
        self._child.stop()
        self._postgres.drop_database(self._database)

    def create_user(self, name: str) -> None:
        """Make a user, with the password that everybody has."""
        self.ask(
            "POST",
            "admin/users",
            username=name,
            password=PASSWORD,
            email=f"{name}@example.com",
            must_change_password=False,
        )

    def create_token(self, user: str, name: str, scopes: Sequence[str] = SCOPES) -> str:
        """A new access token; by itself it lets this user's repositories be read and written."""
        made = self._request("POST", f"users/{user}/tokens", {"name": name, "scopes": scopes}, _basic(user))
        return str(made["sha1"])

    def revoke_token(self, user: str, name: str) -> None:
        """Take an access token away."""
        self._request("DELETE", f"users/{user}/tokens/{name}", None, _basic(user))

    def create_repository(self, owner: str, name: str, folder: Path) -> GiteaRepository:
        """A new, empty, private repository, and the owner's clone of it in `folder`."""
        self.ask("POST", f"admin/users/{owner}/repos", name=name, private=True, default_branch="main")
        return GiteaRepository(self, owner, name, folder)

    def fork(self, repository: GiteaRepository, owner: str, folder: Path) -> GiteaRepository:
        """Somebody's fork of a public repository, and its clone in `folder`."""
        self._request("POST", f"{repository.path}/forks", {}, _basic(owner))
        return GiteaRepository(self, owner, repository.name, folder)

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """The administrator's request to the API; the decoded answer, None for none."""
        return self._request(method, path, body or None, f"token {self._token}")

    def deliveries(self, hook: int) -> list[Delivery]:
        """What a webhook has sent, the oldest first; without what is still under way."""
        rows = (
            "SELECT coalesce(json_agg(json_build_object('event', event_type, 'response', response_content::json) "
            f"ORDER BY id), '[]') FROM hook_task WHERE hook_id = {hook} AND is_delivered"
        )
        found = json.loads(self._postgres.sql(rows, self._database))
        return [Delivery(row["event"], row["response"]["status"], row["response"]["body"]) for row in found]

    def _answers(self) -> bool:
        with urllib.request.urlopen(f"{self.url}/api/healthz", timeout=5) as answer:  # noqa: S310  # loopback
            return bool(answer.status == 200)

    def _request(self, method: str, path: str, body: Any, authorization: str) -> Any:
        request = urllib.request.Request(  # noqa: S310  # loopback
            f"{self.url}/api/v1/{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": authorization, "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None
        return json.loads(text) if text else None


class GiteaRepository:
    """A private repository at Gitea, and its owner's clone; what it says about itself is what Gitea's API says."""

    def __init__(self, server: Gitea, owner: str, name: str, folder: Path) -> None:
        self._server = server
        self.path = f"repos/{owner}/{name}"
        self.name = name
        self.url = f"{server.url}/{owner}/{name}.git"
        self.ssh_url = f"ssh://git@127.0.0.1:{server.ssh_port}/{owner}/{name}.git"
        parts = urlsplit(self.url)
        self.clone = WorkTree(folder, parts._replace(netloc=f"{quote(owner)}:{PASSWORD}@{parts.netloc}").geturl())

    def publish(self, files: dict[str, str]) -> str:
        """Pull, write files, commit and push as the owner; the commit's id."""
        if not self.ask("GET", "")["empty"]:
            self.clone.pull()
        return self.clone.publish(files)

    def head(self) -> str:
        """The commit that the branch is at."""
        return str(self.ask("GET", "/branches/main")["commit"]["id"])

    def show(self, path: str) -> str:
        """A file of the branch."""
        return base64.b64decode(self.ask("GET", f"/contents/{path}?ref=main")["content"]).decode()

    def commit(self, revision: str) -> Any:
        """A commit: `author`, `message`, and in `verification` what Gitea thinks of its signature."""
        return self.ask("GET", f"/git/commits/{revision}")["commit"]

    def protect(self) -> None:
        """Let nobody push to the branch any more."""
        self.ask("POST", "/branch_protections", rule_name="main", enable_push=False)

    def unprotect(self) -> None:
        """Take back `protect`."""
        self.ask("DELETE", "/branch_protections/main")

    def commit_on(self, branch: str, path: str, text: str) -> str:
        """Write a file on a branch, made from main if it is new, through the API; the branch's commit."""
        known = {one["name"] for one in self.ask("GET", "/branches")}
        content = base64.b64encode(text.encode()).decode()
        place = {"branch": branch} if branch in known else {"branch": "main", "new_branch": branch}
        made = self.ask("POST", f"/contents/{path}", content=content, message=f"Write {path}", **place)
        return str(made["commit"]["sha"])

    def merge(self, number: int, style: str = "merge") -> None:
        """Merge a pull request as the administrator does: `style` is merge, squash, rebase …"""

        def merged() -> bool:  # what may be merged is found out in the background
            self.ask("POST", f"/pulls/{number}/merge", Do=style)
            return True

        wait_until(merged)

    def add_key(self, key: SshKey, *, read_only: bool = False) -> None:
        """Let a key fetch from the repository, and push to it."""
        self.ask("POST", "/keys", title=secrets.token_hex(4), key=key.public, read_only=read_only)

    def add_hook(self, url: str, secret: str, events: Sequence[str] = ("push",)) -> int:
        """Have Gitea tell of pushes, or something else; the webhook's number, for `Gitea.deliveries`."""
        config = {"url": url, "content_type": "json", "secret": secret}
        made = self.ask("POST", "/hooks", type="gitea", config=config, events=list(events), active=True)
        return int(made["id"])

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """The administrator's request about this repository."""
        return self._server.ask(method, self.path + path, **body)


def _basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()
