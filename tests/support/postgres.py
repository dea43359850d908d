"""A PostgreSQL server of the tests' own: a temporary folder, loopback, TLS, nothing that outlives it.

The server refuses to run as root; root starts it as the user `postgres`, who has to reach the folder, so that lies
directly below the system's temporary folder and not in pytest's.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from controller.dev.certificates import Authority
from controller.dev.children import Child
from controller.dev.ports import free_port
from tests.support.wait import wait_until

PROGRAMS = Path("/usr/lib/postgresql")  # where Debian keeps each version's
MISSING = "PostgreSQL's server is not installed, and these tests need it: apt-get install postgresql"
PASSWORD = "hunter2-canary"  # nothing may ever show it
ROLE = "tandem"
READY = 30.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
    "ssl": "on",
}


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs. Fails in one line where there is none."""
    versions = sorted(PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    assert found is not None, MISSING
    return found


def _as_server_user() -> list[str]:
    """The prefix of a command of the server: what root may not run, and what is to end with us."""
    if os.getuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=KILL", "--"]


class PostgresServer:
    """Started at once; stopped and its folder removed by `close`. Start and stop only from the main thread."""

    def __init__(self) -> None:
        initdb, postgres = program("initdb"), program("postgres")
        self.folder = Path(tempfile.mkdtemp(prefix="tandem-postgres-"))
        self.port = free_port()
        self._data = self.folder / "data"
        authority = Authority(self.folder / "authority")
        self.authority = authority.certificate
        pair = authority.issue("postgres", ["127.0.0.1"])
        if os.getuid() == 0:
            self.folder.chmod(0o755)
            for path in (self.folder, pair.key, pair.certificate):
                shutil.chown(path, "postgres", "postgres")
            pair.key.parent.chmod(0o755)
        command = [initdb, "--pgdata", str(self._data), "--username=postgres", "--no-sync", "--encoding=UTF8"]
        command += ["--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256"]
        subprocess.run([*_as_server_user(), *command], check=True, stdout=subprocess.DEVNULL, cwd="/")
        settings = SETTINGS | {
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "ssl_cert_file": str(pair.certificate),
            "ssl_key_file": str(pair.key),
        }
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        log = self.folder / "server.log"
        self._child = Child("postgres", [*_as_server_user(), postgres, "-D", str(self._data)], log, cwd=Path("/"))
        self.start()
        self.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        self._child.start()
        wait_until(lambda: not self._child.running or self._answers(), READY)
        assert self._child.running, self._child.log_tail()

    def stop(self) -> None:
        """Shut it down as an administrator would, with every session ended."""
        self._signal(signal.SIGINT)

    def crash(self) -> None:
        """End it without a word to its clients; the next start recovers."""
        self._signal(signal.SIGQUIT)

    def close(self) -> None:
        """Stop it, and leave nothing behind."""
        if self._child.running:
            self.crash()
        shutil.rmtree(self.folder)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What the administrator is answered, as plain text."""
        command = ["psql", "--no-psqlrc", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder)]
        command += ["-p", str(self.port), "-U", "postgres", "-d", database, "-c", statement]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def set_tls(self, state: str) -> None:
        """Have new connections offered TLS (`on`) or not (`off`)."""
        self.sql(f"ALTER SYSTEM SET ssl = {state}")
        self.sql("SELECT pg_reload_conf()")
        wait_until(lambda: self.sql("SHOW ssl") == state, READY)

    def make_database(self) -> str:
        """The name of a new, empty database, which the role `tandem` owns."""
        name = f"t{secrets.token_hex(6)}"
        self.sql(f"CREATE DATABASE {name} OWNER {ROLE}")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, database: str, password: str = PASSWORD, query: str = "") -> str:
        """As a user would write it: over TLS, with the server verified in full."""
        query = query or f"sslrootcert={self.authority}"
        return f"postgresql://{ROLE}:{password}@127.0.0.1:{self.port}/{database}?{query}"

    def dump(self, database: str, place: Path) -> None:
        """A backup, as `pg_dump` makes it."""
        self._client("pg_dump", "--format=custom", f"--file={place}", database)

    def restore(self, place: Path, database: str) -> None:
        """Put a backup in the place of what the database holds."""
        self._client("pg_restore", "--clean", "--if-exists", f"--dbname={database}", str(place))

    def _client(self, name: str, *arguments: str) -> None:
        command = [program(name), "-h", str(self.folder), "-p", str(self.port), "-U", "postgres", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def _answers(self) -> bool:
        command = [program("pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)]
        return subprocess.run(command, timeout=10, check=False).returncode == 0

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self._child.pid, number)
        self._child.wait(READY)
