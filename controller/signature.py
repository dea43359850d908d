"""How Tandem signs what it posts, and how programs sign what they post to it: HMAC-SHA256 over `<timestamp>.<body>`.

One form for both directions, below the rooms that speak it: a receiver of notifications can check what it gets by the
same lines with which it tells of a push.
"""

from __future__ import annotations

import hashlib
import hmac

SIGNATURE = "X-Tandem-Signature-256"
TIMESTAMP = "X-Tandem-Timestamp"  # seconds since 1970


def signature_of(token: bytes, stamp: str, body: bytes) -> str:
    """The value of the header SIGNATURE for a body with this TIMESTAMP."""
    return f"sha256={hmac.new(token, stamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"
