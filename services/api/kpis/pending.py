"""Orders whose outcome is open: not done, day 7 not over. On which day each would be completed at an instant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import asyncpg

from services.core.kpi.case import CaseState
from services.core.kpi.definitions import Definitions
from services.core.kpi.matured import pending_k
from services.core.kpi.walk import fold_case
from services.store import cases, drilldown
from services.store.figures import Cutoff
from services.store.mapping import event_from_ledger

OPEN_ORDERS = "dispatch.open"


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
    by_shard: dict[int, list[str]] = defaultdict(list)
    for item in held:
        by_shard[item.shard].append(item.case_id)
    states: dict[tuple[int, str], CaseState] = {}
    for shard, case_ids in by_shard.items():
        found = await _states(connection, shard, case_ids, at_ms=at_ms, cutoff=cutoff, definitions=definitions)
        states |= {(shard, case_id): state for case_id, state in found.items()}
    days: dict[str, list[int]] = defaultdict(list)
    for item in held:
        k = pending_k(states[item.shard, item.case_id], at_ms, definitions)
        if k is not None:
            days[item.actor].append(k)
    return days


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
    found = {id_: case.state for id_, case in stored.items() if case.state.last is None or case.state.last[0] < at_ms}
    rest = [case_id for case_id in case_ids if case_id not in found]
    if rest:
        before_seq = None if cutoff is None else cutoff.get(shard, 0)
        bodies = await drilldown.bodies_before(connection, shard, rest, before_ms=at_ms, before_seq=before_seq)
        for case_id, recorded in bodies.items():
            found[case_id] = fold_case([event_from_ledger(body) for body in recorded], definitions).state
    return found
