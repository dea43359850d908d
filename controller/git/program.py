"""The transport of the git program: for ssh, private authorities, client certificates and proxies.

Slower than libgit2 (a look costs a process and a new connection), but each call is a process with an environment of its
own, so that one tenant's known hosts and authorities vouch for nobody else's remote. It works on the same bare copies.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

import pygit2

from controller.errors import TandemError
from controller.git.clientcert import wants_certificate
from controller.git.errors import (
    AuthenticationFailedError,
    HostKeyUnknownError,
    RepositoryNotFoundError,
    RepositoryTooLargeError,
    UnreachableError,
)
from controller.git.gitwords import CUT_OFF, TOO_LARGE, certificate_wanted, server_words, shortened, told_error
from controller.git.heads import reference_of
from controller.git.home import Home, made_home
from controller.git.packs import all_bytes
from controller.git.process import Answer, run_program
from controller.git.push import Outcome, Pushed, PushOrder, Refused, check_order, one_line, settled
from controller.git.remote import address_of, is_ssh, printable
from controller.git.transport import ALL_TAGS, CONNECT_TIMEOUT, Pulse, Remote, too_large
from controller.process import TICK

HEAD = re.compile(r"([0-9a-f]{40})\t(refs/\S+)")
VERDICT = re.compile(r"^([ +*=!-])\t\S*:(\S+)\t(.*)$", re.MULTILINE)  # git push --porcelain
TAKEN = frozenset(" +*=")  # moved, moved by the lease, made, or there already

FETCH = (
    "git",
    "fetch",
    "--progress",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-gc",
    "--recurse-submodules=no",
    "--",
)
PUSH = ("git", "push", "--porcelain", "--progress", "--no-verify", "--no-signed", "--recurse-submodules=no")


class ProgramSession:
    """One look at a remote; each call is a connection of its own."""

    def __init__(self, program: Program, references: Mapping[str, str]) -> None:
        self._program = program
        self.references = references

    def fetch(self, branch: str, reference: str, most_bytes: int, *, tags: bool = False) -> str:
        """Bring a branch: where it is now, which may be further than where it was seen."""
        return self._program.fetch(branch, reference, most_bytes, tags=tags)


class Scale:
    """A pulse that weighs the copy while it grows. A server without packs sends many small files, which no bound on a
    single file stops."""

    def __init__(self, remote: Remote, pulse: Pulse, most_bytes: int) -> None:
        self._remote = remote
        self._pulse = pulse
        self._most_bytes = most_bytes
        self._before = all_bytes(remote.path)
        self._weighed = 0.0

    def beat(self) -> None:
        """Something moved: weigh, but not each time."""
        self._pulse.beat()
        if time.monotonic() - self._weighed > TICK:
            self._weigh()

    def check(self) -> None:
        """Nothing moved."""
        self._pulse.check()
        self._weigh()

    def _weigh(self) -> None:
        self._weighed = time.monotonic()
        if all_bytes(self._remote.path) - self._before > self._most_bytes:
            raise RepositoryTooLargeError(too_large(printable(self._remote.url), self._most_bytes))


class Program:
    """A remote that is spoken to by the git program."""

    def __init__(self, remote: Remote, pulse: Pulse) -> None:
        self._remote = remote
        self._pulse = pulse

    def connect(self, repository: pygit2.Repository, branch: str, *, tags: bool = False) -> ProgramSession:
        """Ask for one branch; for all of them if it is not there. `repository` is not needed: the copy is."""
        with made_home(self._checked()) as home:
            wanted = reference_of(branch)
            references = self._look(home, wanted, *(["refs/tags/*"] if tags else []))
            return ProgramSession(self, references if wanted in references else self._look(home))

    def fetch(self, branch: str, reference: str, most_bytes: int, *, tags: bool = False) -> str:
        """Bring a branch into the copy, and tags; the commit's id."""
        with made_home(self._checked()) as home:
            command = [*FETCH, self._remote.url, f"+{reference_of(branch)}:{reference}", *([ALL_TAGS] if tags else [])]
            scale = Scale(self._remote, self._pulse, most_bytes)
            answer = self._run(home, command, most_bytes, scale)
            if answer.code and TOO_LARGE.search(answer.said):
                raise RepositoryTooLargeError(too_large(printable(self._remote.url), most_bytes))
            self._check(answer)
            scale.check()
            found = self._run(home, ["git", "rev-parse", "--verify", reference])
            self._check(found)
            return found.output.strip()

    def push(self, repository: pygit2.Repository, order: PushOrder) -> Outcome:
        """Push with the server's branch as the lease. What is not accepted is looked at once more."""
        if refused := check_order(repository, order):
            return refused
        lease = f"--force-with-lease={order.reference}:{order.expected or ''}"
        with made_home(self._checked()) as home:
            answer = self._run(home, [*PUSH, lease, "--", self._remote.url, order.refspec])
        verdicts = {reference: (flag, summary) for flag, reference, summary in VERDICT.findall(answer.output)}
        flag, summary = verdicts.get(order.reference, ("", ""))
        if flag and flag in TAKEN and not answer.code:
            return Pushed(order.commit)
        if not flag and (outcome := self._without_verdict(answer)):
            return outcome
        words = server_words(answer.said, self._remote.credentials)
        said = "; ".join(filter(None, (words, summary))) or shortened(answer.said, self._remote.credentials)
        return settled(self.connect(repository, order.branch).references.get(order.reference), order, one_line(said))

    def _without_verdict(self, answer: Answer) -> Outcome | None:
        """A push that did not come as far as the branch. None if the server may have refused it: look and see."""
        error = self._error(answer)
        if isinstance(error, AuthenticationFailedError):
            return Refused(one_line(f"the credentials may not push: {error.message}"))
        if isinstance(error, RepositoryNotFoundError):  # a repository that may only be read is told like none at all
            return None
        raise error

    def _look(self, home: Home, *patterns: str) -> dict[str, str]:
        """References of the server: those that fit, or all branches."""
        answer = self._run(home, ["git", "ls-remote", "--", self._remote.url, *(patterns or ("refs/heads/*",))])
        self._check(answer)
        return {name: commit for commit, name in HEAD.findall(answer.output)}

    def _run(self, home: Home, command: list[str], most_bytes: int = 0, pulse: Pulse | None = None) -> Answer:
        try:
            return run_program(
                command,
                folder=home.folder,
                env=home.env,
                pulse=pulse or self._pulse,
                patience=self._remote.timeout,
                most_bytes=most_bytes,
            )
        except UnreachableError as error:
            raise UnreachableError(f"{printable(self._remote.url)}: {error.message}") from None

    def _check(self, answer: Answer) -> None:
        """Raise what a failed call means."""
        if answer.code:
            raise self._error(answer)

    def _error(self, answer: Answer) -> TandemError:
        """What a failed call means. A server that hangs up may want a certificate: it is asked once more."""
        remote = self._remote
        address = address_of(remote.url)
        if address.scheme == "https" and not remote.proxy and CUT_OFF.search(answer.said):
            patience = min(CONNECT_TIMEOUT, remote.timeout)
            if wants_certificate(address, remote.credentials.authority, patience):
                words = shortened(answer.said, remote.credentials)
                return certificate_wanted(printable(remote.url), remote.credentials, words)
        return told_error(answer.said, remote.url, remote.credentials)

    def _checked(self) -> Remote:
        """The remote, unless nobody could say whether it is the right one."""
        if is_ssh(self._remote.url) and not self._remote.credentials.known_hosts:
            raise HostKeyUnknownError(
                f"{printable(self._remote.url)}: a ssh server is known by its host key; name a Secret with identity "
                "and known_hosts in spec.repository.credentialsSecretRef"
            )
        return self._remote
