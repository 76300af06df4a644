"""What Prometheus reads. The library is imported at the first scrape, not at start."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Reading = tuple[str, str, str, float]  # name, help, counter or gauge, value


class Metrics:
    """Turns readings into Prometheus text."""

    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read
        self._registry: Any = None

    def text(self) -> tuple[bytes, str]:
        """Return the text and its content type."""
        from prometheus_client import (
            CONTENT_TYPE_LATEST,
            CollectorRegistry,
            ProcessCollector,
            generate_latest,
        )

        if self._registry is None:
            self._registry = CollectorRegistry()
            self._registry.register(self)
            ProcessCollector(registry=self._registry)
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterable[Any]:
        """Give the readings as the library wants them."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for name, description, kind, value in self._read():
            family = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
            yield family(f"swanbridge_{name}", description, value=value)
