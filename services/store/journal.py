"""The journal: append-only postings, each with its case and its cause."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

COLUMNS = (
    "shard", "seq", "ordinal", "recorded_at", "case_id", "engineer", "measure", "dim", "at_ms", "book_ms", "value", "n",
    "cause_source", "cause_id",
)  # fmt: skip


async def append(connection: asyncpg.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """COPY postings, tuples in the order of COLUMNS."""
    if rows:
        await connection.copy_records_to_table("journal", records=rows, columns=COLUMNS)
