"""A person with the real sops and an age key, as people encrypt files that Flux and Tandem read."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pyrage import x25519

RULES = ("--encrypted-regex", "^(data|stringData)$")

# What `sops edit` calls in place of an editor for people: it replaces one text by another.
EDITOR = """
import os, sys
text = open(sys.argv[1]).read()
assert os.environ["OLD"] in text
open(sys.argv[1], "w").write(text.replace(os.environ["OLD"], os.environ["NEW"]))
"""


class Keeper:
    """Somebody with a key of their own. `identity` is the private half, `recipient` the public one."""

    def __init__(self, program: Path, folder: Path) -> None:
        key = x25519.Identity.generate()
        self.identity, self.recipient = str(key), str(key.to_public())
        self._program = program
        self._folder = folder
        folder.mkdir(parents=True)

    def encrypt(
        self, text: str, *, name: str = "secret.yaml", to: Sequence[str] = (), rules: Sequence[str] = RULES
    ) -> str:
        """`sops encrypt`, for this person or for those named."""
        return self._run("encrypt", "--age", ",".join(to or [self.recipient]), *rules, name, name=name, text=text)

    def decrypt(self, text: str, *, name: str = "secret.yaml") -> str:
        """`sops decrypt`."""
        return self._run("decrypt", name, name=name, text=text)

    def edit(self, text: str, old: str, new: str, *, name: str = "secret.yaml") -> str:
        """`sops edit`, replacing `old` by `new` in what the editor shows."""
        editor = {"SOPS_EDITOR": shlex.join([sys.executable, "-c", EDITOR]), "OLD": old, "NEW": new}
        self._run("edit", name, name=name, text=text, environ=editor)
        return (self._folder / name).read_text()

    def set(self, text: str, path: Sequence[str], value: str, *, name: str = "secret.yaml") -> str:
        """`sops set` of one value."""
        index = "".join(f"[{json.dumps(part)}]" for part in path)
        self._run("set", name, index, json.dumps(value), name=name, text=text)
        return (self._folder / name).read_text()

    def _run(self, *command: str, name: str, text: str, environ: dict[str, str] | None = None) -> str:
        (self._folder / name).write_text(text)
        environ = {"HOME": str(self._folder), "SOPS_AGE_KEY": self.identity} | (environ or {})
        done = subprocess.run(
            [self._program, *command],
            cwd=self._folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"sops {command[0]}: {done.stderr}"
        return done.stdout
