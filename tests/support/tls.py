"""TLS for a test's own servers."""

from __future__ import annotations

import ssl

from controller.dev.certificates import Authority


def server_context(authority: Authority, *, clients: bool = False, host: str = "127.0.0.1") -> ssl.SSLContext:
    """A server at `host` whom the authority vouches for. `clients`: it wants a certificate of the same authority."""
    pair = authority.issue("server", [host])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.certificate)
    return context


def client_secret(authority: Authority, name: str = "client") -> dict[str, bytes]:
    """`tls.crt` and `tls.key` of a client of the authority, as a Secret holds them."""
    pair = authority.issue(name)
    return {"tls.crt": pair.certificate.read_bytes(), "tls.key": pair.key.read_bytes()}
