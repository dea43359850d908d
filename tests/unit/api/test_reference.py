"""The tables of docs/spec: what a field's row says, and that pages are written and compared."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from controller.api import reference
from controller.api.reference import FieldRow, field_rows, main, page
from controller.api.v1alpha1.fabric import Fabric
from controller.api.v1alpha1.syncconflict import SyncConflict
from controller.api.v1alpha1.syncjob import SyncJob

ROOT = Path(__file__).parents[3]
PAGE = "".join(
    f"{name}\n<!-- {name}: written by `make crds` -->\nold\n<!-- end of {name} -->\nafter {name}\n"
    for name in ("spec", "status", "columns")
)


@pytest.fixture
def fabric_spec() -> dict[str, FieldRow]:
    return {row.path: row for row in field_rows(Fabric, "spec")}


@pytest.mark.parametrize(
    ("path", "type_", "default", "bounds"),
    [
        ("repository", "object", "required", ""),
        ("repository.directory", "string", '`"."`', "path relative to its root"),
        (
            "target.namespaces",
            "list of strings",
            "",
            "* means all namespaces and stands alone; at most 100 items; each: name",
        ),
        ("target.clusterScoped", "boolean", "`false`", ""),
        ("resources", "list of objects", "", "at most 200 items; one item for each `group` and `kind`"),
        ("resources[].kind", "string", "required", "kind in CamelCase, such as Deployment; at most 63 characters"),
        ("sync", "object", "", ""),
        ("sync.interval", "string", '`"1m"`', "duration from 1s to 24h, such as 500ms, 30s, 5m or 1h30m"),
        ("sync.maxEdits", "integer", "`200`", "0 to 100000"),
        ("deletion.propagate", "string", '`"Conflict"`', "`Conflict`, `Observed`, `Never`"),
    ],
)
def test_a_row_says_type_default_and_bounds(
    fabric_spec: dict[str, FieldRow], path: str, type_: str, default: str, bounds: str
) -> None:
    row = fabric_spec[path]
    assert (row.type, row.default) == (type_, default)
    assert row.bounds.startswith(bounds) if bounds else not row.bounds
    assert row.meaning


def test_a_status_has_no_defaults() -> None:
    rows = {row.path: row for row in field_rows(SyncJob, "status")}
    assert rows["progress.targeted"].default == ""
    assert rows["startTime"].type == "time"
    assert rows["errors[].message"].default == ""


def test_an_untyped_value_is_any_json() -> None:
    rows = {row.path: row for row in field_rows(SyncConflict, "spec")}
    assert rows["fields[].base"].type == "any JSON"
    assert rows["fields[].editedAt"].type == "time"


def test_a_page_keeps_its_prose() -> None:
    text = page(PAGE, Fabric)
    assert "\nold\n" not in text
    assert [line for line in text.splitlines() if line.startswith("after")] == [
        "after spec",
        "after status",
        "after columns",
    ]
    assert "| `sync.maxEdits` | integer | `200` | 0 to 100000 |" in text
    assert "| URL | `.spec.repository.url` | with `-o wide` |" in text
    assert page(text, Fabric) == text


def test_what_markdown_would_take_for_its_own_is_escaped() -> None:
    text = page(PAGE, Fabric)
    assert r"kubectl\*, k9s, lens\*" in text
    assert "without &lt; and >" in text


@pytest.mark.parametrize("broken", [PAGE.replace("<!-- end of status -->", ""), PAGE + PAGE])
def test_a_page_without_its_markers_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match=r"page of Fabric needs .* once each"):
        page(broken, Fabric)


def test_check_finds_what_is_out_of_step_and_writing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "spec"
    shutil.copytree(ROOT / reference.PAGES, folder)
    where = ["--folder", str(folder)]
    assert main([*where, "--check"]) == 0
    fabric = folder / "fabric.md"
    text = fabric.read_text()
    fabric.write_text(text.replace("| `sync.maxEdits` | integer | `200` |", "| `sync.maxEdits` | integer | `7` |"))
    assert main([*where, "--check"]) == 1
    assert "fabric.md does not show what controller/api declares; run make crds" in capsys.readouterr().err
    assert main(where) == 0
    assert fabric.read_text() == text
