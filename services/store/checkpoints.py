"""Checkpoints: recorded cuts through the journal, one sequence number per shard."""

from __future__ import annotations

import json

import asyncpg

Cutoff = dict[int, int]
"""For each shard the first seq that is NOT included."""


async def current_cutoff(connection: asyncpg.Connection) -> Cutoff:
    """Return the cut that includes every commit made so far. One statement sees one state of the database."""
    rows = await connection.fetch("SELECT shard, seq FROM shard_head ORDER BY shard")
    return {row["shard"]: row["seq"] + 1 for row in rows}


async def record(connection: asyncpg.Connection, reason: str, cutoff: Cutoff) -> int:
    """Append a checkpoint; returns its id."""
    checkpoint_id: int = await connection.fetchval(
        "INSERT INTO checkpoint (reason, cutoff) VALUES ($1, $2::text::jsonb) RETURNING checkpoint_id",
        reason,
        json.dumps({str(shard): seq for shard, seq in cutoff.items()}),
    )
    return checkpoint_id
