"""Where the log ends now: asked of the broker once, before a cut is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

ANSWER_MS = 10_000


class LogEndsUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """The broker does not say where its logs end"""


class LogEnds(Protocol):
    """Tells where each partition of the input ends."""

    async def ends(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> the next offset to be written. Raises LogEndsUnavailable."""
        ...


class KafkaLogEnds:
    """Asks Kafka. Every topic has the same number of partitions."""

    def __init__(self, brokers: str, topics: Sequence[str], partitions: int) -> None:
        self._brokers = brokers
        self._wanted = [TopicPartition(topic, number) for topic in topics for number in range(partitions)]

    async def ends(self) -> dict[tuple[str, int], int]:
        """The high watermarks. Raises LogEndsUnavailable when no broker answers or a partition does not exist."""
        consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=self._brokers, enable_auto_commit=False, request_timeout_ms=ANSWER_MS
        )
        try:
            await consumer.start()
            found = await consumer.end_offsets(self._wanted)
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            raise LogEndsUnavailable(f"{type(error).__name__}: {error}") from error
        finally:
            await consumer.stop()
        return {(partition.topic, partition.partition): int(end) for partition, end in found.items()}
