"""The tables of `docs/spec`: every field of a kind, from the types; the prose around them is written by hand.

`python -m controller.api.reference` writes the parts between the markers, `--check` fails where one is out of step.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from controller.api.meta import VALIDATIONS, Resource
from controller.api.schema import Schema, structural_schema
from controller.api.v1alpha1 import KINDS

PAGES = Path("docs/spec")
_UNTYPED = "any JSON"
_ADJUSTED = re.compile(r"^must be (?:the |a |an )?")


class FieldRow(NamedTuple):
    """One field: its path below `spec` or `status`, and the four things that a table says of it."""

    path: str
    type: str
    default: str
    bounds: str
    meaning: str


def field_rows(kind: type[Resource], part: str) -> list[FieldRow]:
    """Every field of a kind's `spec` or `status`, in the order of the types."""
    schema = structural_schema(kind)["properties"][part]
    return list(_rows(schema, "", shows_defaults=part == "spec"))


def page(text: str, kind: type[Resource]) -> str:
    """A page with its tables as they should be. Raises ValueError where a marker is missing."""
    tables = {
        "spec": _table(field_rows(kind, "spec"), with_default=True),
        "status": _table(field_rows(kind, "status"), with_default=False),
        "columns": _columns(kind),
    }
    for name, table in tables.items():
        begin, end = f"<!-- {name}: written by `make crds` -->", f"<!-- end of {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"the page of {kind.__name__} needs `{begin}` and `{end}`, once each")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n\n{table}\n{end}{rest.partition(end)[2]}"
    return text


def _rows(schema: Schema, above: str, *, shows_defaults: bool) -> Iterator[FieldRow]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        path = f"{above}.{name}" if above else name
        inside = field.get("items", field)
        default = ""
        if shows_defaults:
            default = "required" if name in required else _default(field)
        yield FieldRow(path, _type(field), default, "; ".join(_bounds(field)), field.get("description", ""))
        below = f"{path}[]" if "items" in field else path
        yield from _rows(inside, below, shows_defaults=shows_defaults)


def _type(field: Schema) -> str:
    if "items" in field:
        return f"list of {_type(field['items'])}s"
    return "time" if field.get("format") == "date-time" else str(field.get("type", _UNTYPED))


def _default(field: Schema) -> str:
    if "default" not in field or field["default"] == {}:
        return ""
    return f"`{json.dumps(field['default'])}`"


def _bounds(field: Schema) -> Iterator[str]:
    """What is allowed, in words."""
    if "enum" in field:
        yield ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("maximum") is not None:
        yield f"{field.get('minimum', 0)} to {field['maximum']}"
    rules = [rule["message"] for rule in field.get(VALIDATIONS, ())]
    yield from (_ADJUSTED.sub("", message) for message in rules)
    if "maxLength" in field and not any("duration" in rule for rule in rules):
        yield f"at most {field['maxLength']} characters"
    if "maxItems" in field:
        yield f"at most {field['maxItems']} items"
    if keys := field.get("x-kubernetes-list-map-keys"):
        yield f"one item for each {' and '.join(f'`{key}`' for key in keys)}"
    if "items" in field:
        yield from (f"each: {bound}" for bound in _bounds(field["items"]))


def _table(rows: Iterable[FieldRow], *, with_default: bool) -> str:
    heads = ("field", "type", *(("default",) if with_default else ()), "allowed", "meaning")
    lines = [_line(heads), _line("---" for _ in heads)]
    for row in rows:
        default = (row.default,) if with_default else ()
        lines.append(_line((f"`{row.path}`", row.type, *default, _escaped(row.bounds), _escaped(row.meaning))))
    return "\n".join(lines) + "\n"


def _columns(kind: type[Resource]) -> str:
    shown = [(column.name.upper(), f"`{column.path}`", "with `-o wide`" * column.priority) for column in kind.columns]
    return "".join(f"{_line(cells)}\n" for cells in [("column", "shows", ""), ("---", "---", "---"), *shown])


def _line(cells: Iterable[str]) -> str:
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def _escaped(text: str) -> str:
    """Text for a cell: what Markdown or HTML would take for its own stays as it is."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def _path(folder: Path, kind: type[Resource]) -> Path:
    return folder / f"{kind.__name__.lower()}.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables, or check them. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m controller.api.reference", description=__doc__)
    parser.add_argument("--folder", type=Path, default=PAGES, help=f"where the pages are ({PAGES})")
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args(arguments)
    wrong = 0
    for kind in KINDS:
        path = _path(options.folder, kind)
        text = path.read_text(encoding="utf-8")
        wanted = page(text, kind)
        if text != wanted and options.check:
            sys.stderr.write(f"{path} does not show what controller/api declares; run make crds\n")
            wrong = 1
        elif text != wanted:
            path.write_text(wanted, encoding="utf-8")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
