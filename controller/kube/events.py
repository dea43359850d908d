"""Kubernetes Events: what `kubectl describe` shows. Best effort: one that cannot be written is dropped and logged."""

from __future__ import annotations

from controller.kube.client import KubeClient
from controller.kube.resources import Resource
from controller.objects import ObjectKey


class EventRecorder:
    """Writes events.k8s.io/v1 Events in the background; repetitions within 6 minutes become one event's series."""

    def __init__(self, client: KubeClient, component: str = "tandem.dev/controller") -> None:
        raise NotImplementedError

    def record(
        self,
        resource: Resource,
        key: ObjectKey,
        uid: str,
        reason: str,
        note: str,
        *,
        action: str = "Sync",
        warning: bool = False,
    ) -> None:
        """Queue an event about one object; returns at once."""
        raise NotImplementedError

    async def flush(self) -> None:
        """Return once everything queued so far was written or dropped."""
        raise NotImplementedError

    async def close(self) -> None:
        """Flush, for at most a few seconds, and stop."""
        raise NotImplementedError
