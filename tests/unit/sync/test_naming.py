"""Computed names: stable, within the API server's bounds, never two for one thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.objects import ObjectKey
from controller.sync.naming import escaped_component, field_manager, import_path

INSTALL = "0a1b2c3d-0000-4000-8000-000000000000"


def test_a_field_manager_names_installation_namespace_and_fabric() -> None:
    assert field_manager(INSTALL, "shop", "web") == "tandem:0a1b:shop/web"


def test_a_long_field_manager_fits_and_stays_distinct() -> None:
    names = {field_manager(INSTALL, "n" * 63, "f" * 200 + tail) for tail in "ab"}
    assert len(names) == 2
    assert all(len(name.encode()) == 128 for name in names)


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("web", "web"),
        ("system:node", "system_3anode"),
        ("Upper", "_55pper"),
        (".hidden", "_2ehidden"),
        ("a_b", "a_5fb"),
        ("a/b", "a_2fb"),
    ],
)
def test_escaped_component(name: str, escaped: str) -> None:
    assert escaped_component(name) == escaped


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_two_names_never_share_a_file(one: str, two: str) -> None:
    assert (escaped_component(one) == escaped_component(two)) == (one == two)


@pytest.mark.parametrize(
    ("key", "many", "path"),
    [
        (ObjectKey("apps", "Deployment", "shop", "web"), False, "deployments/web.yaml"),
        (ObjectKey("apps", "Deployment", "shop", "web"), True, "deployments/shop/web.yaml"),
        (ObjectKey("", "Namespace", "", "shop"), True, "deployments/_cluster/shop.yaml"),
    ],
)
def test_import_path(key: ObjectKey, many: bool, path: str) -> None:
    assert import_path("deployments", key, many_namespaces=many) == path
