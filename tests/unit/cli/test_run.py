"""What `tandem run` makes of its flags before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.cli.app import parser_of
from controller.cli.exits import Exit
from controller.cli.run import checked_settings
from controller.settings import Settings


def settings(*arguments: str, **environ: str) -> Settings:
    parser, _ = parser_of("run")
    options = parser.parse(arguments, environ)
    options.parser = parser
    return checked_settings(options)


@pytest.mark.parametrize(
    ("arguments", "environ", "namespaces"),
    [
        ([], {}, ()),
        (["-n", "shop"], {}, ("shop",)),
        (["--namespace", "shop, blog"], {}, ("shop", "blog")),
        ([], {"TANDEM_NAMESPACE": "shop"}, ("shop",)),
        (["-n", "*"], {"TANDEM_NAMESPACE": "shop"}, ()),
    ],
    ids=repr,
)
def test_whose_fabrics_it_looks_after(
    arguments: list[str], environ: dict[str, str], namespaces: tuple[str, ...]
) -> None:
    assert settings(*arguments, **environ).namespaces == namespaces


def test_the_webhook_needs_an_address_and_a_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = settings("--webhook-bind", ":9443", "--webhook-cert-dir", str(tmp_path))
    assert (both.webhook_bind, both.webhook_cert_dir) == (":9443", tmp_path)
    for half in (["--webhook-bind", ":9443"], ["--webhook-cert-dir", str(tmp_path)]):
        with pytest.raises(SystemExit) as ended:
            settings(*half)
        assert ended.value.code == Exit.USAGE
        assert "belong together" in capsys.readouterr().err


def test_who_may_ask_the_webhook_is_told_with_its_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clients = ("--webhook-client-ca", str(tmp_path / "ca.crt"))
    found = settings("--webhook-bind", ":9443", "--webhook-cert-dir", str(tmp_path), *clients)
    assert found.webhook_client_ca == tmp_path / "ca.crt"
    with pytest.raises(SystemExit) as ended:
        settings(*clients)
    assert ended.value.code == Exit.USAGE
    assert "--webhook-client-ca is for --webhook-bind" in capsys.readouterr().err


def test_a_namespace_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        settings("-n", "Shop")
    assert ended.value.code == Exit.USAGE
    assert "--namespace: 'Shop' is not the name of a namespace" in capsys.readouterr().err


def test_how_receivers_are_told() -> None:
    found = settings("--webhook-allow-cidr", "10.0.0.0/8", "--notify-after", "2m", TANDEM_SMTP_URL="smtp://u:pw-7@mail")
    assert (found.webhook_allow_cidr, found.notify_after) == (("10.0.0.0/8",), 120.0)
    assert (found.smtp_url, found.smtp_from) == ("smtp://u:pw-7@mail", "tandem@localhost")
    assert "pw-7" not in repr(found)
