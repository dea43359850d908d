"""The command line: `tandem`, and `kubectl tandem`. Flags and printing only; one module per group of commands.

app       which command, and what its errors look like      parser, screen, exits   what all of them share
cluster   the API server as a command sees it               the rest                a group of commands each
"""

from controller.cli.app import main

__all__ = ["main"]
