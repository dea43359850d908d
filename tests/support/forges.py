"""The forges behind one face, as a contract suite needs them: what people do there, and what is to be seen there."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from controller.api.v1alpha1.repository import ForgeType
from controller.dev.gitserver import GitServer
from controller.git.forge.forges import forge_of
from controller.git.forge.keys import App, Keys
from controller.git.forge.model import Forge
from controller.git.forge.network import Network
from controller.git.forge.place import place_of
from controller.git.remote import UrlRules
from tests.support.gitea import Gitea, GiteaRepository
from tests.support.github import APP_ID, INSTALLATION, OWNER, TOKEN, GitHub
from tests.support.repository import Repository
from tests.support.wait import wait_until

NETWORK = Network(UrlRules(allow_insecure=True))


class Counterpart(Protocol):
    """A repository at a forge, with one commit on main."""

    author: str  # who Tandem is there

    def forge(self) -> Forge:
        """Tandem's way to it, not used yet."""

    def commit_on(self, branch: str, path: str, text: str) -> str:
        """Write a file on a branch, made from main if it is new; the branch's commit."""

    def delete_branch(self, branch: str) -> None:
        """Take a branch away."""

    def branch_head(self, branch: str) -> str:
        """The commit that a branch is at."""


class WebCounterpart(Counterpart, Protocol):
    """One that has pages."""

    def propose(self, branch: str, base: str = "main") -> int:
        """Somebody opens a request; its number."""

    def merge(self, number: int, style: str = "merge") -> None:
        """Somebody merges a request."""

    def remark(self, number: int, text: str) -> None:
        """Somebody says something on a request."""

    def comments(self, number: int) -> list[str]:
        """What is said on a request, the oldest first."""

    def statuses(self, commit: str) -> list[tuple[str, str, str]]:
        """(context, state, description) of a commit's statuses, the newest first."""


async def nowhere(branch: str) -> str | None:
    """For forges that are asked themselves."""
    raise AssertionError(branch)


@dataclass
class AtGitea:
    """A private repository at the real Gitea."""

    repository: GiteaRepository
    token: str
    author: str

    @classmethod
    def new(cls, server: Gitea, folder: Path) -> AtGitea:
        """With a user of its own, as whom Tandem speaks."""
        user = f"user-{secrets.token_hex(4)}"
        server.create_user(user)
        repository = server.create_repository(user, "fleet", folder)
        repository.publish({"README.md": "A fleet.\n"})
        wait_until(lambda: not repository.ask("GET", "")["empty"])  # Gitea takes note of pushes in the background
        token = server.create_token(user, "tandem", ("write:repository", "write:issue"))
        return cls(repository, token, user)

    def forge(self, token: str = "") -> Forge:
        place = place_of(ForgeType.GITEA, self.repository.url, None, "main")
        return forge_of(place, Keys(token or self.token), NETWORK, nowhere)

    def commit_on(self, branch: str, path: str, text: str) -> str:
        return self.repository.commit_on(branch, path, text)

    def delete_branch(self, branch: str) -> None:
        self.repository.ask("DELETE", f"/branches/{branch.replace('/', '%2F')}")

    def branch_head(self, branch: str) -> str:
        return str(self.repository.ask("GET", f"/branches/{branch.replace('/', '%2F')}")["commit"]["id"])

    def propose(self, branch: str, base: str = "main") -> int:
        made = self.repository.ask("POST", "/pulls", head=branch, base=base, title=f"Take {branch}")
        return int(made["number"])

    def merge(self, number: int, style: str = "merge") -> None:
        self.repository.merge(number, style)

    def remark(self, number: int, text: str) -> None:
        self.repository.ask("POST", f"/issues/{number}/comments", body=text)

    def comments(self, number: int) -> list[str]:
        return [one["body"] for one in self.repository.ask("GET", f"/issues/{number}/comments")]

    def statuses(self, commit: str) -> list[tuple[str, str, str]]:
        listed = self.repository.ask("GET", f"/statuses/{commit}?sort=leastindex")
        return [(one["context"], one["status"], one["description"]) for one in listed]


@dataclass
class AtGitHub:
    """A repository at GitHub's stand-in."""

    server: GitHub
    name: str
    keys: Keys
    author: str

    @classmethod
    def new(cls, server: GitHub, *, app: bool = False) -> AtGitHub:
        """Spoken to with a token, or as a GitHub App."""
        name = f"fleet-{secrets.token_hex(4)}"
        server.create_repository(name)
        keys = Keys(app=App(APP_ID, INSTALLATION, server.app_key)) if app else Keys(TOKEN)
        return cls(server, name, keys, "tandem[bot]" if app else OWNER)

    @property
    def url(self) -> str:
        return f"https://github.com/{OWNER}/{self.name}.git"

    def forge(self, keys: Keys | None = None, network: Network = NETWORK) -> Forge:
        place = place_of(ForgeType.GITHUB, self.url, self.server.url, "main")
        return forge_of(place, keys or self.keys, network, nowhere)

    def commit_on(self, branch: str, path: str, text: str) -> str:
        return self.server.commit(self.name, branch, path, text)

    def delete_branch(self, branch: str) -> None:
        self._ask("DELETE", f"/git/refs/heads/{branch}")

    def branch_head(self, branch: str) -> str:
        return str(self._ask("GET", f"/branches/{branch}")["commit"]["sha"])

    def propose(self, branch: str, base: str = "main") -> int:
        return int(self._ask("POST", "/pulls", head=branch, base=base, title=f"Take {branch}")["number"])

    def merge(self, number: int, style: str = "merge") -> None:
        self._ask("PUT", f"/pulls/{number}/merge", merge_method=style)

    def remark(self, number: int, text: str) -> None:
        self._ask("POST", f"/issues/{number}/comments", body=text)

    def comments(self, number: int) -> list[str]:
        return [one["body"] for one in self._ask("GET", f"/issues/{number}/comments")]

    def statuses(self, commit: str) -> list[tuple[str, str, str]]:
        listed = self._ask("GET", f"/commits/{commit}/statuses")
        return [(one["context"], one["state"], one["description"]) for one in listed]

    def _ask(self, method: str, path: str, **body: Any) -> Any:
        return self.server.ask(method, f"/repos/{OWNER}/{self.name}{path}", **body)


@dataclass
class AtPlainServer:
    """A repository at a server that is no forge."""

    repository: Repository
    author: str = ""

    @classmethod
    def new(cls, server: GitServer, folder: Path) -> AtPlainServer:
        repository = Repository(server, f"plain-{secrets.token_hex(4)}", folder)
        repository.publish({"README.md": "A fleet.\n"})
        return cls(repository)

    def forge(self) -> Forge:
        return forge_of(None, Keys(), NETWORK, self._branch)

    def commit_on(self, branch: str, path: str, text: str) -> str:
        clone = self.repository.clone
        clone("checkout", "--quiet", "-B", branch)
        commit = clone.commit({path: text})
        clone("push", "--quiet", "origin", branch)
        return commit

    def delete_branch(self, branch: str) -> None:
        self.repository.clone("push", "--quiet", "origin", "--delete", branch)

    def branch_head(self, branch: str) -> str:
        return self._remote(branch)

    async def _branch(self, branch: str) -> str | None:
        return await asyncio.to_thread(self._remote, branch) or None

    def _remote(self, branch: str) -> str:
        command = ["git", "ls-remote", self.repository.url, f"refs/heads/{branch}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.partition("\t")[0]
