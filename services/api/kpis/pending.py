"""Orders whose outcome is open: each has a line that stands ahead, at the end of its day 7. What a completion now would bring."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import asyncpg

from services.core.kpi.case import CaseState
from services.core.kpi.definitions import Definitions
from services.core.kpi.matured import pending_k
from services.core.kpi.walk import fold_case
from services.store import cases, drilldown
from services.store.drilldown import Allowed, Selection
from services.store.figures import Cutoff
from services.store.mapping import event_from_ledger

PAST_DAY_7 = "dispatch.past_day_7"


async def pending_days(
    connection: asyncpg.Connection,
    actors: Sequence[str],
    *,
    at_ms: int,
    cutoff: Cutoff | None,
    definitions: Definitions,
) -> dict[str, list[int]]:
    """For each actor the days k, 1…7, on which the orders held and pending at an instant would be completed then."""
    selection = Selection([Allowed(actor) for actor in actors], [PAST_DAY_7], at_from_ms=at_ms, cutoff=cutoff)
    ahead = await drilldown.foreseen_cases(connection, selection)
    by_shard: dict[int, list[str]] = defaultdict(list)
    for shard, case_id, _ in ahead:
        by_shard[shard].append(case_id)
    states: dict[tuple[int, str], CaseState] = {}
    for shard, case_ids in by_shard.items():
        found = await _states(connection, shard, case_ids, at_ms=at_ms, cutoff=cutoff, definitions=definitions)
        states |= {(shard, case_id): state for case_id, state in found.items()}
    days: dict[str, list[int]] = defaultdict(list)
    for shard, case_id, actor in ahead:
        k = pending_k(states[shard, case_id], at_ms, definitions)
        if k is not None:
            days[actor].append(k)
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
