"""The numbers of `tandem serve`, declared once; docs/metrics.md lists them."""

from __future__ import annotations

from prometheus_client import Counter

from controller.runtime.metrics import process_registry


class ServeMetrics:
    """Every metric of one serving process, in a registry of its own."""

    def __init__(self, version: str) -> None:
        self.registry = registry = process_registry(version)
        self._hooks = Counter(
            "tandem_hooks",
            "Messages of Git servers, by provider and how they ended.",
            ["provider", "outcome"],
            registry=registry,
        )

    def hook(self, provider: str, outcome: str) -> None:
        """A message was answered."""
        self._hooks.labels(provider, outcome).inc()
