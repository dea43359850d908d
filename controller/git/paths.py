"""Which paths Tandem writes in a repository. Pure: decides over names, before any tree is looked at.

A path may come from an object's name, which somebody in the cluster chose. It must stay inside the fabric's directory,
and must not become something else on another machine: Git's own folder under one of its spellings, a device, a name
that two file systems read differently.
"""

from __future__ import annotations

import re
import unicodedata

from controller.errors import Reason
from controller.git.errors import PathRefusedError

LONGEST_NAME = 255  # bytes; what the common file systems hold
SHORT_GIT = re.compile(r"git~\d+", re.IGNORECASE)  # what Windows calls .git where names are short


def normalized_directory(directory: str) -> str:
    """A fabric's directory without leading `./` or slashes at either end; "" is the root.

    PathRefusedError (InvalidSpec) if it climbs out of the repository.
    """
    names = [name for name in directory.split("/") if name not in {"", "."}]
    if ".." in names:
        raise PathRefusedError(
            f"directory {directory!r} leaves the repository; name one inside it", Reason.INVALID_SPEC
        )
    return "/".join(names)


def joined(directory: str, path: str) -> str:
    """The path from the repository's root of a path in a (normalised) directory."""
    return f"{directory}/{path}" if directory else path


def check_path(path: str, directory: str) -> None:
    """Raise PathRefusedError unless a file may be written at `path` (from the root) for a fabric of this directory."""
    home = normalized_directory(directory)
    if home and not path.startswith(home + "/"):
        raise PathRefusedError(f"{path!r} lies outside the fabric's directory {home!r}", Reason.OUT_OF_SCOPE)
    for name in path.removeprefix(home + "/" if home else "").split("/"):
        if fault := fault_of(name):
            raise PathRefusedError(f"{path!r} cannot be written to Git: {fault}; choose another file or name")


def fault_of(name: str) -> str:
    """Why this must not be the name of a file or folder; "" if it may."""
    if name in {"", ".", ".."}:
        return "it has an empty or relative part"
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in name) or "\\" in name:
        return f"{name!r} holds a control character or a backslash"
    bare = "".join(character for character in name if unicodedata.category(character) != "Cf")
    if bare.lower().startswith(".git") or SHORT_GIT.fullmatch(bare):
        return f"{name!r} belongs to Git itself"
    if len(name.encode()) > LONGEST_NAME:
        return f"{name[:20]!r}… is longer than {LONGEST_NAME} bytes"
    return ""


def folded(name: str) -> str:
    """What two names have in common that a file system without upper and lower case takes for one."""
    return unicodedata.normalize("NFC", name).casefold()
