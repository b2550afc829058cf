"""The ledger: every distinct event for life, keyed by (shard, source, id)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import asyncpg

Identity = tuple[str, str]

# Order of the columns of a ledger row, as tuples in the hot path: building 8,000 objects a batch costs more than COPY.
COLUMNS = (
    "shard", "source", "id", "case_id", "type", "time_ms", "seq", "ordinal", "appended_ms", "topic", "kafka_offset",
    "content_hash", "body",
)  # fmt: skip
LedgerRow = tuple[int, str, str, str, str, int, int, int, int, str, int, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger holds under an identity: its content hash and the case it was recorded for."""

    content_hash: bytes
    case_id: str


async def find(connection: asyncpg.Connection, shard: int, identities: Sequence[Identity]) -> dict[Identity, Recorded]:
    """Return those of the identities that are recorded in this shard."""
    rows = await connection.fetch(
        """SELECT l.source, l.id, l.content_hash, l.case_id
           FROM unnest($2::text[], $3::text[]) AS w(source, id)
           JOIN ledger l ON l.shard = $1 AND l.source = w.source AND l.id = w.id""",
        shard,
        [source for source, _ in identities],
        [event_id for _, event_id in identities],
    )
    return {(row["source"], row["id"]): Recorded(row["content_hash"], row["case_id"]) for row in rows}


async def append(connection: asyncpg.Connection, rows: Sequence[LedgerRow]) -> None:
    """COPY new rows. Raises asyncpg.UniqueViolationError when one of the identities is recorded already."""
    if rows:
        await connection.copy_records_to_table("ledger", records=rows, columns=COLUMNS)


async def bodies_of_cases(
    connection: asyncpg.Connection, shard: int, case_ids: Iterable[str]
) -> dict[str, list[bytes]]:
    """All recorded events of the cases, in no particular order: the fold orders them itself."""
    rows = await connection.fetch(
        "SELECT case_id, body FROM ledger WHERE shard = $1 AND case_id = ANY($2::text[])", shard, list(case_ids)
    )
    found: dict[str, list[bytes]] = {}
    for row in rows:
        found.setdefault(row["case_id"], []).append(row["body"])
    return found


async def cases_of(connection: asyncpg.Connection, source: str, event_id: str) -> list[str]:
    """Return the cases for which an identity is recorded, over all shards; more than one is a double."""
    rows = await connection.fetch(
        "SELECT DISTINCT case_id FROM ledger WHERE source = $1 AND id = $2 ORDER BY 1", source, event_id
    )
    return [row["case_id"] for row in rows]
