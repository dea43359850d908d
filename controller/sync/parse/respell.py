"""An encrypted file as sops wrote it anew, in the spelling that it had.

sops lays a file out in its own way: indents, quotes, comments behind values. Of what it wrote, the values that changed
are put into the old bytes. And it encrypts by the file's own rules: what they would leave readable of a Secret is found
here, before anybody else reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from controller.bounds import Bounds
from controller.errors import Reason
from controller.objects import Json
from controller.sync.parse.content import escaped
from controller.sync.parse.conventions import style_of
from controller.sync.parse.cuts import spliced
from controller.sync.parse.documents import candidates, is_json, load_file
from controller.sync.parse.edit import EditRefusedError
from controller.sync.parse.loader import Loaded, UnreadableError
from controller.sync.parse.render import AwkwardError
from controller.sync.parse.scan import checked_text
from controller.sync.parse.sealed import is_encrypted
from controller.sync.parse.splice import Splicer
from controller.sync.parse.stream import FileText, documents_of, with_documents
from controller.sync.parse.tree import json_tree, json_unit, yaml_tree

Name = tuple[str, str]  # namespace and name


class Text(NamedTuple):
    """What an encrypted file says, encrypted and not; both empty for none."""

    data: bytes = b""
    plain: bytes = b""


def respelled(old: Text, new: Text, gone: Collection[int], bounds: Bounds) -> bytes:
    """The encrypted file `new` with as many bytes of `old` as possible.

    `gone` are the numbers of the documents of `old` that `new` has no longer. Raises EditRefusedError.
    """
    before, after = _loaded(old.data, bounds), _loaded(new.data, bounds)
    if bare := sorted(set(_bare(after)) - set(_bare(before))):
        (_, name), field, key, _ = bare[0]  # not the value
        raise EditRefusedError(
            f"the rules of this encrypted file (its encrypted_regex and the like) would leave /{field}/{escaped(key)} "
            f"of Secret {name} readable; widen them with sops, so that they cover {field}",
            Reason.ENCRYPTION_REQUIRED,
        )
    if not old.data:
        return new.data
    file = FileText.of(old.data)
    kept = [number for number in range(len(before)) if number not in gone]
    wanted = _kept(before, after, kept, _loaded(old.plain, bounds), _loaded(new.plain, bounds))
    try:
        if is_json(file.text):
            said = _as_json(file.text, wanted)
        else:
            said = _as_yaml(file.text, new.data.decode(), wanted, kept)
        result = file.encoded(said)
        return result if [document.value for document in _loaded(result, bounds)] == wanted else new.data
    except (AwkwardError, UnreadableError):
        return new.data


def _kept(
    before: Sequence[Loaded], after: Sequence[Loaded], kept: Sequence[int], old: Sequence[Loaded], new: Sequence[Loaded]
) -> list[Json]:
    """The documents to write: where the text did not change, its encrypted form does not either.

    sops takes one form for all documents that hold the same text at the same path.
    """
    wanted = [document.value for document in after]
    if len(old) != len(before) or len(new) != len(after) or len(kept) > len(after):
        return wanted
    for place, number in enumerate(kept):
        wanted[place] = _unchanged(before[number].value, wanted[place], old[number].value, new[place].value)
    return wanted


def _unchanged(sealed: Json, written: Json, old: Json, new: Json) -> Json:
    if isinstance(written, dict) and isinstance(sealed, dict) and isinstance(old, dict) and isinstance(new, dict):
        return {
            key: _unchanged(sealed[key], value, old[key], new[key])
            if key in sealed and key in old and key in new
            else value
            for key, value in written.items()
        }
    if isinstance(written, list) and isinstance(sealed, list) and isinstance(old, list) and isinstance(new, list):
        if len(written) == len(sealed) == len(old) == len(new):
            return [_unchanged(*four) for four in zip(sealed, written, old, new, strict=True)]
        return written
    same = is_encrypted(sealed) and is_encrypted(written) and (type(old), old) == (type(new), new)
    return sealed if same else written


def _loaded(data: bytes, bounds: Bounds) -> Sequence[Loaded]:
    try:
        return load_file(checked_text(data, bounds), bounds) if data else []
    except UnreadableError as error:
        raise EditRefusedError(f"what sops wrote cannot be read: line {error.line}") from error


def _bare(loaded: Sequence[Loaded]) -> Iterator[tuple[Name, str, str, str]]:
    """The values of Secrets that can be read: whose, where, and which."""
    for candidate in candidates(loaded):
        value = candidate.value
        metadata = value.get("metadata")
        if (value["kind"] != "Secret" and not is_encrypted(value["kind"])) or not isinstance(metadata, dict):
            continue
        name = (str(metadata.get("namespace") or ""), str(metadata.get("name")))
        for field in ("data", "stringData"):
            held = value.get(field)
            for key, item in held.items() if isinstance(held, dict) else ():
                if item not in (None, "") and not is_encrypted(item):
                    yield name, field, key, str(item)


def _as_json(text: str, wanted: list[Json]) -> str:
    tree = json_tree(text)
    splicer = Splicer(text, style_of(tree, text), json=True, unit=json_unit(tree, text))
    splicer.change_root(tree, wanted[0])
    return spliced(text, splicer.splices)


def _as_yaml(text: str, new: str, wanted: list[Json], kept: Sequence[int]) -> str:
    documents = documents_of(text)
    if len(wanted) < len(kept) or max(kept, default=0) >= len(documents):
        raise AwkwardError("the documents are not those that are expected")
    for number, value in zip(kept, wanted, strict=False):
        documents[number] = _spliced(documents[number], value)
    rest = "".join(documents[number] for number in kept)
    added = documents_of(new)[len(kept) :]
    return with_documents(rest, [document.removeprefix("---\n") for document in added]) if added else rest


def _spliced(text: str, wanted: Json) -> str:
    tree = yaml_tree(text)
    splicer = Splicer(text, style_of(tree, text))
    splicer.change_root(tree, wanted)
    return spliced(text, splicer.splices)
