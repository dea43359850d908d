"""All mirrors of a process: which there are, and where they lie on disk."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from controller.git.credentials import ANONYMOUS, Credentials
from controller.git.disk import Usage, evict
from controller.git.libgit2 import configure
from controller.git.mirror import MakeTransport, Mirror, Observe
from controller.git.proxy import NO_PROXY, Proxy
from controller.git.remote import UrlRules, check_url, normalized_url
from controller.git.transport import Remote
from controller.git.transports import transport_of


def mirror_name(url: str, credentials: Credentials, purpose: str = "") -> str:
    """The folder of a mirror: the same for every spelling of a URL, another one for every credential and purpose."""
    told = f"{normalized_url(url)}\n{credentials.digest}" + (f"\n{purpose}" if purpose else "")
    return hashlib.sha256(told.encode()).hexdigest()[:32]


class Mirrors:
    """All mirrors of this process, below one folder. `timeout`: seconds without progress until a call gives up."""

    def __init__(
        self,
        folder: Path,
        rules: UrlRules,
        timeout: float,
        observe: Observe = lambda *_: None,
        *,
        proxy: Proxy = NO_PROXY,
        make_transport: MakeTransport = transport_of,
    ) -> None:
        configure(timeout)
        self._folder = folder
        self._rules = rules
        self._timeout = timeout
        self._observe = observe
        self._proxy = proxy
        self._make_transport = make_transport
        self._mirrors: dict[tuple[str, str, str], Mirror] = {}

    def get(self, url: str, credentials: Credentials = ANONYMOUS, purpose: str = "") -> Mirror:
        """The mirror of this URL as seen with these credentials. UrlRefusedError if the URL is not allowed.

        `purpose`: one apart from all others, for what must not lie beside the branch. Two spellings of one URL share
        the folder on disk, but each asks the server for the name it was given.
        """
        mirror = self._mirrors.get((url, credentials.digest, purpose))
        if mirror is None:
            check_url(url, self._rules)
            path = self._folder / mirror_name(url, credentials, purpose)
            remote = Remote(url, credentials, path, self._timeout, self._proxy.of(url))
            mirror = Mirror(remote, self._rules, self._observe, self._make_transport)
            self._mirrors[url, credentials.digest, purpose] = mirror
        return mirror

    def forget(self, mirror: Mirror) -> None:
        """Drop a mirror that nobody uses any more (its credential was replaced), and its folder."""
        self.let_go(mirror)
        if all(kept.path != mirror.path for kept in self._mirrors.values()):  # another spelling of its URL
            mirror.discard()

    def let_go(self, mirror: Mirror) -> None:
        """Drop a mirror that nobody uses at the moment. Its folder stays as long as there is room for it."""
        self._mirrors = {key: kept for key, kept in self._mirrors.items() if kept is not mirror}
        mirror.close()

    async def evict(self, quota: int) -> Usage:
        """Remove mirrors from the disk that nobody uses, the oldest first, until all take `quota` bytes at most."""
        used = {mirror.path for mirror in self._mirrors.values()}
        return await asyncio.to_thread(evict, self._folder, used, quota)

    def close(self) -> None:
        """Give back all open files."""
        for mirror in self._mirrors.values():
            mirror.close()
