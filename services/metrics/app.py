"""The Faust app of a metrics worker: group membership, fetching and back-pressure. One thin agent, no tables, no web."""

from __future__ import annotations

from typing import Any

import faust
from mode.supervisors import CrashingSupervisor
from yarl import URL

from services.metrics.wiring import Wiring
from services.runtime.settings import MetricsSettings


class App(faust.App):  # type: ignore[misc]
    """A Faust app that carries the worker's wiring to its transport and keeps no files."""

    wiring: Wiring

    def _create_directories(self) -> None:
        """Nothing is stored beside PostgreSQL."""


class BatchSchema(faust.Schema):  # type: ignore[misc]
    """Batches are handed on as they are; reading records is the processor's work, inside its own handling of poison."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        """A batch has no key."""

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's signature
        """Return the value of the message untouched."""
        return message.value


def build_app(settings: MetricsSettings, wiring: Wiring) -> App:
    """Build the app. Call it inside the running event loop, which Faust's services bind to."""
    app = App(id=settings.consumer_group, **configuration(settings))
    app.wiring = wiring
    topic = app.topic(*settings.topics, schema=BatchSchema())

    @app.agent(topic, name="intake", concurrency=1, supervisor_strategy=CrashingSupervisor)  # type: ignore[untyped-decorator]
    async def intake(stream: Any) -> None:
        async for fetched in stream:
            await wiring.lanes.put(fetched.batch, fetched.epoch)

    return app


def configuration(settings: MetricsSettings) -> dict[str, Any]:
    """Faust's settings; each departs from a default that fails us."""
    servers = settings.kafka_brokers.split(",")
    return {
        "broker_consumer": [URL(f"kaohe://{server}") for server in servers],
        "broker_producer": [URL(f"kafka://{server}") for server in servers],
        # Served without authentication on all interfaces by default.
        "web_enabled": False,
        # Nothing is declared: `kaohe topics` makes topics and checks their partitions.
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "reply_create_topic": False,
        # No tables: their state is ahead of or behind the offsets after a crash.
        "store": URL("memory://"),
        "table_standby_replicas": 0,
        # Faust's exactly_once is broken by construction; PostgreSQL's transaction gives the guarantee.
        "processing_guarantee": "at_least_once",
        "producer_acks": -1,
        "producer_threaded": False,
        "stream_wait_empty": True,
        "stream_recovery_delay": 0.0,
        "stream_buffer_maxsize": 256,
        "agent_supervisor": CrashingSupervisor,
        # Batches, not records, are what a poll returns.
        "broker_max_poll_records": settings.batch_events,
        "consumer_max_fetch_size": settings.partition_fetch_bytes,
        "broker_session_timeout": settings.session_timeout_seconds,
        "broker_heartbeat_interval": min(2.0, settings.session_timeout_seconds / 3),
        # How long a rebalance waits for a member that died in the middle of joining. Ours rejoin in milliseconds: lanes
        # are emptied, running transactions go on beside.
        "broker_rebalance_timeout": max(8.0, settings.session_timeout_seconds),
        # aiokafka leaves the group, and never comes back, when nothing was fetched for this long.
        "broker_max_poll_interval": 86_400.0,
        "broker_request_timeout": 90.0,
        "broker_commit_interval": 2.0,
        # How soon a topic that came back is noticed (Faust's default: five minutes).
        "consumer_metadata_max_age_ms": 30_000,
        # A position outside the log must stop us, not move us; the negative control lives as stock does.
        "consumer_auto_offset_reset": "earliest" if "seek" in settings.test_disable else "none",
    }
