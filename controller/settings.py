"""Every knob of the installation: the flags of `tandem run` and the bounds that are not per fabric.

A knob is read once, at start, from the flag, else from TANDEM_<FLAG>, else from the default here; nothing below
the composition root reads the environment. Defaults that belong to one fabric are declared in `controller.api`.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from controller.bounds import Bounds


def default_data_dir() -> Path:
    """The folder for the database and the Git mirrors: `$XDG_STATE_HOME/tandem`."""
    state_home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state_home) / "tandem"


class Settings(BaseModel):
    """What one controller process was started with."""

    model_config = ConfigDict(frozen=True)

    kubeconfig: Path | None = None
    context: str | None = None
    database: str = ""
    data_dir: Path = Field(default_factory=default_data_dir)
    metrics_bind: str = "127.0.0.1:8080"
    bind: str = Field(default="127.0.0.1:8090", description="HOST:PORT of `tandem serve`.")
    controller_namespace: str = "tandem-system"
    allow_insecure_git: bool = False
    mirror_quota: int = Field(default=10 << 30, description="Bytes of disk for Git mirrors, those in use apart.")
    git_proxy: str = ""
    git_no_proxy: tuple[str, ...] = ()
    sops: str = Field(default="", description="The sops program; looked for on PATH and in Tandem's cache if empty.")
    allow_namespaces: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = Field(default=(), description="The only ones whose Fabrics are looked after.")
    webhook_bind: str = Field(default="", description="HOST:PORT for the API server's questions; empty: not asked.")
    webhook_cert_dir: Path | None = Field(default=None, description="Holds tls.crt and tls.key.")
    webhook_client_ca: Path | None = Field(default=None, description="Authorities of who may ask; None: anybody.")
    smtp_url: str = Field(default="", repr=False, description="The mail server for notifications; empty: none.")
    smtp_from: str = Field(default="tandem@localhost", description="The sender of notifications.")
    webhook_allow_cidr: tuple[str, ...] = Field(
        default=(), description="Networks that notifications may be posted to although they are not public."
    )
    notify_after: float = Field(default=30.0, description="Seconds a failure lasts before anybody is told.")
    in_flight: int = Field(default=64, description="Writes to the Kubernetes API under way at once.")
    workers: int = Field(default=16, description="Fabrics worked on at once.")
    request_timeout: float = Field(default=30.0, description="Seconds for one Kubernetes request.")
    git_timeout: float = Field(default=60.0, description="Seconds for one Git network call.")
    bounds: Bounds = Bounds()

    @property
    def database_url(self) -> str:
        """The database's URL; a SQLite file in the data folder unless one was given."""
        return self.database or f"sqlite:///{self.data_dir / 'tandem.db'}"
