"""requirements.txt says the same as uv.lock: machines without uv install exactly what those with it do."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


@pytest.fixture(scope="module")
def locked() -> dict[str, dict[str, Any]]:
    """The packages of uv.lock by name, but for the project itself."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    return {package["name"]: package for package in lock["package"] if "registry" in package["source"]}


@pytest.fixture(scope="module")
def exported() -> dict[str, tuple[str, set[str]]]:
    """Name → (version, hashes) of requirements.txt."""
    text = (ROOT / "requirements.txt").read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        pin = _PIN.match(line)
        assert pin, f"{line[:60]!r} is not pinned"
        found[pin[1]] = (pin[2], set(_HASH.findall(line)))
    return found


def test_both_name_the_same_packages(locked: dict[str, Any], exported: dict[str, Any]) -> None:
    assert exported.keys() == locked.keys()


def test_both_name_the_same_versions(locked: dict[str, Any], exported: dict[str, Any]) -> None:
    assert {name: version for name, (version, _) in exported.items()} == {
        name: package["version"] for name, package in locked.items()
    }


def test_every_hash_is_one_of_the_lock(locked: dict[str, Any], exported: dict[str, Any]) -> None:
    for name, (_, hashes) in exported.items():
        files = [*locked[name].get("wheels", []), *filter(None, [locked[name].get("sdist")])]
        assert hashes
        assert hashes <= {file["hash"] for file in files}, name


def test_what_the_project_asks_for_is_locked(locked: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = [re.split(r"[\[<>=!~ ]", requirement, maxsplit=1)[0] for requirement in asked]
    assert {re.sub(r"[-_.]+", "-", name).lower() for name in names} <= locked.keys()
