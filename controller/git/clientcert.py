"""Whether a https server wants a client's certificate: asked only when it hung up, since it may have said so in vain.

In TLS 1.3 a server judges the client's certificate after the handshake, while the client sends its request already; the
connection is then reset, and the alert is often lost. A client that sends nothing hears it.
"""

from __future__ import annotations

import socket
import ssl

from controller.git.remote import DEFAULT_PORTS, Address

# Reasons of OpenSSL's for an alert with which a server asks for a certificate (RFC 8446, 6.2).
ASKING = ("ALERT_CERTIFICATE_REQUIRED", "ALERT_HANDSHAKE_FAILURE", "ALERT_BAD_CERTIFICATE")


def wants_certificate(address: Address, authority: str, timeout: float) -> bool:
    """Connect without a certificate, and listen. False where nobody asks for one, or nothing can be heard."""
    try:
        context = ssl.create_default_context(cadata=authority or None)
        place = (address.name, address.port or DEFAULT_PORTS["https"])
        with (
            socket.create_connection(place, timeout) as plain,
            context.wrap_socket(plain, server_hostname=address.name) as secured,
        ):
            secured.recv(1)
    except ssl.SSLError as error:
        return str(error.reason).endswith(ASKING)
    except OSError:
        return False
    return False
