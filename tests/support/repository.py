"""A repository as people have it: bare on the server, a clone on their disk, the real git in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from controller.dev.gitserver import GitServer
from tests.support.worktree import WorkTree, git, git_bytes

_FIELD, _RECORD = "\x1f", "\x1e"
_FORMAT = _FIELD.join(["%H", "%an <%ae>", "%s", "%B"]) + _RECORD


@dataclass(frozen=True)
class Commit:
    """One commit as `git log` shows it."""

    id: str
    author: str
    subject: str
    message: str

    @property
    def trailers(self) -> dict[str, list[str]]:
        """The lines `Name: value` of the message's last paragraph."""
        found: dict[str, list[str]] = {}
        for line in self.message.rstrip().rpartition("\n\n")[2].splitlines():
            name, colon, value = line.partition(": ")
            if colon:
                found.setdefault(name, []).append(value)
        return found


class Repository:
    """A bare repository on the local Git server, and somebody's clone of it.

    What `head`, `show`, `log` and `diff` say comes from the server's bare repository, whoever pushed it there.
    """

    def __init__(
        self,
        server: GitServer,
        name: str,
        folder: Path,
        *,
        branch: str = "main",
        username: str = "",
        password: str = "",
    ) -> None:
        """Makes both. `folder` is the clone's; `username` and `password` are what the server asks for, if it does."""
        self.name = name
        self.branch = branch
        self.url = server.create(name, branch)
        self.bare = server.path_of(name)
        self.clone = WorkTree(folder, _with_credentials(self.url, username, password), branch)

    def write(self, path: str, text: str | bytes) -> None:
        """Write a file of the clone."""
        self.clone.write({path: text})

    def read(self, path: str) -> str:
        """A file of the clone, with its line ends as they are."""
        return (self.clone.folder / path).read_bytes().decode()

    def remove(self, path: str) -> None:
        """Delete a file of the clone."""
        self.clone.write({path: None})

    def replace(self, path: str, old: str, new: str) -> None:
        """Edit a file of the clone: `old` must stand in it once."""
        text = self.read(path)
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        self.write(path, text.replace(old, new))

    def commit(self, message: str = "change") -> str:
        """Commit everything that was edited; the commit's id."""
        return self.clone.commit({}, message)

    def push(self, *options: str) -> None:
        """Push the branch."""
        self.clone.push(*options)

    def publish(self, files: Mapping[str, str | bytes | None], message: str = "change") -> str:
        """Pull, write `files` (None deletes), commit and push; the commit's id."""
        if self.head():
            self.pull()
        return self.clone.publish(files, message)

    def pull(self) -> None:
        """Bring the clone to where the server's branch is; edits that were not pushed are lost."""
        self.clone.pull()

    def head(self) -> str:
        """The commit the server's branch is at; "" before the first."""
        return self._bare("rev-parse", "--verify", "--quiet", f"refs/heads/{self.branch}", check=False)

    def show(self, path: str, revision: str = "") -> str:
        """A file as the server has it, with its line ends as they are."""
        return self.show_bytes(path, revision).decode()

    def show_bytes(self, path: str, revision: str = "") -> bytes:
        """A file as the server has it, byte by byte."""
        return git_bytes("cat-file", "blob", f"{revision or self.branch}:{path}", cwd=self.bare)

    def files(self, revision: str = "") -> list[str]:
        """The paths of all files."""
        return self._bare("ls-tree", "-r", "--name-only", revision or self.branch).splitlines()

    def branches(self, pattern: str = "**") -> list[str]:
        """The names of the branches that fit."""
        return self._bare("for-each-ref", "--format=%(refname:lstrip=2)", f"refs/heads/{pattern}").splitlines()

    def publish_on(self, branch: str, files: Mapping[str, str | bytes | None], message: str = "review") -> str:
        """Commit on top of another branch and push it there; the commit's id. The clone goes back to its branch."""
        self.clone("fetch", "--quiet", "origin", branch)
        self.clone("checkout", "--quiet", "--detach", "FETCH_HEAD")
        commit = self.clone.commit(files, message)
        self.clone("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        self.clone("checkout", "--quiet", "--force", self.branch)
        return commit

    def merge(self, branch: str, *options: str) -> str:
        """Merge another branch into the branch, as a person does, and push; the commit that it is at then."""
        self.pull()
        self.clone("fetch", "--quiet", "origin", branch)
        self.clone("merge", "--quiet", "--no-edit", *options, "FETCH_HEAD")
        if "--squash" in options:
            self.clone("commit", "--quiet", "--message=squashed")
        self.push()
        return self.clone.head

    def delete_branch(self, branch: str) -> None:
        """Delete another branch on the server."""
        self.clone("push", "--quiet", "origin", f":refs/heads/{branch}")

    def log(self, revisions: str = "") -> list[Commit]:
        """The commits of the branch, the newest first; or those of `revisions`, such as `a..b`."""
        records = self._bare("log", f"--format={_FORMAT}", revisions or self.branch).split(_RECORD)
        return [Commit(*record.lstrip("\n").split(_FIELD)) for record in records if record.strip()]

    def diff(self, old: str, new: str = "", *paths: str) -> str:
        """The unified diff between two revisions, without context."""
        return self._bare("diff", "--unified=0", "--no-color", old, new or self.branch, "--", *paths)

    def changed_lines(self, old: str, new: str = "", *paths: str) -> list[str]:
        """The lines that left (`-…`) and came (`+…`) between two revisions."""
        lines = self.diff(old, new, *paths).splitlines()
        return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]

    def _bare(self, *arguments: str, check: bool = True) -> str:
        return git(*arguments, cwd=self.bare, check=check)


def _with_credentials(url: str, username: str, password: str) -> str:
    if not username:
        return url
    parts = urlsplit(url)
    return parts._replace(netloc=f"{quote(username, safe='')}:{quote(password, safe='')}@{parts.netloc}").geturl()
