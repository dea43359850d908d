"""A person's clone of a repository: the real git, with nobody's configuration."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

TIMEOUT = 60.0  # seconds for one git command

PLAIN_GIT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


def git(*arguments: str, cwd: Path, check: bool = True, stdin: bytes = b"") -> str:
    """Run git; its output without the last line break. The error is git's own words."""
    said = git_bytes(*arguments, cwd=cwd, check=check, stdin=stdin)
    return said.decode(errors="replace").rstrip("\n")


def git_bytes(*arguments: str, cwd: Path, check: bool = True, stdin: bytes = b"") -> bytes:
    """Run git; its output as it is."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env=PLAIN_GIT | {"HOME": str(cwd)},
        input=stdin,
        capture_output=True,
        check=False,
        timeout=TIMEOUT,
    )
    if check and done.returncode:
        raise AssertionError(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
    return done.stdout


class WorkTree:
    """A clone on a branch, where a person edits files, commits and pushes."""

    def __init__(self, folder: Path, url: str, branch: str = "main") -> None:
        self.folder = folder
        self.branch = branch
        folder.mkdir(parents=True)
        self("init", "--quiet", f"--initial-branch={branch}")
        self("remote", "add", "origin", url)

    def __call__(self, *arguments: str, check: bool = True, stdin: bytes = b"") -> str:
        return git(*arguments, cwd=self.folder, check=check, stdin=stdin)

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        """Write files by their path from the root; None deletes."""
        for path, content in files.items():
            place = self.folder / path
            if content is None:
                place.unlink()
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, str | bytes | None], message: str = "change") -> str:
        """Write files and commit everything; the commit's id."""
        self.write(files)
        self("add", "--all", "--force")
        self("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.head

    def push(self, *options: str) -> None:
        """Push the branch."""
        self("push", "--quiet", *options, "origin", f"HEAD:refs/heads/{self.branch}")

    def publish(self, files: Mapping[str, str | bytes | None], message: str = "change") -> str:
        """Commit and push; the commit's id."""
        commit = self.commit(files, message)
        self.push()
        return commit

    def pull(self) -> None:
        """Go to where the server's branch is."""
        self("fetch", "--quiet", "origin", self.branch)
        self("reset", "--quiet", "--hard", "FETCH_HEAD")

    @property
    def head(self) -> str:
        """The id of the commit that is checked out."""
        return self("rev-parse", "HEAD")
