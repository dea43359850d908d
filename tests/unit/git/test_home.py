"""What the git program gets to see: the files of one remote, and nothing that is secret outside of them."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from controller.git.credentials import Credentials
from controller.git.home import home_of, made_home
from controller.git.transport import Remote

SECRET = Credentials(
    'Basic hush"\\', ("hush",), identity="hush-key", known_hosts="hosts", authority="ca", certificate="crt", key="hush"
)


def remote(tmp_path: Path, url: str = "https://host:8443/demo.git") -> Remote:
    return Remote(url, SECRET, tmp_path / "0123abcd", 7.0, "http://ada:hush@proxy:3128")


def test_secrets_lie_in_files_of_their_owner_and_go(tmp_path: Path) -> None:
    with made_home(remote(tmp_path)) as home:
        assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700
        files = {path.name: path for path in home.folder.iterdir() if path.is_file()}
        assert set(files) == {"identity", "known_hosts", "ca.crt", "tls.crt", "tls.key", ".gitconfig"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
        assert "hush" not in " ".join([*home.env.keys(), *home.env.values()])
    assert not home.folder.exists()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left = home_of(remote(tmp_path).path)
    (left / "hooks").mkdir(parents=True)
    (left / ".gitconfig").write_text("[core]\n\tsshCommand = evil\n")
    with made_home(remote(tmp_path)) as home:
        assert not (home.folder / "hooks").exists()
        assert "evil" not in (home.folder / ".gitconfig").read_text()
    with pytest.raises(RuntimeError), made_home(remote(tmp_path)):
        raise RuntimeError
    assert not left.exists()


def asked(home_env: dict[str, str], *arguments: str) -> str:
    """What the real git makes of it."""
    done = subprocess.run(["git", *arguments], env=home_env, capture_output=True, text=True, check=False, timeout=20)
    return done.stdout.strip()


def test_the_real_git_reads_it_as_it_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "1")
    monkeypatch.setenv("https_proxy", "http://elsewhere:1")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    with made_home(remote(tmp_path)) as home:
        env = dict(home.env)
        assert not {"GIT_SSL_NO_VERIFY", "https_proxy", "SSH_AUTH_SOCK"} & env.keys()
        there, elsewhere = "https://host:8443/demo.git", "https://other:8443/demo.git"
        assert asked(env, "config", "--get-urlmatch", "http.extraHeader", there) == 'Authorization: Basic hush"\\'
        assert asked(env, "config", "--get-urlmatch", "http.extraHeader", elsewhere) == ""
        assert asked(env, "config", "--get-urlmatch", "http.extraHeader", "https://host/demo.git") == ""
        assert asked(env, "config", "--get-urlmatch", "http.proxy", there) == "http://ada:hush@proxy:3128"
        assert asked(env, "config", "--get", "http.followRedirects") == "false"
        assert asked(env, "config", "--get", "protocol.allow") == "never"
        assert asked(env, "config", "--get", "protocol.https.allow") == "always"
        assert env["GIT_ALLOW_PROTOCOL"] == "https"


@pytest.mark.parametrize(
    ("url", "user"), [("ssh://ada@host/d.git", False), ("git@host:d.git", False), ("ssh://host/d.git", True)]
)
def test_ssh_is_told_everything(tmp_path: Path, url: str, user: bool) -> None:
    with made_home(remote(tmp_path, url)) as home:
        command = home.env["GIT_SSH_COMMAND"]
        assert home.env["GIT_ALLOW_PROTOCOL"] == "ssh"
    done = subprocess.run(
        [*command.split(), "-G", "host"], capture_output=True, text=True, check=True, timeout=20, cwd=tmp_path
    )
    settings = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    wanted = {
        "stricthostkeychecking": "true",
        "userknownhostsfile": "known_hosts",
        "globalknownhostsfile": "/dev/null",
        "batchmode": "yes",
        "identitiesonly": "yes",
        "identityfile": "identity",
        "identityagent": "none",
        "forwardagent": "no",
        "permitlocalcommand": "no",
        "updatehostkeys": "false",
        "connecttimeout": "7",
        "preferredauthentications": "publickey",
    }
    assert {key: settings.get(key) for key in wanted} == wanted
    assert ("-l git" in command) is user
