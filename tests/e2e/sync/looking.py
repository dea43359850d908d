"""What a test looks at: the data of live ConfigMaps, and what a Fabric says is wrong."""

from __future__ import annotations

from typing import Any

from tests.support.fabrics import Fabrics


def data(fabrics: Fabrics, name: str) -> dict[str, str] | None:
    """The data of a live ConfigMap; None where there is none."""
    found = fabrics.config_map(name)
    return None if found is None else found.get("data", {})


def wait_error(fabrics: Fabrics, **fields: Any) -> dict[str, Any]:
    """The entry of `status.errors` with these fields, once it is there; a text is looked for in the field's."""

    def fits(entry: dict[str, Any]) -> bool:
        return all(
            value in entry.get(name, "") if isinstance(value, str) else entry.get(name) == value
            for name, value in fields.items()
        )

    def named(found: dict[str, Any]) -> dict[str, Any]:
        errors = found.get("status", {}).get("errors", [])
        fitting = [entry for entry in errors if fits(entry)]
        assert fitting, f"no error with {fields} among {errors}"
        return dict(fitting[0])

    return fabrics.wait(named)


def wait_event(fabrics: Fabrics, reason: str, text: str = "", kind: str = "Warning") -> dict[str, Any]:
    """The Fabric's Event of this reason with this text, once it is there."""

    def told() -> dict[str, Any]:
        events = fabrics.events()
        fitting = [event for event in events if (event["reason"], event["type"]) == (reason, kind)]
        fitting = [event for event in fitting if text in event["message"]]
        assert fitting, f"no {kind} {reason} with {text!r} among {[(e['reason'], e['message']) for e in events]}"
        return dict(fitting[0])

    return fabrics.eventually(told)
