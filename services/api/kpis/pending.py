"""What the matured view looks at case by case: orders whose outcome is open, and those that are late so far."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import asyncpg

from services.core.kpi.case import CaseState
from services.core.kpi.definitions import Definitions
from services.core.kpi.matured import pending_k
from services.core.kpi.walk import fold_case
from services.store import cases, drilldown
from services.store.drilldown import Standing
from services.store.figures import Cutoff
from services.store.mapping import event_from_ledger

OPEN_ORDERS = "dispatch.open"
PAST_DAY_7 = "dispatch.past_day_7"


async def pending_days(
    connection: asyncpg.Connection,
    open_orders: Mapping[str, int],
    *,
    at_ms: int,
    cutoff: Cutoff | None,
    definitions: Definitions,
) -> dict[str, list[int]]:
    """For each actor the days k, 1…7, of the orders held and pending at an instant. `open_orders`: how many each actor holds then."""
    held = await drilldown.standing(connection, OPEN_ORDERS, open_orders, until_ms=at_ms, cutoff=cutoff)
    days: dict[str, list[int]] = defaultdict(list)
    for item, state in await _folded(connection, held, at_ms=at_ms, cutoff=cutoff, definitions=definitions):
        k = pending_k(state, at_ms, definitions)
        if k is not None:
            days[item.actor].append(k)
    return days


async def late_so_far(
    connection: asyncpg.Connection,
    past_day_7: Mapping[str, int],
    *,
    at_ms: int,
    cutoff: Cutoff | None,
    definitions: Definitions,
) -> dict[str, int]:
    """For each actor the orders that day 7 left open and 30 days have not: older ones count as open over 30 days, and once only.

    `past_day_7`: how many orders past day 7 are each actor's at the instant.
    """
    held = await drilldown.standing(connection, PAST_DAY_7, past_day_7, until_ms=at_ms, cutoff=cutoff)
    late: Counter[str] = Counter()
    for item, state in await _folded(connection, held, at_ms=at_ms, cutoff=cutoff, definitions=definitions):
        if state.dispatch is not None and at_ms <= state.dispatch.limits[2]:
            late[item.actor] += 1
    return late


async def _folded(
    connection: asyncpg.Connection,
    items: Sequence[Standing],
    *,
    at_ms: int,
    cutoff: Cutoff | None,
    definitions: Definitions,
) -> list[tuple[Standing, CaseState]]:
    """Each item with its case as it was at the instant."""
    by_shard: dict[int, list[str]] = defaultdict(list)
    for item in items:
        by_shard[item.shard].append(item.case_id)
    states: dict[tuple[int, str], CaseState] = {}
    for shard, case_ids in by_shard.items():
        found = await _states(connection, shard, case_ids, at_ms=at_ms, cutoff=cutoff, definitions=definitions)
        states |= {(shard, case_id): state for case_id, state in found.items()}
    return [(item, states[item.shard, item.case_id]) for item in items]


async def _states(
    connection: asyncpg.Connection,
    shard: int,
    case_ids: Sequence[str],
    *,
    at_ms: int,
    cutoff: Cutoff | None,
    definitions: Definitions,
) -> Mapping[str, CaseState]:
    """The cases folded from their events before an instant: the stored state where it is just that, else from the ledger."""
    stored = await cases.load(connection, shard, case_ids) if cutoff is None else {}
    found: dict[str, CaseState] = {}
    for case_id, case in stored.items():
        if case.state is not None and (case.state.last is None or case.state.last[0] < at_ms):
            found[case_id] = case.state
    rest = [case_id for case_id in case_ids if case_id not in found]
    if rest:
        before_seq = None if cutoff is None else cutoff.get(shard, 0)
        bodies = await drilldown.bodies_before(connection, shard, rest, before_ms=at_ms, before_seq=before_seq)
        for case_id, recorded in bodies.items():
            found[case_id] = fold_case([event_from_ledger(body) for body in recorded], definitions).state
    return found
