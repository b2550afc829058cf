"""The gateway's figures for Prometheus. Names carry their unit; labels are few and never hold people or sources."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STATUSES: Final = ("accepted", "rejected", "unacknowledged")


class Telemetry:
    """One registry a process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter(
            "kaohe_ingest_events_total", "Events submitted, by verdict.", ["status"], registry=self.registry
        )
        self.notes = Counter(
            "kaohe_ingest_noted_total",
            "Accepted events that go to quarantine, by note.",
            ["note"],
            registry=self.registry,
        )
        self.requests = Histogram(
            "kaohe_ingest_request_seconds",
            "Duration of a request.",
            ["route", "method", "status"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.acknowledge = Histogram(
            "kaohe_ingest_acknowledge_seconds",
            "Wait for the broker's acknowledgement of a request's events.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "kaohe_ingest_in_flight_bytes", "Bodies being read and events not acknowledged.", registry=self.registry
        )
        self.rebuilds = Gauge(
            "kaohe_ingest_producer_rebuilds", "Producers replaced since the start.", registry=self.registry
        )
        for status in STATUSES:
            self.events.labels(status)
