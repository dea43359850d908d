"""Exit codes. Scripts rely on them: a number never changes its meaning."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    CHANGES = 2  # only `plan`: there is something to do
    CONFLICTS = 3  # only `sync --wait`: done, and conflicts are open
    TIMED_OUT = 4
    USAGE = 64  # EX_USAGE of sysexits.h; argparse would say 2, which means something else here
    INTERRUPTED = 130  # as a shell reports Ctrl-C
