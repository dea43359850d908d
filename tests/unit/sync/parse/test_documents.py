"""A file's bytes to its objects or its faults."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

import pytest

from controller.bounds import Bounds
from controller.errors import Reason
from controller.objects import ObjectKey, canonical, decoded
from controller.sync.parse.documents import DocRef, Fault, FileResult, read_file

BOUNDS = Bounds()


def read(text: str | bytes) -> FileResult:
    return read_file(text if isinstance(text, bytes) else dedent(text).encode(), BOUNDS)


def contents(result: FileResult) -> list[Any]:
    assert result.complete, result.faults
    return [decoded(document.content) for document in result.documents]


def config_map(name: str = "a", **rest: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **rest}


def test_an_object_is_read_with_its_key_its_place_and_its_canonical_content() -> None:
    (document,) = read("""\
        # about it
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          namespace: team
          name: web
        spec: {replicas: 0o2, paused: no}
    """).documents
    assert document[:4] == ("apps/v1", "Deployment", "team", "web")
    assert (document.line, document.ref) == (2, DocRef(0))
    assert document.key == ObjectKey("apps", "Deployment", "team", "web")
    assert document.content == canonical(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "team"},
            "spec": {"paused": False, "replicas": 2},
        }
    )


def test_the_documents_of_a_file_are_counted_with_the_empty_ones() -> None:
    result = read("""\
        ---
        # nothing
        ---
        {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
        ---
        just: values
        ---
        - a
        ---
        text
        ---
        apiVersion: v1
        kind:
        ---
        {apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: }}
    """)
    assert [(document.name, document.ref, document.line) for document in result.documents] == [
        ("a", DocRef(1), 4),
        ("b", DocRef(6), 15),
    ]
    assert result.complete


@pytest.mark.parametrize("data", [b"", b"\n", b"# a comment\n", b"---\n---\n", b"null\n"])
def test_an_empty_file_declares_nothing_and_is_complete(data: bytes) -> None:
    assert read(data) == FileResult()


@pytest.mark.parametrize("host", ["git-lfs.github.com", "hawser.github.com"])
def test_a_pointer_of_git_lfs_is_told_what_it_is(host: str) -> None:
    """As YAML it is a text: a file that declares nothing, whose objects would be pruned."""
    pointer = f"version https://{host}/spec/v1\noid sha256:{'4d' * 32}\nsize 12345\n"
    (fault,) = read(pointer).faults
    assert (fault.line, fault.reason) == (1, Reason.LFS_POINTER)
    assert "git lfs migrate export" in fault.message
    assert read(pointer + "#" * 1024).complete, "no pointer is that long"
    assert read("# " + pointer.replace("\n", "\n# ")).complete


def test_line_ends_and_a_byte_order_mark_do_not_count() -> None:
    plain = read("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  text: |\n    a\n    b\n")
    dressed = read(b"\xef\xbb\xbfapiVersion: v1\r\nkind: ConfigMap\r\nmetadata:\r\n  name: a\r\ndata:\r\n"
                   b"  text: |\r\n    a\r\n    b\r\n")  # fmt: skip
    assert contents(plain) == contents(dressed) == [config_map(data={"text": "a\nb\n"})]


def test_json_is_read() -> None:
    text = json.dumps(config_map(data={"a": "\N{PILE OF POO}"}), indent="\t")
    assert contents(read(text)) == [config_map(data={"a": "\N{PILE OF POO}"})]


def test_a_flow_mapping_is_yaml_although_it_starts_like_json() -> None:
    text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n" + json.dumps(config_map("b"))
    assert contents(read(text)) == [config_map("a"), config_map("b")]


def test_a_list_is_opened_and_its_items_keep_their_place() -> None:
    result = read("""\
        apiVersion: v1
        kind: List
        items:
          - apiVersion: v1
            kind: ConfigMap
            metadata: {name: a}
          - just: values
          - apiVersion: v1
            kind: Secret
            metadata: {name: b}
    """)
    assert [(document.kind, document.ref, document.line) for document in result.documents] == [
        ("ConfigMap", DocRef(0, 0), 4),
        ("Secret", DocRef(0, 2), 8),
    ]


def test_a_json_list_is_opened() -> None:
    result = read(json.dumps({"apiVersion": "v1", "kind": "List", "items": [config_map("a"), config_map("b")]}))
    assert [(document.name, document.ref) for document in result.documents] == [
        ("a", DocRef(0, 0)),
        ("b", DocRef(0, 1)),
    ]


def test_items_of_a_typed_list_need_not_repeat_their_kind() -> None:
    result = read("{apiVersion: v1, kind: ConfigMapList, items: [{metadata: {name: a}}, 1]}")
    assert contents(result) == [config_map("a")]


def test_a_kind_that_only_ends_like_a_list_is_an_object() -> None:
    result = read("{apiVersion: x.example.com/v1, kind: AllowList, metadata: {name: a}, spec: {items: [1]}}")
    assert [document.kind for document in result.documents] == ["AllowList"]


def test_what_only_the_server_sets_is_left_out() -> None:
    result = read("""\
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: a
          uid: 1f
          resourceVersion: "5"
          generation: 1
          creationTimestamp: null
          selfLink: /x
          managedFields: [{manager: m}]
          finalizers: [x]
        status: {a: 1}
    """)
    assert contents(result) == [{**config_map(), "metadata": {"name": "a", "finalizers": ["x"]}}]


def test_a_null_is_no_value_but_in_a_map_of_strings_it_is_empty() -> None:
    result = read("""\
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: a, labels: {x: , z: "1"}, annotations: }
        spec:
          replicas: null
          selector: {matchLabels: {x: ~}}
          list: [null, {a: null}]
          template: {metadata: {creationTimestamp: null}, spec: {nodeSelector: {x: }, securityContext: }}
    """)
    assert contents(result)[0]["spec"] == {
        "selector": {"matchLabels": {"x": ""}},
        "list": [None, {}],
        "template": {"metadata": {}, "spec": {"nodeSelector": {"x": ""}}},
    }
    assert contents(result)[0]["metadata"] == {"name": "a", "labels": {"x": "", "z": "1"}}


def test_a_config_map_keeps_its_empty_keys() -> None:
    assert contents(read("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: }}")) == [
        config_map(data={"x": ""})
    ]
    assert contents(read("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: }")) == [config_map()]


def secret(**rest: Any) -> dict[str, Any]:
    return {**config_map(**rest), "kind": "Secret"}


@pytest.mark.parametrize(
    ("given", "data"),
    [
        ({"stringData": {"a": "x", "b": None}}, {"a": "eA==", "b": ""}),
        ({"stringData": {"a": "é"}, "data": {"a": "eQ==", "b": "eg=="}}, {"a": "w6k=", "b": "eg=="}),
        ({"stringData": {"a": "x"}, "data": None}, {"a": "eA=="}),
        ({"data": {"a": None}}, {"a": ""}),
        ({"data": {"a": "eA\n==\n"}}, {"a": "eA\n==\n"}),
    ],
)
def test_string_data_becomes_data(given: dict[str, Any], data: dict[str, str]) -> None:
    assert contents(read(json.dumps(secret(**given)))) == [secret(data=data)]


def test_empty_string_data_leaves_no_trace() -> None:
    assert contents(read(json.dumps(secret(stringData={})))) == [secret()]
    assert contents(read(json.dumps(secret(stringData=None)))) == [secret()]


def test_another_secret_is_no_secret() -> None:
    other = {**secret(stringData={"a": "x"}), "apiVersion": "x.example.com/v1"}
    assert contents(read(json.dumps(other))) == [other]


def test_a_syntax_error_anywhere_makes_the_whole_file_unreadable() -> None:
    result = read(
        "".join(f"---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a{n}\n" for n in range(7)) + "---\na: [\n"
    )
    assert result.documents == ()
    assert [(fault.line, fault.reason) for fault in result.faults] == [(38, Reason.DOCUMENTS_FAILED)]
    assert not result.complete


def test_a_template_is_told_what_it_is() -> None:
    (fault,) = read("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-x\n").faults
    assert fault.message.endswith("it looks like a template, and templates are not rendered")


def test_broken_json_is_told_where_it_got_stuck() -> None:
    (fault,) = read('{\n"apiVersion": "v1",\n"kind": "ConfigMap",\n"metadata": {"name": "a"}\n"data": {}\n}').faults
    assert fault.line == 5
    (fault,) = read("{a: 1,\nb: 'x\n").faults
    assert fault.line == 3


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("{apiVersion: 1, kind: A}", "/apiVersion", "1 is not an API version"),
        ("{apiVersion: a/b/c, kind: A}", "/apiVersion", "is not an API version"),
        ("{apiVersion: v1, kind: 1}", "/kind", "1 is not a kind"),
        ("{apiVersion: v1, kind: 'A/b'}", "/kind", "is not a kind"),
        ("{apiVersion: v1, kind: A}", "/metadata", "metadata with a name is missing"),
        ("{apiVersion: v1, kind: A, metadata: {generateName: a-}}", "/metadata/generateName", "a fixed metadata.name"),
        ("{apiVersion: v1, kind: A, metadata: {}}", "/metadata/name", "metadata.name is missing"),
        ("{apiVersion: v1, kind: A, metadata: {name: ''}}", "/metadata/name", "metadata.name is missing"),
        ("{apiVersion: v1, kind: A, metadata: {name: 12}}", "/metadata/name", "put 12 in quotes"),
        ("{apiVersion: v1, kind: A, metadata: {name: ../b}}", "/metadata/name", "cannot be a name"),
        ("{apiVersion: v1, kind: A, metadata: {name: ..}}", "/metadata/name", "cannot be a name"),
        ("{apiVersion: v1, kind: A, metadata: {name: a%2f}}", "/metadata/name", "cannot be a name"),
        ("{apiVersion: v1, kind: A, metadata: {name: a, namespace: 1}}", "/metadata/namespace", "put 1 in quotes"),
        ("{apiVersion: v1, kind: A, metadata: {name: a, namespace: b/c}}", "/metadata/namespace", "cannot be a namesp"),
    ],
)
def test_a_document_without_a_usable_name_is_refused_and_not_listed(text: str, field: str, message: str) -> None:
    result = read("{apiVersion: v1, kind: ConfigMap, metadata: {name: good}}\n---\n" + text)
    (fault,) = result.faults
    assert fault[:2] == (3, Reason.FIELD_REFUSED)
    assert fault.field == field
    assert message in fault.message
    assert fault.object == ""
    assert [document.name for document in result.documents] == ["good"]


@pytest.mark.parametrize(
    ("rest", "field", "message"),
    [
        ("metadata: {name: a, labels: {x/y: 1}}", "/metadata/labels/x~1y", "put 1 in quotes"),
        ("metadata: {name: a, labels: {x: yes}}", "/metadata/labels/x", "put true in quotes"),
        ("metadata: {name: a, annotations: {a~b: [1]}}", "/metadata/annotations/a~0b", "put it in quotes"),
        ("metadata: {name: a, annotations: [1]}", "/metadata/annotations", "must be a map of strings"),
        ("metadata: {name: a}\nstringData: {p: 1}", "/stringData/p", "put it in quotes"),
        ("metadata: {name: a}\ndata: {p: 1}", "/data/p", "put it in quotes"),
        ("metadata: {name: a}\ndata: {p: plain text}", "/data/p", "must be base64"),
        ("metadata: {name: a}\ndata: 1", "/data", "must be a map of strings"),
    ],
)
def test_a_document_that_cannot_be_used_is_refused_but_listed(rest: str, field: str, message: str) -> None:
    result = read(f"apiVersion: v1\nkind: Secret\n{rest}\n")
    (fault,) = result.faults
    assert fault == Fault(1, Reason.FIELD_REFUSED, fault.message, field, "Secret/a")
    assert message in fault.message
    assert [(document.name, document.content) for document in result.documents] == [("a", b"")]


@pytest.mark.parametrize("field", ["name", "uid"])
def test_text_that_is_not_unicode_is_refused(field: str) -> None:
    (fault,) = read('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"%s": "\\ud800"}}' % field).faults  # noqa: UP031
    assert "not valid Unicode" in fault.message


def test_every_fault_of_a_file_is_listed() -> None:
    result = read("{apiVersion: v1, kind: A}\n---\n{apiVersion: v1, kind: B}\n---\n{apiVersion: v1, kind: C}")
    assert [fault.line for fault in result.faults] == [1, 3, 5]


def test_a_file_out_of_bounds_is_one_fault() -> None:
    (fault,) = read_file(b"a: 1\n" * 1000, Bounds(file_bytes=100)).faults
    assert fault.reason is Reason.DOCUMENTS_FAILED
    assert "5000 bytes" in fault.message


def test_a_block_scalar_has_its_line_break_where_the_file_has_none() -> None:
    data = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  k: |\n    x"
    assert contents(read(data.encode())) == contents(read(f"{data}\n".encode())) == [config_map(data={"k": "x\n"})]
    assert contents(read(data.replace("|", "|-").encode())) == [config_map(data={"k": "x"})]


@pytest.mark.parametrize(
    "line",
    [
        "stringData: {pin: 271828}",
        "data: {pin: 271828}",
        "stringData: {pin: -271828.5}",
        "stringData: {pin: !!int x271828}",
        "stringData: {pin: !!timestamp 271828}",
        "stringData: {pin: !!binary 271828!}",
        "stringData: {pin: *x271828}",
        "stringData: {pin: @271828}",
        'stringData: {pin: "\\q271828"}',
        "stringData: [271828]",
        "stringData: {pin: [271828]}",
        "stringData: {pin: x: 271828}",
        "data: {pin: 27 18 28}",
    ],
)
def test_no_fault_of_a_secret_quotes_its_value(line: str) -> None:
    result = read(f"apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\n{line}\n")
    (fault,) = result.faults
    assert "2718" not in fault.message.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{apiVersion: 'NAME/v1', kind: A, metadata: {name: a}}", "/apiVersion"),
        ("{apiVersion: NAME, kind: A, metadata: {name: a}}", "/apiVersion"),
        ("{apiVersion: v1, kind: NAME, metadata: {name: a}}", "/kind"),
        ("{apiVersion: v1, kind: A, metadata: {name: NAME}}", "/metadata/name"),
        ("{apiVersion: v1, kind: A, metadata: {name: a, namespace: NAME}}", "/metadata/namespace"),
    ],
)
def test_an_endless_name_is_refused(text: str, field: str) -> None:
    (fault,) = read(text.replace("NAME", "x" * 254)).faults
    assert (fault.reason, fault.field) == (Reason.FIELD_REFUSED, field)
