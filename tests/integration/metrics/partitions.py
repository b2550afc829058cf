"""Partitions in memory: records as a broker would number them, cut into batches by consumer position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from schemas.wire import STRUCTURED_HEADERS
from services.metrics.batch import PartitionBatch, Record

APPENDED_MS = 1_791_000_000_000


class Partition:
    """One partition of one topic, growing at its end."""

    def __init__(self, topic: str = "events", number: int = 0, *, start: int = 0) -> None:
        self.topic = topic
        self.number = number
        self.start = start
        self.end = start
        self.records: list[Record] = []

    def append(
        self,
        value: Mapping[str, Any] | bytes | None,
        *,
        key: bytes | None = None,
        headers: tuple[tuple[str, bytes | None], ...] = STRUCTURED_HEADERS,
        appended_ms: int = APPENDED_MS,
    ) -> Record:
        """Write a record; an event is written in structured mode."""
        raw = orjson.dumps(value) if isinstance(value, Mapping) else value
        record = Record(self.end, appended_ms, key, raw, headers)
        self.records.append(record)
        self.end += 1
        return record

    def control(self) -> None:
        """Write a record that no application sees: the end of a transaction."""
        self.end += 1

    def batch(self, first: int | None = None, end: int | None = None) -> PartitionBatch:
        """What a consumer reads that goes from one position to another; everything by default."""
        first = self.start if first is None else first
        end = self.end if end is None else end
        records = [record for record in self.records if first <= record.offset < end]
        return PartitionBatch(self.topic, self.number, first, end, records)


def event(
    unit: str,
    number: int,
    name: str = "ticket.opened",
    time: str = "2026-10-08T09:00:00+08:00",
    *,
    source: str = "crm",
    **data: Any,
) -> dict[str, Any]:
    """An event `<unit>-<number>` of the unit's case; `name` is family.verb."""
    made: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{unit}-{number}",
        "source": source,
        "type": f"kaohe.{name}.v1",
        "subject": unit,
        "partitionkey": unit,
        "time": time,
        "data": data,
    }
    if name.startswith("event."):
        del made["subject"]
    return made
