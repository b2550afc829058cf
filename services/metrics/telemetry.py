"""The worker's figures for Prometheus. Names carry their unit; labels are few and never hold people."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.metrics.lanes import Done

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
EVENTS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
FATES = ("events", "duplicates", "conflicts", "quarantined", "misrouted")


class Telemetry:
    """One registry a worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.records = Counter(
            "kaohe_records_total", "Records committed, by what became of them.", ["fate"], registry=self.registry
        )
        self.postings = Counter("kaohe_postings_total", "Journal postings made.", registry=self.registry)
        self.refolded = Counter("kaohe_refolded_cases_total", "Cases folded anew.", registry=self.registry)
        self.batch_seconds = Histogram(
            "kaohe_batch_seconds", "Duration of one transaction.", buckets=SECONDS, registry=self.registry
        )
        self.batch_events = Histogram(
            "kaohe_batch_records", "Records of one transaction.", buckets=EVENTS, registry=self.registry
        )
        self.lag = Gauge(
            "kaohe_lag_records",
            "Log end minus stored position, partitions of this worker.",
            ["topic", "partition"],
            registry=self.registry,
        )
        self.newest_event = Gauge(
            "kaohe_newest_event_timestamp_seconds", "Time of the newest event counted.", registry=self.registry
        )
        self.in_flight = Gauge("kaohe_transactions_in_flight", "Transactions running.", registry=self.registry)
        self.queued = Gauge("kaohe_queued_records", "Records fetched and waiting.", registry=self.registry)
        self.rebalances = Counter("kaohe_rebalances_total", "Assignments completed by seeking.", registry=self.registry)
        self.outbox_age = Gauge(
            "kaohe_outbox_age_seconds", "Age of the oldest row waiting in the outbox.", registry=self.registry
        )
        self.relayed = Counter(
            "kaohe_outbox_relayed_total", "Outbox rows acknowledged by Kafka.", registry=self.registry
        )
        self.doubles = Counter("kaohe_doubles_total", "Identities found in two shards.", registry=self.registry)
        for fate in FATES:
            self.records.labels(fate)

    def done(self, result: Done) -> None:
        """Count one committed batch."""
        outcome = result.outcome
        for fate in FATES:
            self.records.labels(fate).inc(getattr(outcome, fate))
        self.postings.inc(outcome.postings)
        self.refolded.inc(outcome.refolded)
        self.batch_seconds.observe(result.seconds)
        self.batch_events.observe(len(result.batch.records))
        if outcome.newest_time_ms:
            self.newest_event.set(outcome.newest_time_ms / 1000)

    def lags(self, lags: dict[tuple[str, int], int]) -> None:
        """Set the lag of this worker's partitions; those it lost disappear."""
        self.lag.clear()
        for (topic, partition), records in lags.items():
            self.lag.labels(topic, str(partition)).set(records)
