"""What a file declares is what kubectl and the API server read in it: the same objects with the same values.

kubectl writes down its own reading of each object (`last-applied-configuration`), without the server's defaults; the
server's answer shows that the values were taken for what they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from controller.bounds import Bounds
from controller.objects import Json, decoded
from controller.sync.parse.content import declared_content
from controller.sync.parse.documents import ParsedDocument, read_file
from tests.support.edits import FILES, MANIFESTS
from tests.support.kubectl import Kubectl

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

# kubectl takes no document that is not an object, and the server no key of a ConfigMap that is not ASCII.
NOT_TAKEN = ("sentinels.yaml", "unicode.yaml")


def declared(name: str) -> tuple[ParsedDocument, ...]:
    result = read_file((MANIFESTS / name).read_bytes(), Bounds())
    assert result.complete
    return result.documents


def is_built_in(document: ParsedDocument) -> bool:
    return "." not in document.key.group or document.key.group.endswith(".k8s.io")


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """The scalars that come back as they were sent: zeros may be left out, quantities are said in other words."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, f"{path}/{key}")
    elif value and not path.endswith(("/cpu", "/memory", "/storage")):
        yield path, value


READ = [path.name for path in FILES if path.name not in NOT_TAKEN and all(map(is_built_in, declared(path.name)))]


@pytest.mark.parametrize("name", READ)
def test_a_file_is_read_as_kubectl_and_the_server_read_it(name: str, kubectl: Kubectl) -> None:
    documents = declared(name)
    for namespace in {document.namespace for document in documents} - {""}:
        kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
    said = kubectl.json("apply", "--dry-run=server", "-f", str(MANIFESTS / name))
    answers = said["items"] if said["kind"] == "List" else [said]
    assert len(answers) == len(documents)
    for document, answer in zip(documents, answers, strict=True):
        content = decoded(document.content)
        read = json.loads(answer["metadata"]["annotations"].pop(LAST_APPLIED))
        # kubectl names the namespace that it takes, and leaves its annotation's place behind.
        read["metadata"].pop("namespace", None)
        read["metadata"]["annotations"] = content["metadata"].get("annotations", {}) and read["metadata"]["annotations"]
        wanted = {**content, "metadata": {"annotations": {}, **content["metadata"]}}
        wanted["metadata"].pop("namespace", None)
        assert decoded(declared_content(read)) == wanted
        found = dict(leaves(answer))
        assert {path: found.get(path) for path, _ in leaves(content)} == dict(leaves(content))


def test_most_manifests_are_read_so() -> None:
    assert len(READ) >= 30
