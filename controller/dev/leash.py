"""Run a program that dies with the process that started it: `python -I -S leash.py PARENT_PID PROGRAM [ARGUMENT…]`.

A file of its own, run by a bare interpreter between fork and exec: the parent may have threads, and Python code between
fork and exec of a process with threads can deadlock. Linux only, and standard library only.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    """Ask the kernel for a SIGKILL at the parent's death, then become the program."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  # becoming another program is what this file is for


if __name__ == "__main__":
    main()
