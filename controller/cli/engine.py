"""Settings of the engine from a command's options. Apart from `run`, which imports the whole controller."""

from __future__ import annotations

import argparse
from typing import Any

from controller.cli.parser import parse_namespaces
from controller.kube.config import SERVICE_ACCOUNT
from controller.settings import Settings


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that the options give; what they leave open has the default of `Settings`."""
    given: dict[str, Any] = {
        name: getattr(options, name, None) for name in Settings.model_fields if getattr(options, name, None) is not None
    }
    if "controller_namespace" not in given and (SERVICE_ACCOUNT / "namespace").is_file():
        given["controller_namespace"] = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    return Settings(**given)


def process_settings(options: argparse.Namespace) -> Settings:
    """The same for a process that stays, whose --namespace may name several, or all; ends the process for a bad one."""
    try:
        namespaces = parse_namespaces(options.namespace or "*")
    except argparse.ArgumentTypeError as error:
        options.parser.error(f"--namespace: {error}")
    options.namespaces = () if namespaces == ("*",) else namespaces
    return settings_of(options)
