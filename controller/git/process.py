"""Running the git program: bounded in time, output and what it writes, and what comes of it in the words of Git."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.git.errors import UnreachableError
from controller.git.transport import Pulse
from controller.process import Bounds, ProgramHangsError, ProgramMissingError, run_to_end

MOST_OUTPUT = 4 << 20  # bytes kept of each of the two outputs: the branches of the largest repositories


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said. `code` as in `subprocess`: negative for a signal."""

    code: int
    output: str
    said: str


def run_program(
    command: Sequence[str], *, folder: Path, env: Mapping[str, str], pulse: Pulse, patience: float, most_bytes: int = 0
) -> Answer:
    """Run a program in `folder` to its end. `env` is all it sees; `most_bytes` the largest file it may write.

    UnreachableError if it is not there, or writes nothing for `patience` seconds. What `pulse` raises ends it, too.
    """
    bounds = Bounds(patience, output=MOST_OUTPUT, file=most_bytes)
    try:
        ended = run_to_end(command, folder=folder, env=env, pulse=pulse, bounds=bounds)
    except ProgramMissingError:
        raise UnreachableError(
            f"the program {command[0]} is not installed where the controller runs, and this remote needs it; install it"
        ) from None
    except ProgramHangsError as error:
        raise UnreachableError(f"{command[0]} timed out: {error}; it is tried again") from None
    return Answer(ended.code, ended.output.decode(errors="replace"), ended.said.decode(errors="replace"))
