"""A definition is served once the API server says Established, and not a moment before."""

from __future__ import annotations

import pytest

from controller.cli.definitions import is_established
from controller.objects import Json


@pytest.mark.parametrize(
    ("definition", "served"),
    [
        pytest.param({}, False, id="no status"),
        pytest.param({"status": {}}, False, id="an empty status"),
        pytest.param({"status": {"conditions": None}}, False, id="just created: null conditions"),
        pytest.param({"status": {"conditions": [{"type": "NamesAccepted", "status": "True"}]}}, False, id="named"),
        pytest.param({"status": {"conditions": [{"type": "Established", "status": "False"}]}}, False, id="not yet"),
        pytest.param({"status": {"conditions": [{"type": "Established", "status": "True"}]}}, True, id="established"),
    ],
)
def test_is_established(definition: Json, served: bool) -> None:
    assert is_established(definition) is served
