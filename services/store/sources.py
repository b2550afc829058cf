"""How complete the input is: what each source was last heard to say, and what of it could not be counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Select, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.store.tables import conflict, source_seen


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source over all shards. `last_time_ms` is event time, `last_appended_ms` the broker's; `events` counts distinct and repeated ones."""

    source: str
    first_seen: datetime
    last_seen: datetime
    last_time_ms: int
    last_appended_ms: int
    events: int
    conflicts: int


async def sources(connection: AsyncConnection, *, after: str | None, limit: int) -> list[SourceRow]:
    """Sources by name."""
    rows = await connection.execute(_query(after, limit))
    return [SourceRow(**row) for row in rows.mappings()]


def _query(after: str | None, limit: int) -> Select[tuple[object, ...]]:
    conflicts = (
        select(func.count()).select_from(conflict).where(conflict.c.source == source_seen.c.source).scalar_subquery()
    )
    query = (
        select(
            source_seen.c.source,
            func.min(source_seen.c.first_seen).label("first_seen"),
            func.max(source_seen.c.last_seen).label("last_seen"),
            func.max(source_seen.c.last_time_ms).label("last_time_ms"),
            func.max(source_seen.c.last_appended_ms).label("last_appended_ms"),
            cast(func.sum(source_seen.c.events), BigInteger).label("events"),
            conflicts.label("conflicts"),
        )
        .group_by(source_seen.c.source)
        .order_by(source_seen.c.source)
        .limit(limit)
    )
    return query if after is None else query.where(source_seen.c.source > after)
