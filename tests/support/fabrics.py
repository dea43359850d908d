"""Fabrics as people have them: applied with kubectl, waited for by what kubectl shows."""

from __future__ import annotations

import base64
import itertools
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from controller.api.meta import API_VERSION, CONFIRM, FABRIC_LABEL, REQUESTED_AT
from tests.support.api import KINDS, NAMESPACES, Api
from tests.support.kubectl import Kubectl
from tests.support.tandem import Stage
from tests.support.wait import wait_until

T = TypeVar("T")
Json = dict[str, Any]

NAME = "demo"
INTERVAL = "1s"  # of a test's Fabric, unless it asks for another: a push is seen soon, also without a request
DEADLINE = 60.0  # seconds for anything a controller does; well under one where nothing else runs
LOOK = 0.05  # seconds between two looks at a Fabric
POLL = 0.2  # seconds between two looks of a test's own, each of which is mostly a kubectl
NO_FINALIZERS = {"metadata": {"finalizers": None}}


def fabric(url: str, name: str = NAME, annotations: Mapping[str, str] | None = None, **spec: Any) -> Json:
    """A Fabric of the repository at `url`. Keywords are fields of its spec, laid over the defaults here key by key."""
    defaults: Json = {"repository": {"url": url}, "sync": {"interval": INTERVAL, "batchWindow": "0s"}}
    return {
        "apiVersion": API_VERSION,
        "kind": "Fabric",
        "metadata": {"name": name, "annotations": dict(annotations or {})},
        "spec": _overlaid(defaults, spec),
    }


class Fabrics:
    """The Fabrics of one namespace. A deadline that passes shows the Fabric's status and the controller's log."""

    def __init__(self, kubectl: Kubectl, namespace: str, stage: Stage) -> None:
        self.namespace = namespace
        self.kubectl = kubectl.within(namespace)
        self._stage = stage
        self._api = Api(kubectl.kubeconfig)
        self._kinds = f"{KINDS}/namespaces/{namespace}"
        self._requests = itertools.count(1)

    def apply(self, url: str, name: str = NAME, annotations: Mapping[str, str] | None = None, **spec: Any) -> None:
        """Make the Fabric, or change it to this spec."""
        self.kubectl.apply(json.dumps(fabric(url, name, annotations, **spec)), "--server-side")

    def give_secret(self, name: str = "git", /, **values: str | bytes) -> dict[str, str]:
        """Have a Secret beside the Fabric hold exactly these values; the reference to it."""
        whole = {key: value if isinstance(value, bytes) else value.encode() for key, value in values.items()}
        encoded = {key: base64.b64encode(value).decode() for key, value in whole.items()}
        self.kubectl.apply(
            json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded})
        )
        return {"name": name}

    def get(self, name: str = NAME) -> Json:
        """The Fabric as the API server shows it."""
        return self._api.get(f"{self._kinds}/fabrics/{name}")

    def config_map(self, name: str) -> Json | None:
        """A ConfigMap beside the Fabric, with its managed fields; None where there is none."""
        return self._api.find(f"{NAMESPACES}/{self.namespace}/configmaps/{name}")

    def status(self, name: str = NAME) -> Json:
        """Its status; empty before the first one is written."""
        status: Json = self.get(name).get("status", {})
        return status

    def condition(self, kind: str, name: str = NAME) -> Json:
        """One condition of its status; empty where there is none of that type."""
        return condition_of(self.get(name), kind)

    def patch(self, spec: Json, name: str = NAME) -> None:
        """Change fields of the spec by a merge patch."""
        self.kubectl.patch("fabric", name, {"spec": spec})

    def request(self, name: str = NAME) -> str:
        """Ask for a run now (`requestedAt`); the request's text, for `wait_handled`."""
        text = f"{secrets.token_hex(3)}-{next(self._requests)}"
        self.kubectl("annotate", "fabric", name, "--overwrite", f"{REQUESTED_AT}={text}")
        return text

    def confirm(self, token: str, name: str = NAME) -> None:
        """Let a stopped plan through."""
        self.kubectl("annotate", "fabric", name, "--overwrite", f"{CONFIRM}={token}")

    def conflicts(self, name: str = NAME) -> list[Json]:
        """Its SyncConflicts that are not settled."""
        found = self._api.items(f"{self._kinds}/syncconflicts?{urlencode({'labelSelector': f'{FABRIC_LABEL}={name}'})}")
        settled = ("Resolved", "Superseded")
        return [conflict for conflict in found if conflict.get("status", {}).get("state") not in settled]

    def events(self, name: str = NAME) -> list[Json]:
        """The Events about it, the oldest first."""
        which = urlencode({"fieldSelector": f"involvedObject.kind=Fabric,involvedObject.name={name}"})
        found = self._api.items(f"{NAMESPACES}/{self.namespace}/events?{which}")
        return sorted(found, key=lambda event: event["metadata"]["creationTimestamp"])

    def wait(self, holds: Callable[[Json], T | None], name: str = NAME, deadline: float = DEADLINE) -> T:
        """The first true value of `holds(fabric)`; a failing `assert` in it means "not yet"."""
        seen: Json = {}

        def look() -> T | None:
            seen.clear()
            seen.update(self.get(name))
            return holds(seen)

        try:
            return wait_until(look, deadline, poll=LOOK)
        except AssertionError as error:
            raise AssertionError(f"Fabric {self.namespace}/{name}: {error}\n{self._picture(seen)}") from None

    def wait_synced(self, name: str = NAME, revision: str = "", deadline: float = DEADLINE) -> Json:
        """Ready for the present spec, at `revision` if one is given; its status."""

        def synced(found: Json) -> Json:
            assert is_synced(found, revision), f"not Ready at {revision or 'any revision'}"
            status: Json = found["status"]
            return status

        return self.wait(synced, name, deadline)

    def wait_applied(self, revision: str, name: str = NAME, deadline: float = DEADLINE) -> Json:
        """Everything at `revision` is done, in a conflict or an exception, ready or not; its status."""

        def applied(found: Json) -> Json:
            status: Json = found.get("status", {})
            assert status.get("revision", {}).get("applied") == revision, f"applied is not {revision}"
            return status

        return self.wait(applied, name, deadline)

    def wait_condition(
        self, kind: str, status: str, reason: str = "", name: str = NAME, deadline: float = DEADLINE
    ) -> Json:
        """The condition, once it has this status and reason for the present spec; `kind` absent counts as False."""

        def fits(found: Json) -> Json:
            said = condition_of(found, kind)
            assert said.get("status", "False") == status, f"{kind} is {said}"
            assert not reason or said.get("reason") == reason, f"{kind} is {said}"
            assert not said or said["observedGeneration"] == found["metadata"]["generation"], f"{kind} is old: {said}"
            return said or {"type": kind, "status": status}

        return self.wait(fits, name, deadline)

    def wait_handled(self, request: str, name: str = NAME, deadline: float = DEADLINE) -> Json:
        """The status, once the run that `request` asked for is over."""

        def handled(found: Json) -> Json:
            status: Json = found.get("status", {})
            assert status.get("lastHandledRequest") == request, "the request was not handled"
            return status

        return self.wait(handled, name, deadline)

    def wait_conflict(self, name: str = NAME, deadline: float = DEADLINE) -> Json:
        """The Fabric's one open SyncConflict, once there is one and its state says so."""

        def one() -> Json:
            found = self.conflicts(name)
            assert len(found) == 1, f"{len(found)} open conflicts"
            assert found[0].get("status", {}).get("state") == "Open", f"its state is {found[0].get('status')}"
            return found[0]

        return self.eventually(one, name, deadline)

    def eventually(self, holds: Callable[[], T | None], name: str = NAME, deadline: float = DEADLINE) -> T:
        """As `wait`, for what something else shows than the Fabric: an object, a file in Git."""
        try:
            return wait_until(holds, deadline, poll=POLL)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._picture(self.get(name))}") from None

    def remove_all(self, deadline: float = DEADLINE) -> None:
        """Delete every Fabric here. The controller takes its finalizers off; where none runs, that is done here."""
        fabrics = f"{self._kinds}/fabrics"
        if not self._stage.is_attended:
            for item in self._api.items(fabrics):
                self._api.merge(f"{fabrics}/{item['metadata']['name']}", NO_FINALIZERS)
        self._api.delete(fabrics)
        wait_until(lambda: not self._api.items(fabrics), deadline, poll=LOOK)

    def _picture(self, found: Json) -> str:
        """What a failure shows."""
        current = self._stage.current
        logged = current.logs() if current is not None else "(no controller runs)"
        return f"status: {json.dumps(found.get('status'), indent=1)}\ncontroller's log:\n{logged}"


def condition_of(found: Json, kind: str) -> Json:
    """One condition of an object; empty where there is none of that type."""
    conditions: list[Json] = found.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), {})


def is_synced(found: Json, revision: str = "") -> bool:
    """Whether a Fabric is Ready for its present spec, at `revision` if one is given."""
    ready = condition_of(found, "Ready")
    current = ready.get("observedGeneration") == found["metadata"]["generation"]
    applied = found.get("status", {}).get("revision", {}).get("applied")
    return ready.get("status") == "True" and current and revision in ("", applied)


def _overlaid(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _overlaid(below.get(key), value) for key, value in above.items()}
