"""What the transport hands over and what processing it amounts to. Nothing here knows Faust or PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Record(NamedTuple):
    """One Kafka record, unread: offset in its partition, the broker's append time in epoch ms, raw bytes.

    A tuple, for it is built for every record and a frozen dataclass takes five times as long.
    """

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class PartitionBatch:
    """Consecutive records of one partition.

    `position_from` and `position_to` are consumer positions, not offsets: they count control records of transactional
    producers too, so that `position_to` of one batch is `position_from` of the next even where offsets have holes.
    """

    topic: str
    partition: int
    position_from: int
    position_to: int
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one transaction did: records by fate, postings made, cases refolded; `seq` is 0 when there was nothing to do."""

    shard: int
    seq: int
    events: int = 0
    duplicates: int = 0
    conflicts: int = 0
    quarantined: int = 0
    misrouted: int = 0
    postings: int = 0
    buckets: int = 0
    refolded: int = 0
    outbox: int = 0
    newest_time_ms: int = 0
