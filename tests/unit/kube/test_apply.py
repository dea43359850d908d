"""The guards that travel in the body of an apply."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.kube.apply import guarded
from controller.objects import canonical

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.text(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=8
)


def test_a_body_without_guards_is_sent_as_it_is() -> None:
    body = canonical(CONFIG_MAP)
    assert guarded(body) is body


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(CONFIG_MAP, id="a flat object"),
        pytest.param(CONFIG_MAP | {"metadata": {"labels": {"metadata": "x"}, "name": "a"}}, id="a label of that name"),
        pytest.param(
            CONFIG_MAP | {"data": {"metadata": "{", "x": '"metadata":{"name":'}}, id="strings that look like it"
        ),
        pytest.param(CONFIG_MAP | {'x"metadata': {"name": "b"}}, id="a key that ends like it"),
        pytest.param(CONFIG_MAP | {"spec": {"template": {"metadata": {"name": "b"}}}}, id="a template after it"),
        pytest.param(CONFIG_MAP | {"a": {"metadata": {"name": "b"}}}, id="another metadata before it"),
    ],
)
def test_the_guards_go_into_the_objects_own_metadata_and_nowhere_else(document: dict[str, Any]) -> None:
    sent = orjson.loads(guarded(canonical(document), "7d84", "207"))
    assert sent["metadata"].pop("uid") == "7d84"
    assert sent["metadata"].pop("resourceVersion") == "207"
    assert sent == document


@pytest.mark.parametrize(("uid", "resource_version"), [("7d84", ""), ("", "1")])
def test_only_the_guard_that_was_asked_for_is_sent(uid: str, resource_version: str) -> None:
    metadata = orjson.loads(guarded(canonical(CONFIG_MAP), uid, resource_version))["metadata"]
    assert metadata == {"name": "a"} | ({"uid": uid} if uid else {"resourceVersion": resource_version})


@given(st.dictionaries(st.text() | st.just("metadata") | st.just('"metadata'), JSON))
def test_any_content_keeps_every_value(rest: dict[str, Any]) -> None:
    document = rest | CONFIG_MAP
    sent = orjson.loads(guarded(canonical(document), "7d84", "207"))
    assert sent == document | {"metadata": {"name": "a", "uid": "7d84", "resourceVersion": "207"}}
