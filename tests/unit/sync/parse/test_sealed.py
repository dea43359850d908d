"""What an encrypted file may say of itself: only what no reader takes for a reason to ask somebody for a key."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from controller.bounds import Bounds
from controller.errors import Reason
from controller.sync.parse.documents import CLOSED_FAULT, VEILED, FileResult, Seal, read_file, read_opened

BOUNDS = Bounds()
STANZA = {"recipient": "age1x", "enc": "-----BEGIN AGE ENCRYPTED FILE-----\nx\n"}
METADATA: dict[str, Any] = {
    "age": [STANZA],
    "encrypted_regex": "^(data|stringData)$",
    "lastmodified": "2026-11-21T21:28:47Z",
    "mac": "ENC[AES256_GCM,data:eA==]",
    "version": "3.13.3",
}
OBJECT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "a", "namespace": "b"},
    "data": {"key": "ENC[AES256_GCM,data:eA==]"},
}


def sealed(**changes: Any) -> dict[str, Any]:
    metadata = {**METADATA, **changes}
    return {**OBJECT, "sops": {name: value for name, value in metadata.items() if value is not ...}}


class Dumper(yaml.SafeDumper):
    """Writes what stands there twice out twice, as sops does."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def read(*documents: Any) -> FileResult:
    return read_file(yaml.dump_all(documents, Dumper=Dumper).encode(), BOUNDS)


def said(result: FileResult) -> str:
    (fault,) = result.faults
    assert (fault.reason, fault.field) == (Reason.DECRYPTION_FAILED, "/sops")
    return fault.message


@pytest.mark.parametrize(
    "text", [yaml.safe_dump(sealed()), json.dumps(sealed()), yaml.dump_all([sealed()] * 2, Dumper=Dumper)]
)
def test_a_file_of_age_keys_alone_may_be_opened(text: str) -> None:
    result = read_file(text.encode(), BOUNDS)
    assert (result.seal, said(result), result.complete) == (Seal.CLOSED, CLOSED_FAULT, False)
    assert {(found.kind, found.namespace, found.name, found.content) for found in result.documents} == {
        ("Secret", "b", "a", b"")
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"kms": [], "gcp_kms": None, "azure_kv": [], "hc_vault": [], "pgp": None, "hckms": []},
        {"encrypted_regex": ..., "unencrypted_suffix": "_unencrypted"},
        {"mac_only_encrypted": True, "shamir_threshold": 1},
        {"age": ..., "key_groups": [{"age": [STANZA], "hc_vault": []}, {"age": [STANZA]}], "shamir_threshold": 2},
        {"version": "3.7.0"},
    ],
    ids=str,
)
def test_so_may_one_of_an_older_sops_and_of_other_rules(changes: dict[str, Any]) -> None:
    assert read(sealed(**changes)).seal is Seal.CLOSED


WRONG = {
    **{
        name: ({name: [{"arn": "x"}]}, f"a key of {service} ({name})")
        for name, service in {
            "kms": "AWS KMS",
            "gcp_kms": "Google Cloud KMS",
            "hckms": "Huawei Cloud KMS",
            "azure_kv": "Azure Key Vault",
            "hc_vault": "HashiCorp Vault",
            "pgp": "PGP",
        }.items()
    },
    "one key instead of a list": ({"kms": {"arn": "x"}}, "a key of AWS KMS (kms)"),
    "a group with a cloud's key": (
        {"age": ..., "key_groups": [{"age": [STANZA]}, {"gcp_kms": [{"resource_id": "x"}]}]},
        "a key of Google Cloud KMS (gcp_kms)",
    ),
    "another spelling": ({"KMS": [{"arn": "x"}]}, "hold 'KMS', which sops does not write"),
    "a group in another spelling": ({"key_groups": [{"Kms": []}]}, "one of its key_groups is not what sops writes"),
    "groups that are none": ({"key_groups": {"age": []}}, "its key_groups are no list"),
    "a group that is none": ({"key_groups": ["age"]}, "one of its key_groups is not what sops writes"),
    "many groups": ({"key_groups": [{"age": [STANZA]}] * 11}, "no list of at most 10"),
    "an unknown key": ({"editor": "x"}, "hold 'editor'"),
    "no key": ({"age": ...}, "for no age key"),
    "an empty list": ({"age": []}, "for no age key"),
    "many stanzas": ({"age": [STANZA] * 101}, "its age stanzas are not what sops writes"),
    "a long stanza": ({"age": [{**STANZA, "enc": "x" * 5000}]}, "its age stanzas are not what sops writes"),
    "a stanza with more": ({"age": [{**STANZA, "Enc": "x"}]}, "its age stanzas are not what sops writes"),
    "a stanza that is none": ({"age": ["age1x"]}, "its age stanzas are not what sops writes"),
    "stanzas in a map": ({"age": {"recipient": "x"}}, "its age stanzas are not what sops writes"),
    "no MAC": ({"mac": ...}, "lack mac"),
    "an empty MAC": ({"mac": ""}, "lack mac"),
    "no time": ({"lastmodified": ...}, "lack lastmodified"),
    "no version": ({"version": ...}, "lack version"),
    "a version that is none": ({"version": "banana"}, "another sops than one of version 3"),
    "a later version": ({"version": "4.0.0"}, "another sops than one of version 3"),
    "a rule that is none": ({"encrypted_regex": ["^a"]}, "its encrypted_regex is no text"),
    "a long rule": ({"encrypted_regex": "a" * 1001}, "its encrypted_regex is no text of at most 1000"),
    "a switch that is none": ({"mac_only_encrypted": "yes"}, "neither true nor false"),
    "a threshold that is none": ({"shamir_threshold": True}, "shamir_threshold is no number"),
    "a high threshold": ({"shamir_threshold": 11}, "shamir_threshold is no number up to 10"),
}


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_what_sops_must_not_see_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    result = read(sealed(**changes))
    assert result.seal is Seal.REFUSED
    assert message in said(result)
    assert "encrypt the file again with age keys alone" in said(result)


@pytest.mark.parametrize("metadata", ["text", None, [], 3])
def test_metadata_that_are_no_map_are_refused(metadata: Any) -> None:
    assert "no map" in said(read({**OBJECT, "sops": metadata}))


def test_every_document_counts_wherever_the_wrong_one_is() -> None:
    result = read(sealed(), sealed(kms=[{"arn": "x"}]))
    assert result.faults[0].line > 10
    assert "AWS KMS" in said(result)


@pytest.mark.parametrize("other", [OBJECT, {"just": "values"}, ["a list"]], ids=str)
def test_a_file_that_is_encrypted_in_part_is_refused(other: Any) -> None:
    for documents in ((sealed(), other), (other, sealed())):
        assert "one document is encrypted and another is not" in said(read(*documents))


def test_empty_documents_and_files_without_objects_are_no_reason() -> None:
    assert read(sealed(), None).seal is Seal.CLOSED
    assert read({"just": "values", "sops": METADATA}) == FileResult()


# Each reads as harmless here, and as something else in sops.
TWO_FACED = {
    "merge": "{text}    kms:\n    - arn: x\n    <<: {{kms: []}}\n",
    "anchor": "other: &a x\n{text}",
    "alias": "one: &a x\n{text}other: *a\n",
    "tag": "!!map\n{text}",
    "tagged scalar": "other: !!str x\n{text}",
    "tagged list": "other: !!seq []\n{text}",
}


@pytest.mark.parametrize("form", TWO_FACED.values(), ids=TWO_FACED)
def test_what_two_readers_may_take_for_different_things_is_refused(form: str) -> None:
    text = yaml.safe_dump(sealed(), indent=4, sort_keys=True)
    assert text.rstrip().endswith("version: 3.13.3")
    result = read_file(form.format(text=text).encode(), BOUNDS)
    assert result.seal is Seal.REFUSED
    assert "an anchor, an alias, a tag or a merge" in said(result)


def test_quoted_it_is_a_key_like_others() -> None:
    assert read({**sealed(), '"<<"': "x"}).seal is Seal.CLOSED
    assert read_file(b"'<<': x\n" + yaml.safe_dump(sealed()).encode(), BOUNDS).seal is Seal.CLOSED


def test_names_that_are_encrypted_are_not_told() -> None:
    whole = {**sealed(), "metadata": {"name": "ENC[AES256_GCM,data:eA==]"}}
    assert read(whole).documents == ()
    assert read({**sealed(), "kind": "ENC[AES256_GCM,data:eA==]"}).documents == ()


def test_an_encrypted_item_of_a_list_is_refused() -> None:
    result = read({"apiVersion": "v1", "kind": "List", "items": [sealed()]})
    assert (result.faults[0].reason, result.faults[0].field) == (Reason.FIELD_REFUSED, "/sops")


def test_what_is_opened_is_read_as_any_other_and_its_faults_hold_no_value() -> None:
    good = yaml.safe_dump({**OBJECT, "data": {"key": "eA=="}}).encode()
    assert read_opened(good, BOUNDS) == FileResult(read_file(good, BOUNDS).documents, (), Seal.OPEN)
    for text in (b"a: [canary", b"apiVersion: v1\nkind: canary!\nmetadata: {name: a}", b"\xffcanary"):
        result = read_opened(text, BOUNDS)
        assert (result.seal, result.complete) == (Seal.OPEN, False)
        assert {fault.message for fault in result.faults} == {VEILED}


SCALARS = st.none() | st.booleans() | st.integers(-9, 99) | st.text(max_size=8)
JSON = st.recursive(SCALARS, lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(max_size=8), deeper))
NAMES = st.sampled_from([*METADATA, "kms", "KMS", "pgp", "key_groups", "shamir_threshold", "mac_only_encrypted", "x"])


@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_no_metadata_are_let_through_with_a_key_that_is_not_ages(changes: dict[str, Any]) -> None:
    """Whatever they are; and none of them breaks the reader."""
    result = read_file(json.dumps(sealed(**changes)).encode(), BOUNDS)
    assert result.seal in (Seal.CLOSED, Seal.REFUSED)
    if result.seal is Seal.CLOSED:
        assert not changes.get("kms")
        assert not changes.get("pgp")
        assert not {"KMS", "x"} & changes.keys()
