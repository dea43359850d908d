"""The webhook's server does not start half: an address that is taken and a broken certificate are told at once."""

from __future__ import annotations

import socket
from pathlib import Path
from shutil import copyfile

import pytest

from controller.dev.certificates import Authority
from controller.web.admission import AdmissionServer, CertificateError
from controller.web.bind import BindError


def nobody(_: object) -> None:
    """Takes no note of anything."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pair = Authority(tmp_path).issue("server", ["127.0.0.1"])
    copyfile(pair.certificate, tmp_path / "tls.crt")
    copyfile(pair.key, tmp_path / "tls.key")
    return tmp_path


def test_it_says_where_it_listens(folder: Path) -> None:
    server = AdmissionServer("127.0.0.1:0", folder, nobody)
    host, _, port = server.open().rpartition(":")
    assert host == "127.0.0.1"
    socket.create_connection((host, int(port)), timeout=5).close()
    server.close()
    with pytest.raises(OSError):
        socket.create_connection((host, int(port)), timeout=5)


def test_an_address_that_is_taken(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BindError, match=f"{where}: Address already in use"):
            AdmissionServer(where, folder, nobody).open()


@pytest.mark.parametrize("broken", ["tls.crt", "tls.key"])
@pytest.mark.parametrize("content", [None, "nonsense"])
def test_a_certificate_that_cannot_be_used(folder: Path, broken: str, content: str | None) -> None:
    (folder / broken).unlink()
    if content is not None:
        (folder / broken).write_text(content)
    with pytest.raises(CertificateError, match=r"holds no usable tls\.crt and tls\.key"):
        AdmissionServer("127.0.0.1:0", folder, nobody).open()


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_authorities_of_clients_that_cannot_be_used(folder: Path, content: str | None) -> None:
    clients = folder / "clients.crt"
    if content is not None:
        clients.write_text(content)
    with pytest.raises(CertificateError, match=r"clients\.crt holds no usable authorities"):
        AdmissionServer("127.0.0.1:0", folder, nobody, clients).open()
