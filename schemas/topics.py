"""Which topics there are, how they are set up, who writes and who reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

EVENTS_TOPIC: Final = "kaohe.events.v1"
PARTITIONS: Final = 8
RETENTION_DAYS: Final = 30

# Numbers are texts, as Kafka's own tools write them.
SETTINGS: Final[Mapping[str, str]] = {
    "cleanup.policy": "delete",  # the ledger keeps events for life; the log only has to outlive an outage and the oldest backup
    "retention.ms": str(RETENTION_DAYS * 86_400_000),
    "retention.bytes": "-1",
    "message.timestamp.type": "LogAppendTime",  # a source's lag and future times are judged by the broker's clock
    "max.message.bytes": "1048588",
    "unclean.leader.election.enable": "false",  # an acknowledged event is never given up
}


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is to be created. `partitions` can never change: the shard of a case follows from it."""

    name: str
    purpose: str
    partitions: int
    key: str
    value: str
    producers: Sequence[str]
    consumers: Sequence[str]
    settings: Mapping[str, str]

    def settings_for(self, replicas: int) -> dict[str, str]:
        """The settings for so many replicas: `acks=all` waits for two of them where there are two."""
        return dict(self.settings) | {"min.insync.replicas": "2" if replicas > 2 else "1"}


def topics(
    events_topic: str = EVENTS_TOPIC, input_topics: Sequence[str] = (), partitions: int = PARTITIONS
) -> tuple[Topic, ...]:
    """The topic that the gateway writes to, then further input topics that others write to; all of one number of partitions."""
    further = [name for name in dict.fromkeys(input_topics) if name != events_topic]
    return (
        _topic(
            events_topic,
            "All events of all families",
            partitions,
            ("services.ingest", "services.metrics (outbox)", "direct producers"),
        ),
        *(
            _topic(name, "Further input: the same events from other producers", partitions, ("direct producers",))
            for name in further
        ),
    )


def _topic(name: str, purpose: str, partitions: int, producers: Sequence[str]) -> Topic:
    return Topic(
        name=name,
        purpose=purpose,
        partitions=partitions,
        key="the event's partitionkey in UTF-8; partition = murmur2(key) & 0x7fffffff % partitions, as Java's default partitioner",
        value="CloudEvents 1.0: structured mode (header content-type: application/cloudevents+json) or binary mode (ce_ headers)",
        producers=producers,
        consumers=("services.metrics",),
        settings=SETTINGS,
    )


TOPICS: Final = topics()
