"""What stands beside the numbers, on the wire."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Row

from services.api.instants import rfc3339
from services.store.sources import SourceRow


class Decision(BaseModel):
    """What somebody decided about an item, and why."""

    state: str = Field(description="resolved, fixed, replayed or waived.")
    actor: str
    reason: str

    @classmethod
    def of(cls, row: Row[Any]) -> Self | None:
        """The latest decision of a listed row, None while nobody decided."""
        found = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
        if found["state"] is None:
            return None
        return cls(state=found["state"], actor=found["state_actor"], reason=found["state_reason"])


class Listed(BaseModel):
    """An item with where it was recorded."""

    model_config = ConfigDict(from_attributes=True)

    shard: int
    seq: int = Field(description="The commit that listed it.")
    recorded_at: AwareDatetime


class ConflictItem(Listed):
    """An identity that came again with other content. The recorded event counts; this one was kept and does not."""

    ordinal: int
    source: str
    id: str
    case_id: str
    time: str = Field(description="Event time of the one that does not count.")
    counted_time: str | None = Field(description="Event time of the one that counts.")
    topic: str
    kafka_offset: int
    content_hash: str
    decision: Decision | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """A listed row as it goes out."""
        return cls(
            shard=row.shard,
            seq=row.seq,
            ordinal=row.ordinal,
            recorded_at=row.recorded_at,
            source=row.source,
            id=row.id,
            case_id=row.case_id,
            time=rfc3339(row.time_ms),
            counted_time=None if row.counted_time_ms is None else rfc3339(row.counted_time_ms),
            topic=row.topic,
            kafka_offset=row.kafka_offset,
            content_hash=row.content_hash.hex(),
            decision=Decision.of(row),
        )


class QuarantineItem(Listed):
    """A record that could not be understood. Nothing of it counts; its bytes and coordinates are kept."""

    topic: str
    kafka_offset: int
    appended_at: str = Field(description="The broker's append time.")
    error: str = Field(description="The class of the fault.")
    pointer: str = Field(description="JSON Pointer to the place of the fault.")
    reason: str
    value_bytes: int | None
    decision: Decision | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """A listed row as it goes out."""
        return cls(**_quarantine_fields(row))


class QuarantineRecord(QuarantineItem):
    """A quarantined record with its bytes, base64."""

    key_base64: str | None
    value_base64: str | None
    headers: list[tuple[str, str]] = Field(description="Name and base64 of the value.")

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """A row with its bytes."""
        return cls(
            **_quarantine_fields(row),
            key_base64=_base64(row.key),
            value_base64=_base64(row.value),
            headers=[(name, value) for name, value in row.headers],
        )


class MisroutedItem(Listed):
    """A record in another partition than murmur2(partitionkey) says: its producer uses another partitioner. It was forwarded and counts."""

    topic: str
    kafka_offset: int
    target_shard: int
    source: str
    id: str
    case_id: str


class DoubleItem(BaseModel):
    """One identity recorded under two partition keys. The later one was withdrawn by a system event."""

    model_config = ConfigDict(from_attributes=True)

    source: str
    id: str
    kept_shard: int
    kept_case: str
    withdrawn_shard: int
    withdrawn_case: str
    recorded_at: AwareDatetime


class SourceItem(BaseModel):
    """How far one source has been heard."""

    source: str
    events: int = Field(description="Records received from it, repeated ones included.")
    conflicts: int
    first_seen: AwareDatetime
    last_seen: AwareDatetime = Field(description="When something of it was last committed.")
    last_event_time: str = Field(description="The newest event time it named.")
    last_appended: str = Field(description="When the broker last took something of it.")
    silent_seconds: int = Field(description="Since `last_seen`, at the time of the answer.")
    ahead_seconds: int = Field(
        description="How far its newest event time lies ahead of the broker's clock; 0 when it does not."
    )

    @classmethod
    def of(cls, row: SourceRow, now_ms: int) -> Self:
        """A source as seen at an instant."""
        return cls(
            source=row.source,
            events=row.events,
            conflicts=row.conflicts,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            last_event_time=rfc3339(row.last_time_ms),
            last_appended=rfc3339(row.last_appended_ms),
            silent_seconds=max(0, now_ms // 1000 - int(row.last_seen.timestamp())),
            ahead_seconds=max(0, (row.last_time_ms - row.last_appended_ms) // 1000),
        )


class CheckpointItem(BaseModel):
    """A recorded cut through the journal: figures `as_of` it can be asked for for ever."""

    checkpoint_id: int
    recorded_at: AwareDatetime
    reason: str
    cutoff: Mapping[int, int] = Field(description="For each shard the first seq that is not included.")

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """A listed row as it goes out."""
        return cls(checkpoint_id=row.checkpoint_id, recorded_at=row.recorded_at, reason=row.reason, cutoff=row.cutoff)


def _quarantine_fields(row: Row[Any]) -> dict[str, Any]:
    names: Sequence[str] = (
        "shard", "seq", "recorded_at", "topic", "kafka_offset", "error", "pointer", "reason", "value_bytes",
    )  # fmt: skip
    fields = {name: getattr(row, name) for name in names}
    return fields | {"appended_at": rfc3339(row.appended_ms), "decision": Decision.of(row)}


def _base64(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()
