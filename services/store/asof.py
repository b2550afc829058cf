"""Find the recorded checkpoint that a question about the past means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A recorded cut: for each shard the first seq that is NOT included."""

    checkpoint_id: int
    recorded_at: datetime
    cutoff: Mapping[int, int]


async def checkpoint(connection: asyncpg.Connection, checkpoint_id: int) -> Checkpoint | None:
    """The checkpoint of this id."""
    return _checkpoint(
        await connection.fetchrow(
            "SELECT checkpoint_id, recorded_at, cutoff FROM checkpoint WHERE checkpoint_id = $1", checkpoint_id
        )
    )


async def checkpoint_at(connection: asyncpg.Connection, instant: datetime) -> Checkpoint | None:
    """The last checkpoint recorded at or before an instant (an aware datetime)."""
    return _checkpoint(
        await connection.fetchrow(
            """SELECT checkpoint_id, recorded_at, cutoff FROM checkpoint WHERE recorded_at <= $1
               ORDER BY recorded_at DESC, checkpoint_id DESC LIMIT 1""",
            instant,
        )
    )


def _checkpoint(row: asyncpg.Record | None) -> Checkpoint | None:
    if row is None:
        return None
    cutoff = {int(shard): int(seq) for shard, seq in json.loads(row["cutoff"]).items()}
    return Checkpoint(row["checkpoint_id"], row["recorded_at"], cutoff)
