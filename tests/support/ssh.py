"""Git over ssh as a forge has it: Debian's sshd on a loopback port, with its own host key and nothing but Git to run.

It serves the bare repositories of a `GitServer` at the same root, so that a person may push over http what a controller
fetches over ssh. Keys are looked up at each connection: a key that is taken away opens nothing from then on.
"""

from __future__ import annotations

import getpass
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from controller.dev.children import Child
from controller.dev.gitbackend import backend_environment
from controller.dev.ports import free_port
from tests.support.wait import wait_until

PENALTIES_SINCE = (9, 8)  # the version of OpenSSH that shuts out whoever failed before, which tests do on purpose

CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowTcpForwarding no
AcceptEnv GIT_PROTOCOL
PrintMotd no
LogLevel VERBOSE
"""

# What each key may run: one of Git's two, on a repository below the root. `hold` makes it wait for ever.
SERVE = """\
#!/bin/sh
{environment}
verb="${{SSH_ORIGINAL_COMMAND%% *}}"
path="${{SSH_ORIGINAL_COMMAND#*\\'/}}"
path="${{path%\\'}}"
echo "$verb $path" >> {folder}/requests
test -e {folder}/hold && exec sleep 1000
case "$1 $verb" in
"write git-receive-pack" | *" git-upload-pack") exec git "${{verb#git-}}" {root}/"$path" ;;
"read git-receive-pack") echo "ERROR: The key you are authenticating with has been marked as read only." >&2 ;;
*) echo "there is only Git here" >&2 ;;
esac
exit 1
"""


@dataclass(frozen=True)
class SshKey:
    """A key pair; `private` may be locked by a passphrase."""

    private: str
    public: str


def new_key(passphrase: str = "") -> SshKey:
    """A new pair, as ssh-keygen writes it."""
    key = ed25519.Ed25519PrivateKey.generate()
    locked = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, locked)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return SshKey(private.decode(), public.decode())


class SshGitServer:
    """The repositories under `root` at `ssh://<who>@127.0.0.1:<port>/<name>.git`; its own files lie in `folder`.

    Use it as a context manager, from the main thread.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.port = free_port()
        self._folder = folder
        folder.mkdir(parents=True)
        (folder / "authorized_keys").touch()
        (folder / "sshd_config").write_text(CONFIG.format(port=self.port, folder=folder) + _penalties())
        self._write_command()
        self.renew_host_key()
        command: list[str | Path] = [sshd(), "-D", "-e", "-f", folder / "sshd_config"]
        self._child = Child("sshd", command, folder / "sshd.log")

    def url_of(self, name: str) -> str:
        """Where one repository is fetched from and pushed to."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}/{name}.git"

    @property
    def known_hosts(self) -> str:
        """The line that `ssh-keyscan` prints for this server."""
        return f"[127.0.0.1]:{self.port} {self.host_key.public}\n"

    @property
    def requests(self) -> list[str]:
        """What was asked for: `git-upload-pack demo.git`."""
        log = self._folder / "requests"
        return log.read_text().splitlines() if log.exists() else []

    def authorize(self, *keys: SshKey, read_only: bool = False) -> None:
        """From now on these keys, and no others, open it."""
        command = shlex.join([str(self._folder / "serve"), "read" if read_only else "write"])
        lines = [f'restrict,command="{command}" {key.public}\n' for key in keys]
        (self._folder / "authorized_keys").write_text("".join(lines))

    def renew_host_key(self) -> None:
        """Have another host key from the next start on, as a server that was set up anew."""
        self.host_key = new_key()
        path = self._folder / "host_key"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(self.host_key.private)

    def hold(self) -> None:
        """From now on no request is answered, until `release`."""
        (self._folder / "hold").touch()

    def release(self) -> None:
        """Take back `hold`."""
        (self._folder / "hold").unlink()

    def start(self) -> None:
        """Listen; returns once connections are accepted."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd wants it; its service makes it where there is one
        started = self._child.log.stat().st_size if self._child.log.exists() else 0
        self._child.start()
        wait_until(lambda: not self._child.running or "Server listening" in self._said(started))
        assert self._child.running, f"sshd ended:\n{self._child.log_tail()}"

    def stop(self) -> None:
        """End it and its connections; `start` brings it back on the same port."""
        self._child.stop()

    def _said(self, since: int) -> str:
        return self._child.log.read_bytes()[since:].decode(errors="replace")

    def _write_command(self) -> None:
        variables = backend_environment(self.root).items()
        environment = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables)
        serve = self._folder / "serve"
        text = SERVE.format(
            environment=environment, folder=shlex.quote(str(self._folder)), root=shlex.quote(str(self.root))
        )
        serve.write_text(text)
        serve.chmod(0o755)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()


def sshd() -> str:
    """The server's program, which is on nobody's PATH but root's."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    assert found is not None, "sshd is missing, which these tests talk to (Debian: apt install openssh-server)"
    return found


def _penalties() -> str:
    said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True, timeout=20).stderr
    version = re.search(r"OpenSSH_(\d+)\.(\d+)", said)
    assert version is not None, f"ssh -V says {said!r}"
    return "PerSourcePenalties no\n" if (int(version[1]), int(version[2])) >= PENALTIES_SINCE else ""
