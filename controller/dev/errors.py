"""What can go wrong on the way to a local control plane.

Apart from `controller.errors`: these never become a condition of a custom resource, a person reads them on a terminal.
"""


class ControlPlaneError(Exception):
    """The local control plane cannot be had. The message says why, and what to do next."""


class BuildError(ControlPlaneError):
    """The programs of the control plane cannot be built here."""


class StartError(ControlPlaneError):
    """A program of the control plane did not start, or did not become ready."""


class CommandError(ControlPlaneError):
    """A program that was called (git, kubectl) failed. The message is the command, and what it said."""
