"""Where the git program lives while it runs: an empty home with one remote's credentials, and nothing of anybody's.

Arguments of a program can be read by everybody on a machine, so whatever is secret lies in files of 0600 in a folder of
0700, which is removed with the call. It has a fixed place beside the copy, under the copy's lock: what a killed process
left there is removed by the next call.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.git.remote import SSH_USER, address_of
from controller.git.transport import CONNECT_TIMEOUT, Remote

ALIVE = 15  # seconds of silence after which ssh asks a server for a sign of life, three times

# No hook, helper, agent, prompt, maintenance or file of somebody's changes what Git does. Packs are kept as they come,
# since only packs are merged later (packs.py).
SETTINGS = {
    "core.askPass": "",
    "core.fsmonitor": "false",
    "core.pager": "cat",
    "credential.helper": "",
    "fetch.unpackLimit": "1",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1",
    "http.sslVerify": "true",
    "maintenance.auto": "false",
    "pack.writeReverseIndex": "false",
    "protocol.allow": "never",
    "push.gpgSign": "false",
    "submodule.recurse": "false",
    "transfer.unpackLimit": "1",
}

# `-F /dev/null`: no configuration of the machine's or the user's. Relative files: ssh splits and expands paths.
SSH = (
    "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=known_hosts "
    "-o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no -o CheckHostIP=no -o VerifyHostKeyDNS=no "
    "-o IdentitiesOnly=yes -o IdentityFile=identity -o IdentityAgent=none -o CertificateFile=none "
    "-o PreferredAuthentications=publickey -o ControlMaster=no -o ControlPath=none -o ProxyCommand=none "
    "-o ForwardAgent=no -o ForwardX11=no -o ClearAllForwardings=yes -o PermitLocalCommand=no -o RequestTTY=no "
    f"-o ServerAliveInterval={ALIVE} -o ServerAliveCountMax=3"
)


@dataclass(frozen=True, slots=True)
class Home:
    """A home that is there: its folder, and the environment of a program that lives in it."""

    folder: Path
    env: Mapping[str, str]


@contextmanager
def made_home(remote: Remote) -> Iterator[Home]:
    """A home for calls to one remote, removed afterwards. Call it under the copy's lock."""
    folder = home_of(remote.path)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        (folder / "empty").mkdir()
        for name, content in files_of(remote).items():
            write_secret(folder / name, content)
        yield Home(folder, environment(remote, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def home_of(path: Path) -> Path:
    """Where the home of a copy's calls is."""
    return path.with_suffix(".home")


def write_secret(path: Path, content: str) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)


def files_of(remote: Remote) -> dict[str, str]:
    """What lies in the home, by name: whatever must not stand on a command line."""
    shown = remote.credentials
    files = {
        "identity": shown.identity,
        "known_hosts": shown.known_hosts,
        "ca.crt": shown.authority,
        "tls.crt": shown.certificate,
        "tls.key": shown.key,
        ".gitconfig": configuration(remote),
    }
    return {name: content for name, content in files.items() if content}


def configuration(remote: Remote) -> str:
    """The settings that are secret, or hold a secret, as a file of Git's. The header is for this host alone."""
    lines = ["[http]", f"\tproxy = {quoted(remote.proxy)}"]
    address = address_of(remote.url)
    if remote.credentials.authorization:
        port = f":{address.port}" if address.port else ""
        lines += [f"[http {quoted(f'{address.scheme}://{address.host}{port}/')}]"]
        lines += [f"\textraHeader = {quoted(line)}" for line in remote.credentials.headers]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A value as Git's configuration files have it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def environment(remote: Remote, folder: Path) -> dict[str, str]:
    """All that Git gets to see."""
    address = address_of(remote.url)
    settings = SETTINGS | {
        "core.hooksPath": str(folder / "empty"),
        "http.lowSpeedTime": str(max(1, int(remote.timeout))),
        f"protocol.{address.scheme}.allow": "always",
    }
    if remote.credentials.authority:  # only it: the folder keeps those of the system out, which would be trusted beside
        settings |= {"http.sslCAInfo": str(folder / "ca.crt"), "http.sslCAPath": str(folder / "empty")}
    if remote.credentials.certificate:
        settings |= {"http.sslCert": str(folder / "tls.crt"), "http.sslKey": str(folder / "tls.key")}
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "LC_ALL": "C",  # messages are read here
        "GIT_DIR": str(remote.path.absolute()),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_ALLOW_PROTOCOL": address.scheme,
        "GIT_SSH_VARIANT": "ssh",
        "GIT_SSH_COMMAND": ssh_command(remote),
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (key, value) in enumerate(settings.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def ssh_command(remote: Remote) -> str:
    """ssh with nobody's configuration; run in the home's folder."""
    seconds = max(1, int(min(CONNECT_TIMEOUT, remote.timeout)))
    user = "" if address_of(remote.url).user else f" -l {SSH_USER}"
    return f"{SSH} -o ConnectTimeout={seconds}{user}"
