"""Which transport a remote is spoken to by."""

from __future__ import annotations

from controller.git.libgit2 import Libgit2
from controller.git.program import Program
from controller.git.remote import is_ssh
from controller.git.transport import Pulse, Remote, Transport


def transport_of(remote: Remote, pulse: Pulse) -> Transport:
    """libgit2's where it can keep tenants apart and is as safe, since a look costs a tenth; else the git program's."""
    if is_ssh(remote.url) or remote.proxy or not remote.credentials.is_plain:
        return Program(remote, pulse)
    return Libgit2(remote, pulse)
