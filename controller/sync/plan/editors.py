"""Whose changes count as meant: manager names sorted by globs, the fabric's own before the defaults.

Managers are claims, anybody can send any name; what is decided here is whom to believe, not who it was.
"""

from __future__ import annotations

from enum import Enum
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from controller.sync.plan.model import EditorRules

FABRIC_PREFIX: Final = "tandem:"  # every fabric's manager starts so; no glob matches one

DEFAULT_EDITORS: Final = (
    "kubectl*",
    "k9s",
    "lens*",
    "headlamp*",
    "Mozilla",
    "*dashboard*",
    "tandem-rest",
)
"""People's tools. The restart stamp of `kubectl rollout restart` is ignored by its path, not by its manager."""

DEFAULT_EXCLUDED: Final = (
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "*-controller",
    "*-controller-manager",
    "*-operator",
    "manager",
    "helm",
    "argocd*",
    "flux*",
    "velero*",
    "cainjector",
    "cert-manager*",
    "istiod",
    "keda*",
    "karpenter",
    "vpa-*",
    "cluster-autoscaler",
    "tandem-handover",  # ours: holds replicas while an autoscaler takes them over
)
"""Programs that write on behalf of nobody in particular."""


PROGRAM_PREFIX: Final = "system:"
"""Users of the system itself, and every service account. People who share such a name with it are nobody."""


class Verdict(Enum):
    """What a difference at a path is, by the manager that owns the path."""

    EDIT = "edit"
    OTHER = "other"  # nobody has decided about this manager yet
    EXCLUDED = "excluded"
    OWN = "own"
    NOBODY = "nobody"


@lru_cache(maxsize=65536)
def verdict_on(manager: str, rules: EditorRules) -> Verdict:
    """EDIT, EXCLUDED or OTHER for a manager that is not a fabric's. A fabric's is always OTHER."""
    if _names(rules.exclude, manager):
        return Verdict.EXCLUDED
    if _names(rules.include, manager):
        return Verdict.EDIT
    if matches(DEFAULT_EXCLUDED, manager) and not _takes_back(rules.exclude, manager):
        return Verdict.EXCLUDED
    if matches(DEFAULT_EDITORS, manager) and not _takes_back(rules.include, manager):
        return Verdict.EDIT
    return Verdict.OTHER


def is_program(user: str) -> bool:
    """Whether the API server's user is a program: its deletions are nobody's wish, and it is no author."""
    return user.startswith(PROGRAM_PREFIX)


def _names(globs: tuple[str, ...], manager: str) -> bool:
    return matches(globs, manager) and not _takes_back(globs, manager)


def matches(globs: tuple[str, ...], manager: str) -> bool:
    """Whether one of the globs names the whole manager; none names a fabric's."""
    return not manager.startswith(FABRIC_PREFIX) and any(fnmatchcase(manager, glob) for glob in globs)


def _takes_back(globs: tuple[str, ...], manager: str) -> bool:
    return any(glob.startswith("!") and fnmatchcase(manager, glob[1:]) for glob in globs)
