"""The roster as it is kept: append-only versions; the roster at version v is the latest record of each (kind, key) up to v.

Repositories never commit: the transaction is the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from services.core.roster import PersonId, Record, RegionEngineer, RegionRepresentative, Roster
from services.core.roster_rows import parse_row, render_row

RecordKey = tuple[str, str]
"""(kind, key) of a record: what it is about and the day it begins. A later row with the same key replaces it."""


@dataclass(frozen=True, slots=True)
class StoredRoster:
    """The records that a version holds; version 0 is the empty roster before the first import."""

    version: int
    recorded_at: datetime | None
    records: Mapping[RecordKey, Record]

    def roster(self) -> Roster:
        """Lookups by day over these records."""
        return Roster.of(self.records.values())


@dataclass(frozen=True, slots=True)
class ActorWeight:
    """A source id as postings name it, and how much rests on it."""

    actor: str
    postings: int
    events: int
    first_seen_ms: int
    last_seen_ms: int
    book_days: tuple[date, ...]


def key_of(record: Record) -> RecordKey:
    """The identity under which a record is versioned."""
    begins = record.since.isoformat()
    cells = render_row(record)
    parts: tuple[str, ...]
    match record:
        case RegionRepresentative() | RegionEngineer():
            parts = (record.person, record.region, begins)
        case PersonId():
            parts = (record.source, record.source_id, record.person, begins)
        case _:
            parts = (cells["id"], begins)
    return cells["record"], "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)


async def lock(connection: asyncpg.Connection) -> None:
    """One import at a time: held until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('kaohe.roster'))")


async def latest_version(connection: asyncpg.Connection) -> int:
    """The newest version, 0 before the first import."""
    version: int = await connection.fetchval("SELECT coalesce(max(version), 0) FROM roster_version")
    return version


async def version_at(connection: asyncpg.Connection, instant: datetime) -> int:
    """The version in force at an instant, 0 before the first import."""
    version: int = await connection.fetchval(
        "SELECT coalesce(max(version), 0) FROM roster_version WHERE recorded_at <= $1", instant
    )
    return version


async def load(connection: asyncpg.Connection, version: int | None = None) -> StoredRoster | None:
    """The roster at a version (None: the newest). None when there is no such version."""
    wanted = await latest_version(connection) if version is None else version
    head = await connection.fetchrow("SELECT version, recorded_at FROM roster_version WHERE version = $1", wanted)
    if head is None:
        return StoredRoster(0, None, {}) if wanted == 0 else None
    rows = await connection.fetch(
        """SELECT kind, key, body FROM (
               SELECT DISTINCT ON (kind, key) kind, key, removed, body FROM roster_record
               WHERE version <= $1 ORDER BY kind, key, version DESC
           ) AS newest WHERE NOT removed ORDER BY kind, key""",
        wanted,
    )
    records = {(row["kind"], row["key"]): parse_row(json.loads(row["body"])) for row in rows}
    return StoredRoster(wanted, head["recorded_at"], records)


async def append(
    connection: asyncpg.Connection,
    *,
    written: Iterable[Record],
    removed: Iterable[Record],
    author: str,
    note: str,
) -> int:
    """Record a new version with these records written and removed; returns it. Written and removed keys are disjoint."""
    version: int = await connection.fetchval(
        "INSERT INTO roster_version (author, note) VALUES ($1, $2) RETURNING version", author, note
    )
    rows = [_row(version, record, removed=False) for record in written]
    rows += [_row(version, record, removed=True) for record in removed]
    await connection.executemany(
        "INSERT INTO roster_record (version, kind, key, removed, body) VALUES ($1, $2, $3, $4, $5)", rows
    )
    return version


def _row(version: int, record: Record, *, removed: bool) -> tuple[int, str, str, bool, str]:
    kind, key = key_of(record)
    return version, kind, key, removed, json.dumps(render_row(record), ensure_ascii=False)


async def versions(connection: asyncpg.Connection, *, before: int | None, limit: int) -> Sequence[asyncpg.Record]:
    """Versions, newest first: version, recorded_at, author, note, records (written or removed by it)."""
    return await connection.fetch(
        """SELECT v.version, v.recorded_at, v.author, v.note,
                  (SELECT count(*) FROM roster_record r WHERE r.version = v.version) AS records
           FROM roster_version v WHERE $1::bigint IS NULL OR v.version < $1 ORDER BY v.version DESC LIMIT $2""",
        before,
        limit,
    )


async def actors(connection: asyncpg.Connection) -> list[str]:
    """Every actor that any bucket names, by name. A loose index scan: its cost grows with actors, not with postings."""
    rows = await connection.fetch(
        """WITH RECURSIVE found AS (
               SELECT h.shard, (SELECT min(b.engineer) FROM bucket b WHERE b.shard = h.shard) AS engineer FROM shard_head h
               UNION ALL
               SELECT f.shard, (SELECT min(b.engineer) FROM bucket b WHERE b.shard = f.shard AND b.engineer > f.engineer)
               FROM found f WHERE f.engineer IS NOT NULL
           )
           SELECT DISTINCT engineer FROM found WHERE engineer IS NOT NULL ORDER BY engineer"""
    )
    return [row["engineer"] for row in rows]


async def weights(connection: asyncpg.Connection, wanted: Sequence[str], zone: str) -> list[ActorWeight]:
    """What rests on each of the actors, heaviest first; `book_days` are local days of the zone."""
    rows = await connection.fetch(
        """SELECT engineer, count(*) AS postings, count(DISTINCT (cause_source, cause_id)) AS events,
                  min(book_ms) AS first_ms, max(book_ms) AS last_ms,
                  array_agg(DISTINCT (to_timestamp(book_ms / 1000.0) AT TIME ZONE $2)::date) AS days
           FROM journal WHERE engineer = ANY($1::text[]) GROUP BY engineer ORDER BY postings DESC, engineer""",
        list(wanted),
        zone,
    )
    return [
        ActorWeight(
            row["engineer"], row["postings"], row["events"], row["first_ms"], row["last_ms"], tuple(sorted(row["days"]))
        )
        for row in rows
    ]


async def record_audit(connection: asyncpg.Connection, actor: str, action: str, body: Mapping[str, object]) -> None:
    """Say in the audit trail who did what."""
    await connection.execute(
        "INSERT INTO audit (actor, action, body) VALUES ($1, $2, $3)",
        actor,
        action,
        json.dumps(body, ensure_ascii=False),
    )
