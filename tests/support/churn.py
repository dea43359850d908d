"""Somebody who never stops writing the status of an object, as busy controllers do."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from controller.dev.controlplane import ControlPlane

PATIENCE = 10.0  # seconds for the first write, and for the last to end


class Churn:
    """Writes a number into an object's status, over and over, from a thread of its own: some hundred times a second.

    `path` is that of the status subresource; `field` takes a number. It ends with the block, or with the object.
    """

    def __init__(self, plane: ControlPlane, path: str, field: str) -> None:
        self.writes = 0
        self._path = path
        self._field = field
        self._address = urlsplit(plane.server)
        self._trust = ssl.create_default_context(cafile=str(plane.authority.certificate))
        self._headers = {
            "Authorization": f"Bearer {plane.token_of('admin')}",
            "Content-Type": "application/merge-patch+json",
            "User-Agent": "churn",
        }
        self._ended = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="churn", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._begun.wait(PATIENCE), f"{self._path} was not written"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        connection = http.client.HTTPSConnection(
            self._address.hostname or "", self._address.port, context=self._trust, timeout=PATIENCE
        )
        try:
            while not self._ended.is_set():
                body = json.dumps({"status": {self._field: self.writes + 1}})
                connection.request("PATCH", f"{self._path}?fieldManager=churn", body, self._headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != http.HTTPStatus.OK:
                    return
                self.writes += 1
                self._begun.set()
        finally:
            connection.close()
