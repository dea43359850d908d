"""What is wrong with a Fabric's spec that no schema can say: what two entries mean together, and what a path leads to.

The paths are checked here as well as by the API server, because the promise that nothing outside the fabric's
directory is ever touched must not hang on which version of the CRD is installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from controller.api.v1alpha1.fabric import Direction, FabricSpec, KindDirection, ResourceRule
from controller.api.v1alpha1.repository import VerifyMode
from controller.objects import Kind


def fabric_problems(spec: FabricSpec, plurals: Mapping[Kind, str] | None = None) -> list[str]:
    """Everything that makes the spec invalid, each with its field and what to do; empty if nothing does.

    `plurals` are the plurals of the served kinds: the directories of kinds that name none. A kind that is not served
    is compared by its directory only.
    """
    return [
        *_path_problems(spec),
        *_branch_problems(spec),
        *_directory_problems(spec, plurals or {}),
        *_glob_problems(spec),
        *_trust_problems(spec),
        *_encryption_problems(spec),
    ]


def _path_problems(spec: FabricSpec) -> Iterator[str]:
    paths = {"repository.directory": spec.repository.directory}
    paths |= {f"resources[{i}].directory": rule.directory or "." for i, rule in enumerate(spec.resources)}
    for field, path in paths.items():
        parts = path.split("/")
        if path.startswith("/") or "\\" in path or ".." in parts or any(p.lower().startswith(".git") for p in parts):
            yield (
                f"spec.{field}: {path!r} leads outside its root or into Git's own files; give a relative path without "
                "'..', backslashes and components that start with .git"
            )
        elif field != "repository.directory" and any(part.startswith(".") and part != "." for part in parts):
            yield (
                f"spec.{field}: {path!r} is hidden, and hidden files never count: what is imported there would be "
                "overlooked; give a path whose components do not start with a dot"
            )


def _branch_problems(spec: FabricSpec) -> Iterator[str]:
    if spec.repository.push_branch == spec.repository.branch:
        yield (
            f"spec.repository.pushBranch: {spec.repository.branch!r} is the branch that is followed; leave it out, so "
            "that live edits are pushed there, or name another one"
        )


def _directory_problems(spec: FabricSpec, plurals: Mapping[Kind, str]) -> Iterator[str]:
    placed = [
        (f"spec.resources[{i}]", rule, directory)
        for i, rule in enumerate(spec.resources)
        if (directory := _directory(rule, plurals)) is not None
    ]
    for (first, rule, directory), (second, other, its) in combinations(placed, 2):
        if directory == its:
            yield (
                f"{second}.directory: {_kind(other)} and {_kind(rule)} ({first}) would share the directory "
                f"{its or '.'}, where objects of one name would overwrite each other; give {_kind(other)} another one"
            )
        elif f"{its}/".startswith(f"{directory}/") or f"{directory}/".startswith(f"{its}/"):
            yield (
                f"{second}.directory: {its or '.'} of {_kind(other)} and {directory or '.'} of {_kind(rule)} ({first}) "
                "lie one inside the other, where the files of one would be taken for the other's; put them side by side"
            )


def _glob_problems(spec: FabricSpec) -> Iterator[str]:
    globs = {
        "sync.editors.include": spec.sync.editors.include,
        "sync.editors.exclude": spec.sync.editors.exclude,
        **{f"ignore[{i}].managers": rule.managers for i, rule in enumerate(spec.ignore)},
    }
    for field, patterns in globs.items():
        for i, pattern in enumerate(patterns):
            if pattern.removeprefix("!").startswith("tandem:"):
                yield f"spec.{field}[{i}]: {pattern!r}: managers of fabrics are matched by no glob; remove the entry"
            elif _has_open_bracket(pattern):
                yield f"spec.{field}[{i}]: {pattern!r} opens a [ that is never closed; close it, or write [[] for one"


def _trust_problems(spec: FabricSpec) -> Iterator[str]:
    """A commit of ours that is not trusted would lock its own fabric."""
    verify = spec.repository.verify
    if verify.mode is VerifyMode.NONE:
        return
    if verify.keys_secret_ref is None:
        yield "spec.repository.verify.keysSecretRef: name the Secret with the public keys that are trusted"
    if not _writes(spec):
        return
    if verify.mode is VerifyMode.TAG:
        yield (
            "spec.repository.verify.mode: Tag is for direction GitToCluster alone, since what is written to a branch "
            "is on no tag; use Head, or write nothing"
        )
    elif spec.repository.sign_with_secret_ref is None:
        yield (
            "spec.repository.signWithSecretRef: verify mode Head with a direction that writes needs it: a commit of "
            "Tandem's without a signature would not be applied"
        )


def _encryption_problems(spec: FabricSpec) -> Iterator[str]:
    """A file of ours that we cannot open would be unknown to us from then on."""
    if spec.encryption.recipients and spec.encryption.identity_secret_ref is None and _writes(spec):
        yield (
            "spec.encryption.identitySecretRef: recipients with a direction that writes need it: Tandem could not read "
            "what it wrote"
        )


def _writes(spec: FabricSpec) -> bool:
    """Whether anything is ever written to Git."""
    writes = {KindDirection.BIDIRECTIONAL, KindDirection.CLUSTER_TO_GIT}
    return spec.sync.direction is not Direction.GIT_TO_CLUSTER or any(
        rule.direction in writes for rule in spec.resources
    )


def _has_open_bracket(pattern: str) -> bool:
    """Whether a `[` begins no set: fnmatch would take it for itself, which nobody means."""
    rest = pattern
    while (start := rest.find("[")) >= 0:
        negated = rest[start + 1 : start + 2] == "!"
        end = rest.find("]", start + 2 + negated)  # a ] that comes first belongs to the set
        if end < 0:
            return True
        rest = rest[end + 1 :]
    return False


def _directory(rule: ResourceRule, plurals: Mapping[Kind, str]) -> str | None:
    if rule.directory is None:
        return plurals.get(Kind(rule.group, rule.kind))
    return "/".join(part for part in rule.directory.split("/") if part not in {"", "."})


def _kind(rule: ResourceRule) -> str:
    return str(Kind(rule.group, rule.kind))
