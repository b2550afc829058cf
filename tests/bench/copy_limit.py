"""The limit: bare COPY of the very ledger rows of a finished run into an empty ledger of the same shape, one connection."""

from __future__ import annotations

import time

import asyncpg

from services.store import ledger

BATCH = 8_000


async def copy_limit(source_url: str, target_url: str) -> float:
    """Return rows/s, each batch its own transaction as in the pipeline; rows come from the run just measured."""
    reader = await asyncpg.connect(source_url)
    writer = await asyncpg.connect(target_url)
    try:
        rows = [
            tuple(row)
            for row in await reader.fetch(
                f"SELECT {', '.join(ledger.COLUMNS)} FROM ledger ORDER BY shard, seq, ordinal"
            )
        ]
        started = time.perf_counter()
        for first in range(0, len(rows), BATCH):
            async with writer.transaction():
                await ledger.append(writer, rows[first : first + BATCH])
        return len(rows) / (time.perf_counter() - started)
    finally:
        await reader.close()
        await writer.close()
