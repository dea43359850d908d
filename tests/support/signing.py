"""Keys of people, and how their git signs with them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.worktree import WorkTree


def make_key(folder: Path, name: str, kind: str = "ed25519") -> Path:
    """An SSH key without a passphrase; its public half lies beside it as `<name>.pub`."""
    assert shutil.which("ssh-keygen"), "please install: openssh-client"
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", str(path)], check=True)
    return path


def public_half(key: Path) -> str:
    """The line of the `.pub` file."""
    return key.with_name(f"{key.name}.pub").read_text()


def sign_with(clone: WorkTree, key: Path | None) -> None:
    """From now on the person's git signs commits and tags with this key, or with none."""
    clone("config", "gpg.format", "ssh")
    clone("config", "commit.gpgsign", "false" if key is None else "true")
    if key is not None:
        clone("config", "user.signingkey", str(key))


def verify_commit(clone: WorkTree, commit: str, *keys: Path) -> bool:
    """Whether git itself takes the commit's signature for one of these keys'."""
    signers = clone.folder / ".git" / "signers"
    signers.write_text("".join(f"somebody {public_half(key)}" for key in keys))
    clone("config", "gpg.format", "ssh")
    clone("config", "gpg.ssh.allowedSignersFile", str(signers))
    return bool(clone("log", "-1", "--format=%G?", commit) == "G")
