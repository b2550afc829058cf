"""Read a batch: each record becomes an event of this shard, a stray of another shard, or a poison with its reason.

Pure: the same bytes give the same reading, so it is done once, before the transaction and outside its retries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.codec import Decoded, decode
from schemas.errors import ContractError
from services.metrics.batch import Record
from services.runtime.partition import shard_of
from services.store.incidents import MisroutedRow, QuarantineRow

# The topic takes batches of 1 MiB, and a stray may have come compressed. One that the relay cannot send would hold up
# everything behind it in the outbox, so it is kept instead, with its bytes.
FORWARDED_BYTES = 1_000_000


class Understood(NamedTuple):
    """A record of this shard that follows the contract."""

    record: Record
    decoded: Decoded


@dataclass(frozen=True, slots=True)
class Reading:
    """A batch, sorted by fate; each list in offset order."""

    understood: Sequence[Understood]
    poison: Sequence[QuarantineRow]
    strays: Sequence[MisroutedRow]

    def starting_at(self, position: int) -> Reading:
        """Without what lies below a position: those records are committed already."""
        return Reading(
            [item for item in self.understood if item.record.offset >= position],
            [row for row in self.poison if row.kafka_offset >= position],
            [row for row in self.strays if row.kafka_offset >= position],
        )


def poisoned(record: Record, error: str, pointer: str, reason: str) -> QuarantineRow:
    """Return the record as it is kept: its bytes, coordinates and what is wrong with it."""
    return QuarantineRow(
        kafka_offset=record.offset,
        appended_ms=record.timestamp_ms,
        error=error,
        pointer=pointer,
        reason=reason,
        key=record.key,
        value=record.value,
        headers=record.headers,
    )


def read(records: Sequence[Record], shard: int, partitions: int) -> Reading:
    """Sort records by fate. Never raises for what a record holds."""
    understood: list[Understood] = []
    poison: list[QuarantineRow] = []
    strays: list[MisroutedRow] = []
    for record in records:
        try:
            decoded = decode(record.value, record.headers, record.key)
        except ContractError as fault:
            poison.append(poisoned(record, type(fault).__name__, fault.pointer, fault.reason))
            continue
        target = shard_of(decoded.partitionkey, partitions)
        if target == shard:
            understood.append(Understood(record, decoded))
        elif _size(record) > FORWARDED_BYTES:
            poison.append(poisoned(record, "TooLargeToForward", "", f"in partition {shard}, belongs to {target}"))
        else:
            strays.append(
                MisroutedRow(
                    kafka_offset=record.offset,
                    target_shard=target,
                    source=decoded.source,
                    id=decoded.id,
                    case_id=decoded.partitionkey,
                    value=record.value or b"",
                    headers=record.headers,
                )
            )
    return Reading(understood, poison, strays)


def _size(record: Record) -> int:
    return len(record.value or b"") + sum(len(name) + len(value or b"") for name, value in record.headers)
