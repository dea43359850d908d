"""What an encrypted file says of itself, looked at before sops gets to see it.

sops would ask a cloud, a Vault or gpg for a key, if a file said so, and it reads files by rules of its own. So only
what is known to be harmless passes: age's stanzas, the keys that sops itself writes, spelled as it writes them, and
YAML that no two readers take for different things.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import yaml

from controller.objects import Json
from controller.sync.parse.loader import Loaded

FIELD = "sops"
ENCRYPTED = "ENC["  # how each encrypted value begins

FOREIGN = {
    "kms": "AWS KMS",
    "gcp_kms": "Google Cloud KMS",
    "hckms": "Huawei Cloud KMS",
    "azure_kv": "Azure Key Vault",
    "hc_vault": "HashiCorp Vault",
    "pgp": "PGP",
}
RULES = frozenset({
    "encrypted_comment_regex", "encrypted_regex", "encrypted_suffix", "unencrypted_comment_regex", "unencrypted_regex",
    "unencrypted_suffix",
})  # fmt: skip
TEXTS = frozenset({"lastmodified", "mac", "version"})
KNOWN = RULES | TEXTS | FOREIGN.keys() | {"age", "key_groups", "mac_only_encrypted", "shamir_threshold"}

MOST_STANZAS = 100
MOST_GROUPS = 10
LONGEST_RULE = 1_000  # characters
LONGEST_TEXT = 4 << 10  # characters; a stanza has some hundred
VERSION = re.compile(r"3\.\d{1,4}\.\d{1,4}")

HARMLESS = "encrypt the file again with age keys alone, as sops writes it"


class Objection(NamedTuple):
    """Why a file is not given to sops, and the line of the document that is meant."""

    line: int
    message: str


def is_sealed(loaded: Sequence[Loaded]) -> bool:
    """Whether a file holds objects, and is encrypted: one of its documents has `sops`."""
    return any(FIELD in document.value for document in loaded if _is_object(document.value))


def objection_to(text: str, loaded: Sequence[Loaded], *, json: bool) -> Objection | None:
    """Why an encrypted file must not be given to sops; None if it may."""
    for document in loaded:
        if document.value is None:
            continue
        if not isinstance(document.value, dict) or FIELD not in document.value:
            message = "one document is encrypted and another is not; sops encrypts a file as a whole: encrypt all of it"
            return Objection(document.line, message)
        if problem := _problem(document.value[FIELD]):
            return Objection(document.line, f"{problem}; {HARMLESS}")
    return None if json else _ambiguity(text)


def is_encrypted(value: Json) -> bool:
    """Whether a value is the encrypted form of another."""
    return isinstance(value, str) and value.startswith(ENCRYPTED)


def _is_object(value: Json) -> bool:
    return isinstance(value, dict) and value.get("apiVersion") is not None and value.get("kind") is not None


def _problem(metadata: Json) -> str:
    """What is wrong with the metadata, the first of what matters most; "" if nothing is."""
    if not isinstance(metadata, dict):
        return "its sops metadata are no map"
    groups = metadata.get("key_groups") or []
    if not isinstance(groups, list) or len(groups) > MOST_GROUPS:
        return f"its key_groups are no list of at most {MOST_GROUPS}"
    if not all(isinstance(group, dict) for group in groups):
        return "one of its key_groups is not what sops writes"
    return (
        _foreign_key([metadata, *groups])
        or _unknown_key(metadata, groups)
        or _wrong_stanza([metadata.get("age"), *(group.get("age") for group in groups)])
        or _wrong_text(metadata)
        or _wrong_switch(metadata)
    )


def _foreign_key(holders: Sequence[dict[str, Json]]) -> str:
    for name, service in FOREIGN.items():
        if any(holder.get(name) not in (None, []) for holder in holders):
            return f"it is encrypted with a key of {service} ({name}), and Tandem opens files with age keys alone"
    return ""


def _unknown_key(metadata: dict[str, Json], groups: Sequence[dict[str, Json]]) -> str:
    if unknown := sorted(metadata.keys() - KNOWN):
        return f"its sops metadata hold {unknown[0][:40]!r}, which sops does not write"
    if any(group.keys() - FOREIGN.keys() - {"age"} for group in groups):
        return "one of its key_groups is not what sops writes"
    return ""


def _wrong_stanza(stanzas: Sequence[Json]) -> str:
    if not any(stanzas):
        return "it is encrypted for no age key"
    return "" if all(map(_are_stanzas, stanzas)) else "its age stanzas are not what sops writes"


def _are_stanzas(found: Json) -> bool:
    if found is None:
        return True
    return isinstance(found, list) and len(found) <= MOST_STANZAS and all(map(_is_stanza, found))


def _is_stanza(found: Json) -> bool:
    return (
        isinstance(found, dict)
        and found.keys() == {"recipient", "enc"}
        and all(isinstance(text, str) and len(text) <= LONGEST_TEXT for text in found.values())
    )


def _wrong_text(metadata: dict[str, Json]) -> str:
    for name in sorted(TEXTS):
        text = metadata.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TEXT:
            return f"its sops metadata lack {name}"
    if not VERSION.fullmatch(metadata["version"]):
        return "it was written by another sops than one of version 3"
    for name in sorted(RULES & metadata.keys()):
        if not isinstance(metadata[name], str) or len(metadata[name]) > LONGEST_RULE:
            return f"its {name} is no text of at most {LONGEST_RULE} characters"
    return ""


def _wrong_switch(metadata: dict[str, Json]) -> str:
    if not isinstance(metadata.get("mac_only_encrypted", False), bool):
        return "its mac_only_encrypted is neither true nor false"
    threshold = metadata.get("shamir_threshold", 0)
    if isinstance(threshold, bool) or not isinstance(threshold, int) or not 0 <= threshold <= MOST_GROUPS:
        return f"its shamir_threshold is no number up to {MOST_GROUPS}"
    return ""


def _ambiguity(text: str) -> Objection | None:
    """Anchors, aliases, tags and merges: sops reads them otherwise, and writes none."""
    event: yaml.Event
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        is_merge = isinstance(event, yaml.ScalarEvent) and event.value == "<<" and not event.style
        if is_merge or isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or _is_tagged(event):
            message = "it holds an anchor, an alias, a tag or a merge, which sops does not write"
            return Objection(event.start_mark.line + 1 if event.start_mark else 1, f"{message}; {HARMLESS}")
    return None


def _is_tagged(event: yaml.Event) -> bool:
    return isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None
