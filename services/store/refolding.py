"""Reading for a verification: every case of the ledger and every posting of the journal below a cut, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg

from services.core.kpi.contribution import PostingKey
from services.store.freezing import PAGE_ROWS, SEQ_WINDOW

CASE_ROWS = 4_000

_BODIES = """
SELECT case_id, source, id, body FROM ledger
WHERE shard = $1 AND seq < $2 AND (case_id, source, id) > ($3, $4, $5)
ORDER BY case_id, source, id LIMIT $6"""


async def cases_below(
    pool: asyncpg.Pool, shard: int, below_seq: int, *, page_rows: int = CASE_ROWS
) -> AsyncIterator[dict[str, list[bytes]]]:
    """Whole cases with the canonical bodies of their events recorded below the cut. A case is never split over pages."""
    after = ("", "", "")
    pending: dict[str, list[bytes]] = {}
    while True:
        rows = await pool.fetch(_BODIES, shard, below_seq, *after, page_rows)
        for row in rows:
            pending.setdefault(row["case_id"], []).append(row["body"])
        if len(rows) < page_rows:
            break
        last = rows[-1]
        after = (last["case_id"], last["source"], last["id"])
        unfinished = {last["case_id"]: pending.pop(last["case_id"])}
        if pending:
            yield pending
        pending = unfinished
    if pending:
        yield pending


_LINES = """
SELECT seq, ordinal, case_id, engineer, measure, dim, at_ms, book_ms, value, n FROM journal
WHERE shard = $1 AND (seq, ordinal) > ($2, $3) AND seq < $4 ORDER BY seq, ordinal LIMIT $5"""


async def journal_below(
    pool: asyncpg.Pool, shard: int, below_seq: int, *, page_rows: int = PAGE_ROWS
) -> AsyncIterator[list[tuple[str, PostingKey, int]]]:
    """(case, posting key, signed items) of every posting below the cut."""
    low = 0
    while low < below_seq:
        high = min(low + SEQ_WINDOW, below_seq)
        after = (low, -1)
        while True:
            rows = await pool.fetch(_LINES, shard, *after, high, page_rows)
            if rows:
                yield [_line(row) for row in rows]
                after = (rows[-1]["seq"], rows[-1]["ordinal"])
            if len(rows) < page_rows:
                break
        low = high


async def journal_of_case(pool: asyncpg.Pool, shard: int, below_seq: int, case_id: str) -> dict[PostingKey, int]:
    """The net postings of one case below the cut. A scan of the shard: for the few cases that differ."""
    rows = await pool.fetch(
        """SELECT engineer, measure, dim, at_ms, book_ms, value, sum(n)::bigint AS n FROM journal
           WHERE shard = $1 AND seq < $2 AND case_id = $3
           GROUP BY engineer, measure, dim, at_ms, book_ms, value HAVING sum(n) <> 0""",
        shard,
        below_seq,
        case_id,
    )
    return {_key(row): row["n"] for row in rows}


async def events_of_case(pool: asyncpg.Pool, shard: int, below_seq: int, case_id: str) -> list[bytes]:
    """The canonical bodies of one case's events below the cut."""
    rows = await pool.fetch(
        "SELECT body FROM ledger WHERE shard = $1 AND case_id = $2 AND seq < $3", shard, case_id, below_seq
    )
    return [row["body"] for row in rows]


def _line(row: asyncpg.Record) -> tuple[str, PostingKey, int]:
    return row["case_id"], _key(row), row["n"]


def _key(row: asyncpg.Record) -> PostingKey:
    return row["engineer"], row["measure"], row["dim"], row["at_ms"], row["book_ms"], row["value"]
