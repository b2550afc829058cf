"""Doubles: one identity recorded in two shards, because it was sent under two partition keys."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

JOB = "doubles"
LONGEST_ID = 255


def withdrawal_id(source: str, event_id: str, withdrawn_case: str) -> str:
    """The id of the system event that withdraws a double: the same whoever makes it and whenever."""
    name = f"double:{source}:{event_id}:{withdrawn_case}"
    return name if len(name) <= LONGEST_ID else f"double:{hashlib.sha256(name.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording of an identity; the earliest by (recorded_at, shard) is the one that counts."""

    recorded_at: datetime
    shard: int
    case_id: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class Page:
    """Commits of one shard that were not looked through yet: seq in (after, upto]."""

    shard: int
    after: int
    upto: int


async def pages(connection: asyncpg.Connection, events: int) -> list[Page]:
    """Return the next page of each shard that has one: whole commits, about `events` new events at most."""
    rows = await connection.fetch(
        """SELECT h.shard, coalesce(p.seq, 0) AS after, least(h.seq, c.upto) AS upto
           FROM shard_head h
           LEFT JOIN job_progress p ON p.job = $1 AND p.shard = h.shard
           CROSS JOIN LATERAL (
               SELECT max(seq) AS upto FROM (
                   SELECT seq, sum(events) OVER (ORDER BY seq) - events AS before FROM commits
                   WHERE shard = h.shard AND seq > coalesce(p.seq, 0) ORDER BY seq LIMIT 1000
               ) s WHERE before < $2
           ) c
           WHERE h.seq > coalesce(p.seq, 0) ORDER BY h.shard""",
        JOB,
        events,
    )
    return [Page(row["shard"], row["after"], row["upto"]) for row in rows]


async def found_in(connection: asyncpg.Connection, page: Page) -> dict[tuple[str, str], list[Entry]]:
    """Identities first recorded in the page that another shard holds too, each with all its entries.

    Of two recordings the one that commits last is looked at after both are visible, so no double is missed whatever the
    order in which shards are looked through.
    """
    rows = await connection.fetch(
        """WITH fresh AS MATERIALIZED (
               SELECT source, id FROM ledger WHERE shard = $1 AND seq > $2 AND seq <= $3
           ), twice AS (
               SELECT f.source, f.id FROM fresh f CROSS JOIN (SELECT shard FROM shard_head WHERE shard <> $1) o
               WHERE EXISTS (SELECT 1 FROM ledger l WHERE l.shard = o.shard AND l.source = f.source AND l.id = f.id)
               GROUP BY f.source, f.id
           )
           SELECT t.source, t.id, l.shard, l.case_id, l.time_ms, c.recorded_at
           FROM twice t CROSS JOIN shard_head h
           JOIN ledger l ON l.shard = h.shard AND l.source = t.source AND l.id = t.id
           JOIN commits c ON c.shard = l.shard AND c.seq = l.seq""",
        page.shard,
        page.after,
        page.upto,
    )
    found: dict[tuple[str, str], list[Entry]] = {}
    for row in rows:
        entry = Entry(row["recorded_at"], row["shard"], row["case_id"], row["time_ms"])
        found.setdefault((row["source"], row["id"]), []).append(entry)
    return found


async def record(connection: asyncpg.Connection, identity: tuple[str, str], kept: Entry, withdrawn: Entry) -> bool:
    """List a double; False when it is listed already."""
    recorded: int | None = await connection.fetchval(
        """INSERT INTO double_found (source, id, kept_shard, kept_case, withdrawn_shard, withdrawn_case)
           VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING 1""",
        *identity,
        kept.shard,
        kept.case_id,
        withdrawn.shard,
        withdrawn.case_id,
    )
    return recorded is not None


def judge(entries: Sequence[Entry]) -> tuple[Entry, list[Entry]]:
    """Return the entry that counts, and those to withdraw."""
    kept, *later = sorted(entries, key=lambda entry: (entry.recorded_at, entry.shard))
    return kept, later
