"""The numbers of `tandem serve`, declared once; docs/metrics.md lists them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector


class ServeMetrics:
    """Every metric of one serving process, in a registry of its own."""

    def __init__(self, version: str) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        Info("tandem_build", "The version that runs.", registry=registry).info({"version": version})
        self._hooks = Counter(
            "tandem_hooks",
            "Messages of Git servers, by provider and how they ended.",
            ["provider", "outcome"],
            registry=registry,
        )

    def hook(self, provider: str, outcome: str) -> None:
        """A message was answered."""
        self._hooks.labels(provider, outcome).inc()
