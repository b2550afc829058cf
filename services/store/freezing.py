"""Reading for a freeze: how far the shards are, what is still open, the cut, and the postings below it.

Nothing here holds a snapshot of the database for long: the cut is a sequence number per shard, what lies below it never changes, and
the journal is read in pages, each in a short transaction of its own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import asyncpg

from schemas.envelope import RESERVED_SOURCE
from services.core.scoring.gathering import Posting, Selection
from services.store import checkpoints, definitions, doubles
from services.store.doubles import JOB as DOUBLES_JOB
from services.store.doubles import Page

PAGE_ROWS = 10_000
SEQ_WINDOW = 2_000
"""How many commits one statement looks at: bounds the scan where few of their postings are wanted."""


@dataclass(frozen=True, slots=True)
class Lag:
    """A partition whose stored position is before the end of the log; None = never seen."""

    topic: str
    shard: int
    position: int | None
    end: int


@dataclass(frozen=True, slots=True)
class Open:
    """Items that nobody has settled: how many, and the coordinates of the first ones."""

    kind: str
    count: int
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """What a snapshot is a function of, besides period, cohort and scheme. `cutoff`: shard -> first seq not included."""

    cutoff: Mapping[int, int]
    roster_version: int
    definition_version: int
    core_version: int
    checkpoint_id: int


class Locks:
    """Advisory locks of one session: they end with its connection, so a process that dies holds none."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def take(self, name: str) -> bool:
        """Take the lock of this name; False when another session holds it."""
        taken: bool = await self._connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name)
        return taken


@asynccontextmanager
async def locks(pool: asyncpg.Pool) -> AsyncIterator[Locks]:
    """A session for locks; leaving the block releases all of them."""
    async with pool.acquire() as connection:
        try:
            yield Locks(cast("asyncpg.Connection", connection))
        finally:
            if not connection.is_closed():
                await connection.execute("SELECT pg_advisory_unlock_all()")


async def lags(connection: asyncpg.Connection, ends: Mapping[tuple[str, int], int]) -> list[Lag]:
    """The partitions whose stored position has not reached the given ends. An empty log has nothing to reach."""
    wanted = [(topic, shard, end) for (topic, shard), end in sorted(ends.items()) if end > 0]
    rows = await connection.fetch(
        """SELECT w.topic, w.shard, w.finish, p.position
           FROM unnest($1::text[], $2::int[], $3::bigint[]) AS w(topic, shard, finish)
           LEFT JOIN shard_position p ON p.topic = w.topic AND p.shard = w.shard
           WHERE p.position IS NULL OR p.position < w.finish ORDER BY w.topic, w.shard""",
        [topic for topic, _, _ in wanted],
        [shard for _, shard, _ in wanted],
        [end for _, _, end in wanted],
    )
    return [Lag(row["topic"], row["shard"], row["position"], row["finish"]) for row in rows]


async def heads_of(connection: asyncpg.Connection) -> dict[int, int]:
    """The seq of each shard's last commit."""
    rows = await connection.fetch("SELECT shard, seq FROM shard_head")
    return {row["shard"]: row["seq"] for row in rows}


async def doubles_behind(connection: asyncpg.Connection, heads: Mapping[int, int]) -> list[int]:
    """Shards in which the search for doubles has not passed the given seq."""
    rows = await connection.fetch(
        """SELECT w.shard FROM unnest($1::int[], $2::bigint[]) AS w(shard, seq)
           LEFT JOIN job_progress p ON p.job = $3 AND p.shard = w.shard
           WHERE w.seq > coalesce(p.seq, 0) ORDER BY w.shard""",
        list(heads),
        list(heads.values()),
        DOUBLES_JOB,
    )
    return [row["shard"] for row in rows]


async def doubles_standing(connection: asyncpg.Connection) -> list[tuple[str, str]]:
    """Identities (source, id) that count twice in the state that the caller's transaction sees.

    Those that were found and whose withdrawal is not in the ledger yet, and those in commits that nobody has looked through: while
    events stream in, the search is never at the heads, so what it has left is looked through here.
    """
    rows = await connection.fetch("SELECT source, id, withdrawn_shard AS shard, withdrawn_case FROM double_found")
    recorded = {(row["source"], row["id"], row["shard"], row["withdrawn_case"]) for row in rows}
    for page in await _unsearched(connection):
        for identity, entries in (await doubles.found_in(connection, page)).items():
            _, later = doubles.judge(entries)
            recorded |= {(*identity, entry.shard, entry.case_id) for entry in later}
    return await _not_withdrawn(connection, sorted(recorded))


async def _unsearched(connection: asyncpg.Connection) -> list[Page]:
    rows = await connection.fetch(
        """SELECT h.shard, coalesce(p.seq, 0) AS after, h.seq AS upto FROM shard_head h
           LEFT JOIN job_progress p ON p.job = $1 AND p.shard = h.shard
           WHERE h.seq > coalesce(p.seq, 0) ORDER BY h.shard""",
        DOUBLES_JOB,
    )
    return [Page(row["shard"], row["after"], row["upto"]) for row in rows]


async def _not_withdrawn(
    connection: asyncpg.Connection, recordings: list[tuple[str, str, int, str]]
) -> list[tuple[str, str]]:
    """Of (source, id, shard, case): those whose withdrawal the shard has not recorded."""
    absent = await connection.fetch(
        """SELECT w.place FROM unnest($1::int[], $2::text[]) WITH ORDINALITY AS w(shard, id, place)
           WHERE NOT EXISTS (SELECT 1 FROM ledger l WHERE l.shard = w.shard AND l.source = $3 AND l.id = w.id)
           ORDER BY w.place""",
        [shard for _, _, shard, _ in recordings],
        [doubles.withdrawal_id(source, event_id, case) for source, event_id, _, case in recordings],
        RESERVED_SOURCE,
    )
    return [recordings[row["place"] - 1][:2] for row in absent]


async def outbox_waiting(connection: asyncpg.Connection, heads: Mapping[int, int]) -> int:
    """How many outbox rows of commits up to the given seq the broker has not acknowledged."""
    waiting: int = await connection.fetchval(
        """SELECT count(*) FROM outbox o JOIN unnest($1::int[], $2::bigint[]) AS w(shard, seq)
           ON o.shard = w.shard AND o.seq <= w.seq""",
        list(heads),
        list(heads.values()),
    )
    return waiting


_OPEN_QUARANTINE = """
SELECT topic || '[' || shard || ']@' || kafka_offset AS item, count(*) OVER () AS total FROM quarantine q
WHERE NOT EXISTS (SELECT 1 FROM quarantine_transition t
                  WHERE t.shard = q.shard AND t.topic = q.topic AND t.kafka_offset = q.kafka_offset)
ORDER BY topic, shard, kafka_offset LIMIT 10"""

_OPEN_CONFLICTS = """
SELECT source || ' ' || id AS item, count(*) OVER () AS total FROM conflict c
WHERE NOT EXISTS (SELECT 1 FROM conflict_transition t
                  WHERE t.shard = c.shard AND t.seq = c.seq AND t.ordinal = c.ordinal)
ORDER BY source, id, shard, seq, ordinal LIMIT 10"""


async def open_items(connection: asyncpg.Connection) -> list[Open]:
    """Quarantined records neither fixed nor waived, and conflicts neither resolved nor waived."""
    found = []
    for kind, query in (("quarantine", _OPEN_QUARANTINE), ("conflict", _OPEN_CONFLICTS)):
        rows = await connection.fetch(query)
        if rows:
            found.append(Open(kind, rows[0]["total"], tuple(row["item"] for row in rows)))
    return found


async def fix_cut(connection: asyncpg.Connection, reason: str, roster_version: int, core_version: int) -> Cut:
    """Fix the cut at every commit that the caller's transaction sees and record it as a checkpoint.

    The transaction is short and sees one state of the database (REPEATABLE READ), so that what it checked is what lies below the cut.
    """
    cutoff = await checkpoints.current_cutoff(connection)
    definition = await definitions.latest_version(connection)
    checkpoint_id = await checkpoints.record(connection, reason, cutoff)
    return Cut(cutoff, roster_version, definition, core_version, checkpoint_id)


_POSTINGS = """
SELECT seq, ordinal, case_id, engineer, measure, dim, at_ms, book_ms, value, n, cause_source || ' ' || cause_id AS cause
FROM journal
WHERE shard = $1 AND (seq, ordinal) > ($2, $3) AND seq < $4 AND book_ms < $5 AND ($6::bigint IS NULL OR at_ms < $6)
  AND (measure = ANY($7::text[]) OR (measure = ANY($8::text[]) AND book_ms >= $9)
       OR (measure = ANY($10::text[]) AND book_ms >= $11))
ORDER BY seq, ordinal LIMIT $12"""


async def postings(
    pool: asyncpg.Pool, shard: int, below_seq: int, selection: Selection, *, page_rows: int = PAGE_ROWS
) -> AsyncIterator[list[Posting]]:
    """The shard's postings below the cut that enter the score, in order of (seq, ordinal), page by page."""
    low = 0
    while low < below_seq:
        high = min(low + SEQ_WINDOW, below_seq)
        after = (low, -1)
        while True:
            rows = await pool.fetch(
                _POSTINGS,
                shard,
                *after,
                high,
                selection.end_ms,
                selection.at_before_ms,
                sorted(selection.needs.stock),
                sorted(selection.needs.period),
                selection.start_ms,
                sorted(selection.needs.year),
                selection.year_ms,
                page_rows,
            )
            if rows:
                yield [_posting(shard, row) for row in rows]
                after = (rows[-1]["seq"], rows[-1]["ordinal"])
            if len(rows) < page_rows:
                break
        low = high


def _posting(shard: int, row: asyncpg.Record) -> Posting:
    return Posting(
        shard,
        row["case_id"],
        row["engineer"],
        row["measure"],
        row["dim"],
        row["at_ms"],
        row["book_ms"],
        row["value"],
        row["n"],
        row["cause"],
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """What stands under an idempotency key: an answer, or (`status` and `response` None) a request without one."""

    request_hash: bytes
    status: int | None
    response: str | None


async def claim(connection: asyncpg.Connection, key_id: str, key: str, request_hash: bytes) -> Claim:
    """Take an idempotency key for a request, or return the answer that stands under it.

    The caller holds the request's lock: a row without an answer was broken off, and whoever comes next takes it over, with
    whatever request, for nothing has happened under it.
    """
    await connection.execute(
        """INSERT INTO idempotency (key_id, idempotency_key, request_hash) VALUES ($1, $2, $3)
           ON CONFLICT (key_id, idempotency_key) DO UPDATE SET request_hash = excluded.request_hash
           WHERE idempotency.status IS NULL""",
        key_id,
        key,
        request_hash,
    )
    return await claimed(connection, key_id, key) or Claim(request_hash, None, None)


async def claimed(connection: asyncpg.Connection, key_id: str, key: str) -> Claim | None:
    """What stands under an idempotency key, for who only looks."""
    row = await connection.fetchrow(
        "SELECT request_hash, status, response::text AS response FROM idempotency WHERE key_id = $1 AND idempotency_key = $2",
        key_id,
        key,
    )
    return Claim(row["request_hash"], row["status"], row["response"]) if row else None


async def answer(
    connection: asyncpg.Connection, key_id: str, key: str, status: int, response: Mapping[str, object]
) -> None:
    """Remember the answer that every repetition of the request gets."""
    await connection.execute(
        """UPDATE idempotency SET status = $3, response = $4::text::jsonb
           WHERE key_id = $1 AND idempotency_key = $2""",
        key_id,
        key,
        status,
        json.dumps(response, ensure_ascii=False),
    )


async def release(connection: asyncpg.Connection, key_id: str, key: str) -> None:
    """Forget a request that was refused: nothing happened, so it may be tried again under its key."""
    await connection.execute(
        "DELETE FROM idempotency WHERE key_id = $1 AND idempotency_key = $2 AND status IS NULL", key_id, key
    )
