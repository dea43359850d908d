"""A repository on the local Git server, and a developer's clone of it, both through the real git.

What the demo tells of Git it reads from the bare repository on the server, so it is what any other client would get.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from controller.dev.errors import StartError
from controller.dev.shell import plain_environment, run

BRANCH = "main"
DEVELOPER = ("Ada", "ada@example.com")


def check_git() -> None:
    """Raises `StartError` where git, or the part of it that serves repositories, is missing."""
    if shutil.which("git") is None:
        raise StartError(
            "git is missing: install it (Debian and Ubuntu: apt install git; macOS: xcode-select --install)"
        )
    backend = Path(git(["--exec-path"], Path.cwd()).strip()) / "git-http-backend"
    if not backend.exists():
        raise StartError(f"git's own HTTP server is missing ({backend}): install your system's full git package")


def git(arguments: Sequence[str], cwd: Path) -> str:
    """Run git with nobody's configuration, as the developer."""
    name, email = DEVELOPER
    person = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", email))
    }
    nobody = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    return run(["git", *arguments], environ=plain_environment() | person | nobody, cwd=cwd)


class ServerRepository:
    """The bare repository behind the Git server."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def head(self) -> str:
        """The commit that the branch is at; "" before the first."""
        return self._git("for-each-ref", "--format=%(objectname)", f"refs/heads/{BRANCH}").strip()

    def show(self, path: str) -> str:
        """A file on the branch, with its line ends as they are."""
        return self._git("cat-file", "blob", f"{BRANCH}:{path}")

    def commits(self, since: str) -> list[str]:
        """The commits that came on top of `since`, the oldest first."""
        return self._git("rev-list", "--reverse", f"{since}..{BRANCH}").split()

    def changed_lines(self, commit: str) -> list[str]:
        """For each file that the commit changed: lines added, lines removed and its path, divided by tabs."""
        return self._git("show", "--format=", "--numstat", commit).splitlines()

    def patch(self, commit: str) -> str:
        """The commit as a diff, with one line around each change."""
        return self._git("show", "--format=", "--unified=1", "--no-color", commit).rstrip()

    def describe(self, commit: str, *, whole: bool = False) -> str:
        """Its id, author and subject; the whole message if asked for."""
        layout = f"commit %H%nAuthor: %an <%ae>%n%n{'%B' if whole else '%s'}"
        return self._git("show", "--no-patch", f"--format={layout}", commit).rstrip()

    def trailer(self, commit: str, name: str) -> str:
        """The value of one trailer of its message; "" where there is none."""
        return self._git("show", "--no-patch", f"--format=%(trailers:key={name},valueonly)", commit).strip()

    def _git(self, *arguments: str) -> str:
        return git(arguments, self.path)


class Clone:
    """A developer's working copy."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        if not folder.exists():
            git(["init", "--quiet", f"--initial-branch={BRANCH}", str(folder)], Path.cwd())
            git(["remote", "add", "origin", url], folder)

    def publish(self, files: Mapping[str, str], message: str) -> str:
        """Write, commit and push files on top of what the server has (it must have been pulled); the commit's id."""
        for path, text in files.items():
            (self.folder / path).write_text(text)
        git(["add", "--all"], self.folder)
        git(["commit", "--quiet", f"--message={message}"], self.folder)
        git(["push", "--quiet", "origin", f"HEAD:refs/heads/{BRANCH}"], self.folder)
        return git(["rev-parse", "HEAD"], self.folder).strip()

    def pull(self) -> None:
        """Bring it to where the server's branch is."""
        git(["pull", "--quiet", "--ff-only", "origin", BRANCH], self.folder)
