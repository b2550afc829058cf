"""Progress of periodic jobs, and what keeps tables in shape."""

from __future__ import annotations

import asyncpg


async def progress(connection: asyncpg.Connection, job: str, shard: int) -> int:
    """Return how far a job has come in a shard; 0 before its first run."""
    seq: int | None = await connection.fetchval(
        "SELECT seq FROM job_progress WHERE job = $1 AND shard = $2", job, shard
    )
    return seq or 0


async def advance(connection: asyncpg.Connection, job: str, shard: int, seq: int) -> None:
    """Remember how far a job has come; never goes back."""
    await connection.execute(
        """INSERT INTO job_progress (job, shard, seq) VALUES ($1, $2, $3)
           ON CONFLICT (job, shard) DO UPDATE SET seq = greatest(job_progress.seq, excluded.seq)""",
        job,
        shard,
        seq,
    )


async def shards(connection: asyncpg.Connection) -> list[int]:
    """Shards that have been written to."""
    rows = await connection.fetch("SELECT shard FROM shard_head ORDER BY shard")
    return [row["shard"] for row in rows]


async def ensure_journal_partitions(connection: asyncpg.Connection, months_ahead: int) -> int:
    """Make the journal's partitions of this and the coming months; returns how many were missing."""
    made: int = await connection.fetchval("SELECT ensure_journal_partitions($1)", months_ahead)
    return made


async def seconds_since_checkpoint(connection: asyncpg.Connection) -> float | None:
    """Return the age of the newest checkpoint, None before the first."""
    age: float | None = await connection.fetchval(
        "SELECT extract(epoch FROM clock_timestamp() - max(recorded_at))::float8 FROM checkpoint"
    )
    return age
