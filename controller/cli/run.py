"""`tandem run`: the controller, with settings from flags and the environment."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from controller.bootstrap import run_controller
from controller.cli.engine import process_settings
from controller.cli.exits import Exit
from controller.cli.parser import (
    Parser,
    add_engine_flags,
    add_log_flags,
    console_of,
    parse_networks,
    parse_seconds,
)
from controller.errors import Reason, StalledError
from controller.runtime.logging import configure_logging
from controller.runtime.tasks import TaskEndedError
from controller.settings import Settings
from controller.web.admission import CertificateError
from controller.web.bind import BindError

EXAMPLES = """
tandem run --kubeconfig ~/.kube/config --database sqlite:////var/lib/tandem/tandem.db
tandem run --allow-namespaces shop,blog --metrics-bind 0.0.0.0:8080
tandem run --namespace shop,blog    looks after the Fabrics of these namespaces, and needs no rights beyond them
TANDEM_DATA_DIR=/var/lib/tandem tandem run --log-level debug --log-format text
"""


def configure(parser: Parser) -> None:
    """Declare the flags."""
    add_engine_flags(parser)
    parser.add_setting(
        "--webhook-bind",
        metavar="HOST:PORT",
        help="for the API server's questions before a Fabric is written, and for whose write it is; needs "
        "--webhook-cert-dir; default: none",
    )
    parser.add_setting(
        "--webhook-cert-dir", metavar="FOLDER", convert=Path, help="with tls.crt and tls.key for --webhook-bind"
    )
    parser.add_setting(
        "--webhook-client-ca",
        metavar="FILE",
        convert=Path,
        help="authorities, one of which has signed the certificate of whoever asks at --webhook-bind; default: anybody "
        "may ask",
    )
    _configure_notifications(parser)
    parser.add_setting(
        "--metrics-bind", metavar="HOST:PORT", help="for /livez, /readyz and /metrics; default: 127.0.0.1:8080"
    )
    add_log_flags(parser)


def _configure_notifications(parser: Parser) -> None:
    parser.add_setting(
        "--smtp-url",
        metavar="URL",
        help="the mail server for notifications, smtp:// (STARTTLS) or smtps://; one with a password by the variable",
    )
    parser.add_setting("--smtp-from", metavar="ADDRESS", help="the sender of notifications; default: tandem@localhost")
    parser.add_setting(
        "--webhook-allow-cidr",
        metavar="A,B",
        convert=parse_networks,
        help="networks that notifications may be posted to although they are not public, such as 10.1.2.0/24",
    )
    parser.add_setting(
        "--notify-after",
        metavar="TIME",
        convert=parse_seconds,
        help="how long what may pass by itself has to fail before anybody is told; default: 30s",
    )


def execute(options: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    configure_logging(options.log_level, console=console_of(options))
    settings = checked_settings(options)
    try:
        asyncio.run(run_controller(settings))
    except BindError as error:
        raise StalledError(Reason.INVALID_SPEC, f"--metrics-bind or --webhook-bind: {error}") from error
    except CertificateError as error:
        raise StalledError(Reason.INVALID_SPEC, f"--webhook-cert-dir or --webhook-client-ca: {error}") from error
    except TaskEndedError as error:
        raise StalledError(Reason.PROGRESSING, f"{error}; the log above says why") from error
    except OSError as error:
        raise StalledError(Reason.PROGRESSING, _told(error, settings)) from error
    return Exit.DONE


def checked_settings(options: argparse.Namespace) -> Settings:
    """The settings; ends the process where flags do not go together."""
    if bool(options.webhook_bind) != (options.webhook_cert_dir is not None):
        options.parser.error("--webhook-bind and --webhook-cert-dir belong together; give both or none")
    if options.webhook_client_ca is not None and not options.webhook_bind:
        options.parser.error("--webhook-client-ca is for --webhook-bind; give both, or not this one")
    return process_settings(options)


def _told(error: OSError, settings: Settings) -> str:
    """An address that is taken, a folder that cannot be written: what failed, and which flag it is about."""
    if error.filename is None:
        return f"--metrics-bind {settings.metrics_bind}: {error.strerror or error}"
    return f"{error.filename}: {error.strerror}; give another --data-dir or --database"
