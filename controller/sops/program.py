"""Running sops: what it is given, what it sees, and what its end means.

It sees nothing of this process: no environment but the identities, an empty home and no PATH, so that no agent, no
cloud's credentials and no plugin are found. Identities are in its environment, never on its command line. What it reads
comes over its standard input; only an edit needs a file (see room.py). Its words are never shown.
"""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.process import Bounds, Ended, ProgramHangsError, ProgramMissingError, run_to_end
from controller.sops.errors import DecryptionFailedError
from controller.sops.keys import Identities
from controller.sops.locate import VERSION, Found
from controller.sops.room import private_folder

LONGEST = 20.0  # seconds; the largest file takes one
MOST_TEXT = 8 << 20  # bytes that sops may answer with: twice the largest file that is read
ENCRYPTED_REGEX = "^(data|stringData)$"  # what is secret in a Secret; the rest stays readable, as Flux advises

# Of sops' exit codes (cmd/sops/codes) those that say whose fault it was.
NO_KEY = 128
MAC_MISMATCH = 51

# The editor that sops calls: it takes the new text from the standard input, which sops passes on.
EDITOR = "import shutil,sys;shutil.copyfileobj(sys.stdin.buffer,open(sys.argv[1],'wb'))"


class Abandoned:
    """A caller that may stop waiting, from another thread."""

    def __init__(self) -> None:
        self._left = threading.Event()

    def leave(self) -> None:
        """Nobody waits any more."""
        self._left.set()

    def beat(self) -> None:
        """Something moved."""
        self.check()

    def check(self) -> None:
        """Raise InterruptedError if nobody waits any more."""
        if self._left.is_set():
            raise InterruptedError


@dataclass(frozen=True, slots=True)
class Sops:
    """The program. `find` says where it is, each time anew; `place` is where private folders are made.

    Every call blocks, for a twentieth of a second as a rule, and raises DecryptionFailedError. `kind` is yaml or json.
    """

    find: Callable[[], Found]
    place: Path
    longest: float = LONGEST

    def program(self) -> Path:
        """Where it is now."""
        found = self.find()
        if found.program is None:
            raise DecryptionFailedError(
                f"the sops program is needed where the controller runs, and {found.why}; install sops {VERSION}, or "
                "name it with --sops",
                passing=True,
            )
        return found.program

    def decrypt(self, data: bytes, kind: str, identities: Identities, pulse: Abandoned) -> bytes:
        """The text of an encrypted file, whose MAC was right."""
        with private_folder(self.place) as folder:
            return self._run(["decrypt", *_types(kind)], folder, pulse, data, _keys(identities), identities)

    def edit(self, data: bytes, text: bytes, kind: str, identities: Identities, pulse: Abandoned) -> bytes:
        """The encrypted file with another text: what did not change stays encrypted as it was, for the same keys."""
        with private_folder(self.place) as folder:
            file = folder / f"file.{kind}"
            file.write_bytes(data)
            env = {
                **_keys(identities),
                "SOPS_EDITOR": shlex.join([sys.executable, "-I", "-S", "-c", EDITOR]),
                "TMPDIR": str(folder),
            }
            self._run(["edit", *_types(kind), str(file)], folder, pulse, text, env, identities)
            return file.read_bytes()

    def encrypt(self, text: bytes, kind: str, recipients: Sequence[str], pulse: Abandoned) -> bytes:
        """A text encrypted for these recipients: the values below `data` and `stringData`."""
        rules = ["--age", ",".join(recipients), "--encrypted-regex", ENCRYPTED_REGEX]
        with private_folder(self.place) as folder:
            return self._run(
                ["encrypt", *rules, *_types(kind), "--filename-override", f"file.{kind}"], folder, pulse, text, {}
            )

    def _run(
        self,
        command: list[str],
        folder: Path,
        pulse: Abandoned,
        given: bytes,
        env: dict[str, str],
        identities: Identities | None = None,
    ) -> bytes:
        program = self.program()
        # No creation rules: a .sops.yaml in a folder above would be taken for ours.
        command = [str(program), "--config", "/dev/null", *command]
        bounds = Bounds(self.longest, self.longest, MOST_TEXT)
        try:
            ended = run_to_end(
                command, folder=folder, env={"HOME": str(folder), **env}, pulse=pulse, bounds=bounds, given=given
            )
        except ProgramMissingError:
            raise DecryptionFailedError(f"{program} cannot be run; install sops {VERSION}", passing=True) from None
        except ProgramHangsError:
            message = f"sops did not come to an end in {self.longest:g} s and was stopped; it is tried again"
            raise DecryptionFailedError(message, passing=True) from None
        if ended.is_cut:
            raise DecryptionFailedError(f"it becomes more than {MOST_TEXT} bytes when it is decrypted; divide the file")
        if ended.code:
            raise _refusal(ended, identities)
        return ended.output


def _types(kind: str) -> list[str]:
    return ["--input-type", kind, "--output-type", kind]


def _keys(identities: Identities) -> dict[str, str]:
    return {"SOPS_AGE_KEY": identities.text}


def _refusal(ended: Ended, identities: Identities | None) -> DecryptionFailedError:
    """What an exit code means."""
    if ended.code < 0:
        return DecryptionFailedError(f"sops was ended by signal {-ended.code}; it is tried again", passing=True)
    if ended.code == NO_KEY and identities is not None:
        return DecryptionFailedError(
            f"no identity of {identities.where} opens it; encrypt it for {', '.join(identities.recipients[:3])} as "
            "well (sops updatekeys), or put an identity that opens it into the Secret"
        )
    if ended.code == MAC_MISMATCH:
        return DecryptionFailedError(
            "its MAC does not fit: it was changed by something else than sops, or is not whole; take that change back, "
            "and make it with sops edit"
        )
    return DecryptionFailedError(
        f"sops cannot read it (exit code {ended.code}): its metadata or a value is damaged; take the last change of it "
        "back"
    )
