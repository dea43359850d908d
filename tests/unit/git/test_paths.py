"""Which paths may be written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import Reason
from controller.git.errors import PathRefusedError
from controller.git.paths import check_path, fault_of, folded, joined, normalized_directory


@pytest.mark.parametrize(
    ("directory", "normal"),
    [("", ""), (".", ""), ("/", ""), ("./", ""), ("apps", "apps"), ("/apps/./web//", "apps/web"), ("a b", "a b")],
)
def test_directories(directory: str, normal: str) -> None:
    assert normalized_directory(directory) == normal
    assert normalized_directory(normal) == normal


@pytest.mark.parametrize("directory", ["..", "../x", "a/..", "a/../../b"])
def test_directories_outside(directory: str) -> None:
    with pytest.raises(PathRefusedError) as caught:
        normalized_directory(directory)
    assert caught.value.reason is Reason.INVALID_SPEC


@pytest.mark.parametrize(
    ("path", "directory"),
    [
        ("web.yaml", ""),
        ("apps/web.yaml", "apps"),
        ("apps/web.yaml", "./apps/"),
        ("a/b/c/_cluster/x_2fy.yaml", "a/b"),
        ("git/hooks.yaml", ""),
        ("a.git/x", ""),
        ("…/naïve 配置.yaml", ""),
        ("x" * 255, ""),
    ],
)
def test_paths_that_may_be_written(path: str, directory: str) -> None:
    check_path(path, directory)


@pytest.mark.parametrize(
    ("path", "directory", "reason"),
    [
        ("web.yaml", "apps", Reason.OUT_OF_SCOPE),
        ("apps", "apps", Reason.OUT_OF_SCOPE),
        ("apps2/web.yaml", "apps", Reason.OUT_OF_SCOPE),
        ("Apps/web.yaml", "apps", Reason.OUT_OF_SCOPE),
        ("apps/../web.yaml", "apps", Reason.FIELD_REFUSED),
        ("apps/", "apps", Reason.FIELD_REFUSED),
        ("apps/.github/x", "apps", Reason.FIELD_REFUSED),
    ],
)
def test_paths_that_are_refused(path: str, directory: str, reason: Reason) -> None:
    with pytest.raises(PathRefusedError) as caught:
        check_path(path, directory)
    assert caught.value.reason is reason


def test_joining() -> None:
    assert joined("", "a/b") == "a/b"
    assert joined("apps", "a/b") == "apps/a/b"


@given(st.text(max_size=20))
def test_what_passes_is_one_harmless_name(name: str) -> None:
    if fault_of(name):
        return
    assert name not in {"", ".", ".."}
    assert not name.lower().startswith(".git")
    assert not any(ord(character) < 0x20 for character in name)
    name.encode()  # no half surrogate


def test_names_that_one_file_system_takes_for_one() -> None:
    assert folded("Web") == folded("wEB")
    assert folded("caf\u00e9") == folded("CAFE\u0301")
    assert folded("straße") == folded("STRASSE")
    assert folded("a") != folded("b")
