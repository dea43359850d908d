"""The CRDs: what holds for every kind and every field, and the files that are generated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.crd import crd, crd_files, main
from controller.api.meta import Resource
from controller.api.v1alpha1 import KINDS

ROOT = Path(__file__).parents[3]
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))

Place = tuple[str, dict[str, Any]]


def fields(schema: dict[str, Any], path: str) -> Iterator[Place]:
    """Every field below a schema, list items included, with its path."""
    for name, node in schema.get("properties", {}).items():
        yield f"{path}.{name}", node
        yield from fields(node, f"{path}.{name}")
    if "items" in schema:
        yield f"{path}[]", schema["items"]
        yield from fields(schema["items"], f"{path}[]")


def top(kind: type[Resource]) -> dict[str, Any]:
    schema: dict[str, Any] = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


SPECS = [place for kind in KINDS for place in fields(top(kind)["properties"]["spec"], f"{kind.__name__}.spec")]
STATUSES = [place for kind in KINDS for place in fields(top(kind)["properties"]["status"], f"{kind.__name__}.status")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_named_and_shown_as_people_expect(kind: type[Resource]) -> None:
    document = crd(kind)
    names = document["spec"]["names"]
    version = document["spec"]["versions"][0]
    assert document["metadata"]["name"] == f"{names['plural']}.tandem.dev"
    assert names["kind"] == kind.__name__
    assert names["listKind"] == f"{kind.__name__}List"
    assert names["singular"] == kind.__name__.lower()
    assert names["categories"] == ["tandem"]
    assert names["shortNames"] == [kind.short_name]
    assert document["spec"]["scope"] == "Namespaced"
    assert version["subresources"] == {"status": {}}
    assert "Age" in [column["name"] for column in version["additionalPrinterColumns"]]


@pytest.mark.parametrize("kind", KINDS)
def test_every_column_shows_a_field_that_is_there(kind: type[Resource]) -> None:
    known = {path.removeprefix(kind.__name__) for path, _ in [*SPECS, *STATUSES] if path.startswith(kind.__name__)}
    for column in crd(kind)["spec"]["versions"][0]["additionalPrinterColumns"]:
        path = column["jsonPath"].partition("[")[0]
        assert path in known | {".metadata.creationTimestamp"}


@pytest.mark.parametrize(
    ("path", "node"), [*SPECS, *STATUSES], ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_field_is_described_in_sentences(path: str, node: dict[str, Any]) -> None:
    if path.endswith("[]"):
        return  # an item of a list of scalars; the list itself is described
    assert node.get("description", "").endswith("."), path


@pytest.mark.parametrize(("path", "node"), SPECS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_value_of_a_spec_is_bounded(path: str, node: dict[str, Any]) -> None:
    written_by_the_controller = ("editor", "editedBy", "commit", "author")
    match node.get("type"):
        case "string":
            bounded = "maxLength" in node or "enum" in node or node.get("format") == "date-time"
            assert bounded or path.endswith(written_by_the_controller), path
        case "integer":
            assert {"minimum", "maximum"} <= node.keys(), path
        case "array":
            assert "maxItems" in node or path == "SyncConflict.spec.fields", path


@pytest.mark.parametrize(
    ("path", "node"), [*SPECS, *STATUSES], ids=lambda value: value if isinstance(value, str) else ""
)
def test_lists_say_how_they_merge(path: str, node: dict[str, Any]) -> None:
    if node.get("type") != "array":
        return
    keys = node.get("x-kubernetes-list-map-keys", [])
    for key in keys:
        item = node["items"]
        assert key in item.get("required", []) or "default" in item["properties"][key], path
    atomic = {"Fabric.spec.ignore", "Fabric.spec.notify"}  # their items have no name
    if path.startswith(tuple(f"{kind.__name__}.spec" for kind in KINDS)) and path not in atomic:
        assert "x-kubernetes-list-type" in node, path


@pytest.mark.parametrize(("path", "node"), SPECS, ids=lambda value: value if isinstance(value, str) else "")
def test_enums_are_in_pascal_case(path: str, node: dict[str, Any]) -> None:
    for value in node.get("enum", []):
        assert value[:1].isupper() and value.isalnum(), path


@pytest.mark.parametrize(("path", "node"), SPECS, ids=lambda value: value if isinstance(value, str) else "")
def test_rules_say_what_is_allowed(path: str, node: dict[str, Any]) -> None:
    for rule in node.get("x-kubernetes-validations", []):
        assert len(rule["message"]) > 15, path
        assert "\n" not in rule["message"], path


@pytest.mark.parametrize(("path", "node"), STATUSES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_status_has_no_defaults(path: str, node: dict[str, Any]) -> None:
    assert "default" not in node, path


def test_the_fabric_has_exactly_the_fields_that_have_an_effect() -> None:
    properties = top(KINDS[0])["properties"]["spec"]["properties"]
    assert {
        name: sorted(node.get("properties", {}) or node.get("items", {}).get("properties", {}))
        for name, node in properties.items()
    } == {
        "repository": [
            "author",
            "branch",
            "credentialsSecretRef",
            "directory",
            "forge",
            "hookSecretRef",
            "maxBytes",
            "maxFiles",
            "pushBranch",
            "signWithSecretRef",
            "url",
            "verify",
        ],
        "layout": [],
        "target": ["clusterScoped", "kubeconfigSecretRef", "namespaces", "serviceAccountName"],
        "resources": ["direction", "directory", "group", "import", "kind"],
        "sync": [
            "autoResolveSimple",
            "batchWindow",
            "conflictStrategy",
            "direction",
            "editors",
            "interval",
            "maxCommitsPerHour",
            "maxEdits",
            "write",
        ],
        "deletion": ["maxDeletionPercent", "maxDeletions", "onRemoval", "propagate", "prune", "settle"],
        "attribution": ["identities"],
        "encryption": ["identitySecretRef", "recipients"],
        "ignore": ["kinds", "managers", "paths"],
        "notify": ["events", "secretRef", "to", "type", "url"],
        "suspend": [],
    }
    assert properties["layout"]["enum"] == ["Plain"]


def test_the_generated_files_are_those_in_the_repository() -> None:
    assert {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")} == crd_files()


def test_files_are_written_and_then_pass_the_check(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "crds"
    assert main(["--write", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == set(crd_files())
    assert main(["--check", str(folder)]) == 0


@pytest.mark.parametrize("harm", ["changed", "missing", "stray"])
def test_a_file_that_differs_fails_the_check_by_name(
    harm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--write", str(tmp_path)])
    file = tmp_path / "tandem.dev_fabrics.yaml"
    if harm == "changed":
        file.write_text(file.read_text().replace("default: main", "default: trunk"))
    elif harm == "missing":
        file.unlink()
    else:
        file = tmp_path / "tandem.dev_others.yaml"
        file.write_text("kind: Other\n")
    assert main(["--check", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"{file} is not what controller/api declares; run make crds\n"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_read_whole_by_the_models(sample: Path) -> None:
    (document,) = yaml.safe_load_all(sample.read_text())
    kind = next(kind for kind in KINDS if kind.__name__ == document["kind"])
    read = kind.from_object(document)
    assert_within(document["spec"], read.to_json()["spec"])


def test_there_is_a_sample_for_every_kind() -> None:
    assert {sample.stem for sample in SAMPLES} == {kind.__name__.lower() for kind in KINDS}


def assert_within(part: Any, whole: Any) -> None:
    """Everything of `part` is in `whole`, which may have defaults beside it."""
    if isinstance(part, dict):
        for key, value in part.items():
            assert key in whole
            assert_within(value, whole[key])
    elif isinstance(part, list):
        assert len(part) == len(whole)
        for mine, other in zip(part, whole, strict=True):
            assert_within(mine, other)
    else:
        assert part == whole
