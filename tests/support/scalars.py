"""How a real API server reads YAML: asks one, and writes `tests/data/scalars.json`.

    python -m tests.support.scalars        (starts a control plane of its own, takes some seconds)

Each entry is a piece of YAML, sent as the `spec` of a custom resource that takes anything, and the spec that came back;
none means that the server refused it.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import tempfile
from pathlib import Path
from textwrap import indent
from typing import Any
from urllib.parse import urlsplit

import orjson

from controller.dev.build import ensure_programs
from controller.dev.controlplane import ControlPlane, Options
from controller.dev.progress import Progress
from tests.support.wait import wait_until

TABLE = Path(__file__).parents[1] / "data" / "scalars.json"

GROUP = "scalars.example.com"
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"readings.{GROUP}"},
    "spec": {
        "group": GROUP,
        "names": {"kind": "Reading", "plural": "readings"},
        "scope": "Cluster",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}


def words(text: str) -> list[str]:
    """Scalars without blanks in them."""
    return text.split()


WORDS = words("""
    y Y n N yes Yes YES no No NO on On ON off Off OFF true True TRUE false False FALSE yEs nO oN oFF tRUE fALSE
    t f T F null Null NULL nULL nil none None ~ ~x .inf .Inf .INF +.inf +.Inf +.INF -.inf -.Inf -.INF .nan .NaN
    .NAN .Nan -.nan .inF inf nan Infinity NaN
""")

NUMBERS = words("""
    0 00 000 -0 +0 1 -1 +1 12 007 0644 0o644 0O644 0o8 08 09 0888 0777 -017 +017 -0o17 +0o17 0o 0o_1 0x1F 0X1f
    0x 0xg -0x1F +0x1F 0x_1 0b101 0B101 0b 0b2 -0b101 +0b101 1_000 1__0 1_ _1 -_1 0_ 0__ 0_1 1_0_0 +_ -_ 1_000.5
    1_.5 1._5 1e_5 1.0 1. .5 +.5 -.5 0.5 00.5 09.5 1.5 -1.5 +1.5 1e3 1E3 1e+3 1e-3 1E+03 1.e3 .1e3 .e3 1e 1e+
    1.5e3 0e0 0E5 -0.0 .5_0 .5e1_0 .5_ ._5 .5e ..5 . -. +. +.e3 1.2.3 1e5.5 0x1p4 .0x1 1e20 1e21 1.0e21 1e30
    1e-7 0.000001 0.0000001 5e-324 1e-400 1e400 -1e400 1.7976931348623157e308 123456789.5 1.23456789012345678901
    0.1 0.30000000000000004 100.0 1e18 9223372036854775807 9223372036854775808 -9223372036854775808
    -9223372036854775809 9223372036854775807.0 18446744073709551615 18446744073709551616 +18446744073709551615
    9007199254740993 9007199254740993.0 123456789012345678901234567890 999999999999999999999
    100000000000000000000000 07777777777777777777777777777 0o7777777777777777777777777777 0xFFFFFFFFFFFFFFFFFFFF
    0xFFFFFFFFFFFFFFFF 1-1 --1 1,000 1m 100Mi 1e3m 0.5Gi 1d 30s 10% v1 1a 0xZ 12:30 12:30:45 190:20:30
    190:20:30.15 1:2 60:00 2001-01-01 2002-1-1 20020101 2001-12-14t21:59:43.10-05:00 2001-12-14T21:59:43Z
    2001-13-45
""")

TEXTS = [
    "2001-12-14 21:59:43.10 -5", "a b", "a  b", "a#b", "a #b", "a: b", "a:b", ":b", "::", "-", "- b", "-b", "?", "?b",
    "=", "<<", "@x", "`x`", "%x", "*x", "&x", "!x", "|", ">", "[", "{", "]", "}", ",", "",
    '"yes"', "'yes'", '"0644"', "'1e3'", '"~"', "''", '""', "'it''s'", r'"\t\n\0\x41\u00e9\U0001F600"', r'"\q"',
    r'"\N\_\L\P"', r'"a\
      b"', "'a\n\n  b'", "a\n  b\n\n  c", "é", "日本", "\u00a0", "a\tb", "\tb", "yes # comment", "'yes' # comment",
    "|\n  yes", "|-\n  yes", "|+\n  yes\n\n", ">\n  a\n  b", ">-\n  1", "|2\n    x", ">\n  a\n\n  b\n   c\n  d\n",
]  # fmt: skip

TAGGED = [
    "!!str 12", "!!str yes", "!!str", "!!str ~", "!!int '5'", "!!int 5", "!!int 0o17", "!!int x", "!!int 1e3",
    "!!int ''", "!!int 1.0", "!!float 3", "!!float 0x10", "!!float 1e3", "!!float '.5'", "!!float x", "!!float ''",
    "!!float .inf",
    "!!bool 'yes'", "!!bool y", "!!bool 1", "!!bool x", "!!null ''", "!!null x", "!!null ~", "!!null",
    "!!binary aGVsbG8=", "!!binary 'aGVs\n    bG8='", "!!binary x", "!!binary", "!!timestamp 2001-01-01",
    "!!timestamp '2001-01-01'", "!!timestamp 5", "!!timestamp foo", "!!merge <<", "!foo 12", "!foo yes", "!foo", "! 12",
    "! yes", "! '12'", "&x ! 12", "!!python/object 1", "!<tag:yaml.org,2002:int> 5", "!<tag:yaml.org,2002:str> 5",
    "!foo {x: 1}", "!!set {x, z}", "!!omap [{a: 1}]", "!!map {b: 1}", "!!seq [1]", "!!seq {b: 1}", "!!str [1]",
    "!!int [1]",
]  # fmt: skip

KEYS = [
    *words("""
    1 0644 0o17 1_0 0x10 -0 +1 1.0 1.10 1.5 1e3 1e21 1000000.0 123456.0 0.0001 0.00001 3.14159265358979
    123456789.0 16777217.0 1e39 -1.5 y n yes no on off true False null ~ .inf -.inf .nan 2001-01-01 12:30:45
    9223372036854775807 9223372036854775808 18446744073709551615 123456789012345678901234567890 '1' "yes" a.b/c
    !!str !!int '<<'
    """),
    "!!str 1", "!!int '1'", "!!binary aGk=", "!!bool 'on'", "!foo 1", "? a\n", "[a, b]", "{a: 1}",
]  # fmt: skip

STRUCTURES = [
    "a: [a, b]", "a: [a, b,]", "a: []", "a: {}", "a: {b}", "a: {b:c}", 'a: {"b":c}', "a: {b: c, d}", "a: [b: c]",
    "a: [yes, 'no', 1_0]", "? a\n: b", "? a", "a:\n- b\n- c", "a:\n  - b\n  -\n  - ~", "a: null\nb:\nc: ~",
    "a: &x {b: 1}\nc: *x", "a: &x yes\nb: *x", "a: &x [*x]", "a: *x",
    "! 1: x", "! 'yes': x",
    "b: &x {a: 1, c: 2}\nd: {<<: *x, a: 3}", "b: &x {a: 1, c: 2}\nd: {a: 3, <<: *x}",
    "b: &x {a: 1}\nc: &z {a: 2, q: 3}\nd: {<<: [*x, *z]}", "a: {<<: [{b: 1}, {b: 2, c: 3}], b: 9}",
    "a: {b: 9, <<: [{b: 1}, {b: 2, c: 3}]}", "x: &x {<<: {q: 1}, q: 2}\na: {<<: *x}", "a: {<<: {b: 1}, <<: {b: 2}}",
    "a: {<<: {b: 1}}", "a: {<<: []}", "a: {<<: [1]}", "a: {<<: 1}", "a: {<<: ~}", "a: {'<<': {b: 1}}",
    "a: {!!merge <<: {b: 1}}", "a: {!!str <<: {b: 1}}", "a:\n  b: 1\n   c: 2", "a: 'x", "a: \"\\ud800\"", "a\n",
    "a: b: c",
]  # fmt: skip

ALL = [
    *(f"value: {text}" for text in [*WORDS, *NUMBERS, *TEXTS, *TAGGED]),
    *(f"{key}: x" for key in KEYS),
    *STRUCTURES,
]


def document(spec: str) -> str:
    """A whole document whose spec is this YAML."""
    return f"apiVersion: {GROUP}/v1\nkind: Reading\nmetadata:\n  name: reading\nspec:\n{indent(spec, '  ')}\n"


class Reader:
    """Asks one control plane, over one connection, without leaving anything behind but the CRD."""

    def __init__(self, plane: ControlPlane) -> None:
        url = urlsplit(plane.server)
        trust = ssl.create_default_context(cadata=_authority(plane))
        self._connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=30, context=trust)
        self._token = plane.token_of("admin")
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        status, _ = self._send("POST", crds, json.dumps(CRD), "application/json")
        assert status in (201, 409)
        wait_until(lambda: self._send("GET", f"/apis/{GROUP}/v1/readings", "", "")[0] == 200)

    def read(self, spec: str) -> dict[str, Any]:
        """The table's entry for a piece of YAML."""
        path = f"/apis/{GROUP}/v1/readings?dryRun=All&fieldValidation=Ignore"
        status, answer = self._send("POST", path, document(spec), "application/yaml")
        assert status in (201, 400, 422, 500), answer
        return {"yaml": spec, "spec": answer.get("spec")} if status == 201 else {"yaml": spec, "refused": True}

    def _send(self, method: str, path: str, body: str, kind: str) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind, "Accept": "application/json"}
        self._connection.request(method, path, body.encode(), headers)
        answer = self._connection.getresponse()
        data = answer.read()
        return answer.status, orjson.loads(data) if data.startswith(b"{") else {}

    def close(self) -> None:
        self._connection.close()


def _authority(plane: ControlPlane) -> str:
    config = json.loads(plane.kubeconfig.read_text())
    return base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()


def main() -> None:
    programs = ensure_programs(os.environ, Progress(), controllers=True).programs
    assert programs is not None
    with tempfile.TemporaryDirectory() as folder, ControlPlane(programs, Path(folder), Options(fsync=False)) as plane:
        reader = Reader(plane)
        table = [reader.read(spec) for spec in ALL]
        reader.close()
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in table)
    TABLE.write_text(f"[\n{lines}\n]\n")
    print(f"{len(table)} readings, {sum('refused' in entry for entry in table)} of them refused: {TABLE}")  # noqa: T201


if __name__ == "__main__":
    main()
