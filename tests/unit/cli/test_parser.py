"""Flags: where their values come from, and what is refused."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from controller.cli.engine import settings_of
from controller.cli.exits import Exit
from controller.cli.parser import (
    Parser,
    add_cluster_flags,
    add_engine_flags,
    parse_list,
    parse_namespace,
    parse_namespaces,
    parse_networks,
    parse_seconds,
    parse_size,
    parse_switch,
    variable_of,
)
from controller.settings import Settings


def engine(*arguments: str, **environ: str) -> argparse.Namespace:
    """The options of a command that works with the engine."""
    parser = Parser("tandem run", "Run.")
    add_cluster_flags(parser)
    add_engine_flags(parser)
    return parser.parse(arguments, environ)


def refused(*arguments: str, **environ: str) -> int:
    with pytest.raises(SystemExit) as end:
        engine(*arguments, **environ)
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize(("flag", "variable"), [("--data-dir", "TANDEM_DATA_DIR"), ("--database", "TANDEM_DATABASE")])
def test_the_variable_of_a_flag(flag: str, variable: str) -> None:
    assert variable_of(flag) == variable


class TestSettings:
    @pytest.mark.parametrize(
        ("arguments", "environ", "found"),
        [
            ([], {}, None),
            ([], {"TANDEM_DATABASE": "sqlite:///e.db"}, "sqlite:///e.db"),
            ([], {"TANDEM_DATABASE": ""}, None),
            (["--database", "sqlite:///f.db"], {"TANDEM_DATABASE": "sqlite:///e.db"}, "sqlite:///f.db"),
        ],
        ids=["default", "environment", "an empty variable is none", "flag"],
    )
    def test_flag_else_environment_else_default(
        self, arguments: list[str], environ: dict[str, str], found: str | None
    ) -> None:
        assert engine(*arguments, **environ).database == found

    @pytest.mark.parametrize(
        ("arguments", "environ", "found"),
        [
            ([], {}, False),
            ([], {"TANDEM_ALLOW_INSECURE_GIT": "true"}, True),
            (["--allow-insecure-git"], {}, True),
            (["--no-allow-insecure-git"], {"TANDEM_ALLOW_INSECURE_GIT": "1"}, False),
        ],
    )
    def test_switches_can_be_turned_off_again(self, arguments: list[str], environ: dict[str, str], found: bool) -> None:
        assert engine(*arguments, **environ).allow_insecure_git is found

    def test_what_the_environment_says_is_checked_like_a_flag(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert refused(TANDEM_ALLOW_NAMESPACES="Shop") == Exit.USAGE
        assert capsys.readouterr().err == (
            "error: TANDEM_ALLOW_NAMESPACES=Shop: 'Shop' is not the name of a namespace\n"
            "run `tandem run --help` for what is possible\n"
        )
        assert refused("--allow-namespaces", "Shop") == Exit.USAGE
        assert "'Shop' is not the name of a namespace" in capsys.readouterr().err

    def test_a_proxy_s_password_is_not_repeated(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert engine(TANDEM_GIT_PROXY="http://ada:hush@proxy:3128").git_proxy == "http://ada:hush@proxy:3128"
        assert refused(TANDEM_GIT_PROXY="socks5://ada:hush@proxy:1080") == Exit.USAGE
        said = capsys.readouterr().err
        assert "not the URL of a proxy" in said
        assert "hush" not in said

    def test_a_choice_is_taken_in_any_case_and_kept_as_it_is_spelled(self) -> None:
        parser = Parser("tandem x", "X.")
        parser.add_setting("--level", help="how loud", choices=("Info", "Debug"), default="Info")
        assert parser.parse(["--level", "DEBUG"], {}).level == "Debug"
        assert parser.parse([], {"TANDEM_LEVEL": "debug"}).level == "Debug"
        assert parser.parse([], {}).level == "Info"
        assert "{Info,Debug}" in parser.format_help()
        assert "[$TANDEM_LEVEL]" in parser.format_help()

    def test_the_engine_s_settings_are_what_the_options_say(self, tmp_path: Path) -> None:
        options = engine(
            "--kubeconfig", "/k", "--context", "here", "--data-dir", str(tmp_path), "--allow-namespaces", "a,b",
            "--controller-namespace", "ops", "--allow-insecure-git", "--database", "sqlite:///x.db",
            "--mirror-quota", "2Gi", "--git-proxy", "http://proxy:3128", "--git-no-proxy", "git.example.com,.svc",
        )  # fmt: skip
        assert settings_of(options) == Settings(
            kubeconfig=Path("/k"),
            context="here",
            data_dir=tmp_path,
            database="sqlite:///x.db",
            allow_namespaces=("a", "b"),
            controller_namespace="ops",
            allow_insecure_git=True,
            mirror_quota=2 << 30,
            git_proxy="http://proxy:3128",
            git_no_proxy=("git.example.com", ".svc"),
        )

    def test_what_nobody_says_has_the_engine_s_defaults(self, tmp_path: Path) -> None:
        settings = settings_of(engine("--data-dir", str(tmp_path)))
        assert settings == Settings(data_dir=tmp_path)
        assert settings.database_url == f"sqlite:///{tmp_path}/tandem.db"
        assert settings.controller_namespace == "tandem-system"
        assert settings.allow_namespaces == ()

    def test_in_a_pod_the_controller_s_namespace_is_the_pod_s(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "namespace").write_text("ops\n")
        monkeypatch.setattr("controller.cli.engine.SERVICE_ACCOUNT", tmp_path)
        assert settings_of(engine()).controller_namespace == "ops"
        assert settings_of(engine("--controller-namespace", "other")).controller_namespace == "other"


class TestValues:
    @pytest.mark.parametrize(
        ("text", "size"),
        [("0", 0), ("1000", 1000), ("5Ki", 5120), ("500Mi", 500 << 20), ("10Gi", 10 << 30), ("1Ti", 1 << 40)],
    )
    def test_sizes(self, text: str, size: int) -> None:
        assert parse_size(text) == size

    @pytest.mark.parametrize("text", ["", "10G", "-1", "1.5Gi", "Gi", "10 Gi", "9" * 20])
    def test_what_is_no_size(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError, match="is not a size such as 500Mi or 10Gi"):
            parse_size(text)

    @pytest.mark.parametrize(
        ("text", "seconds"), [("30", 30.0), ("0.5", 0.5), ("30s", 30.0), ("2m", 120.0), ("1h30m", 5_400.0), ("0", 0.0)]
    )
    def test_seconds(self, text: str, seconds: float) -> None:
        assert parse_seconds(text) == seconds

    @pytest.mark.parametrize("text", ["", "soon", "-1", "5 m", "1d", "nan", "inf"])
    def test_what_is_no_time(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError):
            parse_seconds(text)

    @pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "on"])
    def test_on(self, text: str) -> None:
        assert parse_switch(text)

    @pytest.mark.parametrize("text", ["false", "0", "no", "Off"])
    def test_off(self, text: str) -> None:
        assert not parse_switch(text)

    def test_neither_on_nor_off(self) -> None:
        with pytest.raises(argparse.ArgumentTypeError, match="'perhaps' is neither true nor false"):
            parse_switch("perhaps")

    @pytest.mark.parametrize(
        ("text", "names"), [("*", ("*",)), ("shop", ("shop",)), ("shop, blog,", ("shop", "blog")), ("", ())]
    )
    def test_namespaces(self, text: str, names: tuple[str, ...]) -> None:
        assert parse_namespaces(text) == names

    @pytest.mark.parametrize("text", ["Shop", "a.b", "-a", "a" * 64, "a/b", "*x"])
    def test_what_is_no_namespace(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError, match="is not the name of a namespace"):
            parse_namespace(text)

    def test_lists(self) -> None:
        assert parse_list("Deployment, ConfigMap,") == ("Deployment", "ConfigMap")


def test_networks() -> None:
    assert parse_networks("10.1.2.0/24, fd00::/8,127.0.0.1") == ("10.1.2.0/24", "fd00::/8", "127.0.0.1")
    for text in ("10.1.2.3/24", "example.com", "10.1.2.0/33", "all"):
        with pytest.raises(argparse.ArgumentTypeError, match=r"is not a network such as 10\.1\.2\.0/24"):
            parse_networks(text)


def test_an_abbreviated_flag_is_unknown() -> None:
    assert refused("--kubeconf", "/k") == Exit.USAGE


def test_examples_are_shown_as_they_are_written() -> None:
    parser: Any = Parser("tandem x", "X.", "\ntandem x a     # one\n\ntandem x b\n")
    assert parser.format_help().endswith("examples:\n  tandem x a     # one\n\n  tandem x b\n")
