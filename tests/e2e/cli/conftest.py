"""The command line beside a controller, in a home of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.dev.controlplane import ControlPlane
from tests.support.cli import Cli
from tests.support.fabrics import Fabrics
from tests.support.tandem import Tandem


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Somebody's home folder, with nothing in it."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def bare(controlplane: ControlPlane, crds: None, home: Path, namespace: str) -> Cli:
    """The admin's command line in the test's namespace, no controller needed."""
    return Cli.of(controlplane, home, namespace)


@pytest.fixture
def cli(controlplane: ControlPlane, home: Path, fabrics: Fabrics, tandem: Tandem) -> Cli:
    """The same, with the settings of the controller that the module's tests share."""
    return Cli.of(controlplane, home, fabrics.namespace).using(launched=tandem.launch)
