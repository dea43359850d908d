"""What keeps a file from being decrypted or encrypted. Messages are our own: what sops says may hold values."""

from __future__ import annotations

from controller.errors import Reason, RejectedError


class DecryptionFailedError(RejectedError):
    """A file cannot be decrypted. `passing`: the same file and keys may do another time."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(Reason.DECRYPTION_FAILED, message)
        self.passing = passing
