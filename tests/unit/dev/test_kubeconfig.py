"""Kubeconfigs of local control planes, and telling them from others."""

from __future__ import annotations

import base64
import copy
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from controller.dev.kubeconfig import CONTEXT, is_own_context, write_kubeconfig

SERVER = "https://127.0.0.1:20001"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    authority = tmp_path / "ca.crt"
    authority.write_text("PEM")
    return write_kubeconfig(tmp_path / "config", server=SERVER, authority=authority, user="alice", token="secret")


@pytest.fixture
def config(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def test_the_authority_is_inside_and_verification_is_on(config: dict[str, Any]) -> None:
    cluster = config["clusters"][0]["cluster"]
    assert cluster["server"] == SERVER
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"PEM"
    assert "insecure-skip-tls-verify" not in cluster
    assert config["users"] == [{"name": "alice", "user": {"token": "secret"}}]


def test_the_token_is_for_its_owner_only(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_our_own_context_is_known_again(config: dict[str, Any]) -> None:
    assert config["current-context"] == CONTEXT
    assert is_own_context(config, CONTEXT)


def test_a_context_that_is_not_there_is_not_ours(config: dict[str, Any]) -> None:
    assert not is_own_context(config, "production")
    assert not is_own_context({}, CONTEXT)
    assert not is_own_context({"contexts": None, "clusters": None}, CONTEXT)


def test_the_name_alone_makes_no_context_ours(config: dict[str, Any]) -> None:
    del config["contexts"][0]["context"]["extensions"]
    assert not is_own_context(config, CONTEXT)


def test_a_context_pointed_elsewhere_is_not_ours(config: dict[str, Any]) -> None:
    moved = copy.deepcopy(config)
    moved["clusters"][0]["cluster"]["server"] = "https://production.example.com"
    assert not is_own_context(moved, CONTEXT)
    gone = copy.deepcopy(config)
    gone["clusters"] = []
    assert not is_own_context(gone, CONTEXT)


def test_a_mark_of_somebody_else_makes_no_context_ours(config: dict[str, Any]) -> None:
    config["contexts"][0]["context"]["extensions"][0]["name"] = "minikube"
    assert not is_own_context(config, CONTEXT)
