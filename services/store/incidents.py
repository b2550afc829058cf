"""What a batch could not count, kept with its bytes and coordinates: quarantine, conflicts, misrouted records, outbox."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

Headers = tuple[tuple[str, bytes | None], ...]
"""Of a Kafka record; a header's value may be null."""


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A record that we cannot understand; `error` is the class of the fault, `pointer` the JSON Pointer it was found at."""

    kafka_offset: int
    appended_ms: int
    error: str
    pointer: str
    reason: str
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """A recorded identity that came again with other content."""

    ordinal: int
    source: str
    id: str
    case_id: str
    time_ms: int
    kafka_offset: int
    content_hash: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class MisroutedRow:
    """A record in another partition than its key says, and what is sent on for it, with the same identity."""

    kafka_offset: int
    target_shard: int
    source: str
    id: str
    case_id: str
    value: bytes
    headers: Headers


def headers_to_json(headers: Headers) -> str:
    """JSON array of [name, base64 of the value or null]: header values are bytes of any kind.

    A name is any text; PostgreSQL's JSON has no NUL, so a backslash escapes it (and itself).
    """
    return json.dumps(
        [[_escaped(name), None if value is None else base64.b64encode(value).decode()] for name, value in headers]
    )


def headers_from_json(stored: str) -> list[tuple[str, bytes | None]]:
    """Return what headers_to_json wrote."""
    return [
        (_unescaped(name), None if value is None else base64.b64decode(value)) for name, value in json.loads(stored)
    ]


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace("\x00", "\\0")


def _unescaped(name: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\x00" if found[1] == "0" else found[1], name, flags=re.DOTALL)


async def quarantine(
    connection: asyncpg.Connection, shard: int, topic: str, seq: int, rows: Sequence[QuarantineRow]
) -> None:
    """Keep records that cannot be understood, with their bytes."""
    await connection.executemany(
        """INSERT INTO quarantine (shard, topic, kafka_offset, seq, appended_ms, error, pointer, reason, key, value, headers)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        [
            (
                shard,
                topic,
                row.kafka_offset,
                seq,
                row.appended_ms,
                row.error,
                # PostgreSQL's text has no NUL; the bytes themselves are kept in `value`.
                row.pointer.replace("\x00", "\\0"),
                row.reason.replace("\x00", "\\0"),
                row.key,
                row.value,
                headers_to_json(row.headers),
            )
            for row in rows
        ],
    )


async def conflicts(
    connection: asyncpg.Connection, shard: int, topic: str, seq: int, rows: Sequence[ConflictRow]
) -> None:
    """Keep what came again with other content; the recorded one goes on counting."""
    await connection.executemany(
        """INSERT INTO conflict (shard, seq, ordinal, source, id, case_id, time_ms, topic, kafka_offset, content_hash, body)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        [
            (
                shard,
                seq,
                row.ordinal,
                row.source,
                row.id,
                row.case_id,
                row.time_ms,
                topic,
                row.kafka_offset,
                row.content_hash,
                row.body,
            )
            for row in rows
        ],
    )


async def forward_misrouted(
    connection: asyncpg.Connection, shard: int, topic: str, seq: int, rows: Sequence[MisroutedRow]
) -> None:
    """List the records and put them into the outbox, addressed to the partition that their key says."""
    await connection.executemany(
        """INSERT INTO misrouted (shard, topic, kafka_offset, seq, target_shard, source, id, case_id)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
        [(shard, topic, r.kafka_offset, seq, r.target_shard, r.source, r.id, r.case_id) for r in rows],
    )
    await connection.executemany(
        """INSERT INTO outbox (shard, seq, topic, partition, key, value, headers) VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        [(shard, seq, topic, r.target_shard, r.case_id.encode(), r.value, headers_to_json(r.headers)) for r in rows],
    )


async def touch_sources(connection: asyncpg.Connection, shard: int, rows: Sequence[tuple[str, int, int, int]]) -> None:
    """Advance each source's watermark; rows are (source, newest time_ms, newest append ms, events)."""
    await connection.executemany(
        """INSERT INTO source_seen (shard, source, last_time_ms, last_appended_ms, events) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (shard, source) DO UPDATE SET
               last_seen = clock_timestamp(),
               last_time_ms = greatest(source_seen.last_time_ms, excluded.last_time_ms),
               last_appended_ms = greatest(source_seen.last_appended_ms, excluded.last_appended_ms),
               events = source_seen.events + excluded.events""",
        [(shard, *row) for row in rows],
    )
