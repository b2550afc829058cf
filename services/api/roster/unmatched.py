"""Source ids in postings that no roster row explains, with what rests on them."""

from __future__ import annotations

from datetime import date

import asyncpg

from services.api.kpis.subjects import stretches
from services.core.roster import Roster
from services.store import roster as store
from services.store.roster import ActorWeight


def unexplained_days(roster: Roster, weight: ActorWeight) -> list[date]:
    """The book days on which an actor is neither a person nor, for figures about a unit, a region or branch."""
    return [day for day in weight.book_days if not _explained(roster, weight.actor, day)]


def _explained(roster: Roster, actor: str, day: date) -> bool:
    unit = actor.partition(" ")[2]
    return (
        roster.person_of(actor, day) is not None
        or roster.region_named(actor, day) is not None
        or unit in roster.branches(day)
    )


async def find_unmatched(
    connection: asyncpg.Connection, zone: str, *, limit: int | None = None
) -> list[tuple[ActorWeight, list[date]]]:
    """The unexplained actors, heaviest first, each with its unexplained days. Work that nobody holds ("") is no id and not listed."""
    current = await store.load(connection)
    roster = Roster.of(()) if current is None else current.roster()
    # Whoever the roster explains on every day there is needs no look at the journal; that is nearly everybody.
    days = stretches(roster.records, date.min, date.max)
    doubtful = [
        actor
        for actor in await store.actors(connection)
        if actor and not all(_explained(roster, actor, day) for day in days)
    ]
    weights = await store.weights(connection, doubtful, zone)
    found = [(weight, unexplained_days(roster, weight)) for weight in weights]
    return [item for item in found if item[1]][:limit]
