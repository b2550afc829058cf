"""Fold the new events of a commit into their cases: one step where they come in order, from the ledger where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from services.core.kpi.case import INITIAL, CaseState
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event
from services.core.kpi.walk import Contribution, Posted, advance, apply, difference, fold_case
from services.store import cases, ledger
from services.store.cases import CaseWrite, StoredCase
from services.store.mapping import event_from_ledger

Cause = tuple[Event, Sequence[Contribution]]


@dataclass(frozen=True, slots=True)
class Folded:
    """The cases as the commit leaves them, and what it posts for each, with the event that caused it."""

    created: Sequence[CaseWrite]
    changed: Sequence[CaseWrite]
    causes: Mapping[str, Sequence[Cause]]
    refolded: int


def advance_in_order(
    stored: StoredCase | None, events: Sequence[Event], definitions: Definitions
) -> tuple[CaseState, Posted, list[Cause]] | None:
    """Take the incremental steps; None when one of the events is late or corrects another: then the ledger decides.

    A case whose postings another release made is refolded as well, which heals it.
    """
    state: CaseState | None = stored.state if stored is not None else INITIAL
    if state is None:
        return None
    posted: Posted = stored.posted if stored is not None else {}
    causes: list[Cause] = []
    for event in sorted(events, key=Event.order) if len(events) > 1 else events:
        step = advance(state, event, definitions)
        if step is None:
            return None
        state = step.state
        if step.contributions:
            causes.append((event, step.contributions))
            posted = apply(posted, step.contributions)
    return state, posted, causes


async def fold(
    connection: asyncpg.Connection, shard: int, fresh: Mapping[str, Sequence[Event]], definitions: Definitions
) -> Folded:
    """Fold new events, grouped by case; they are in the ledger already."""
    stored = await cases.load(connection, shard, list(fresh))
    created: list[CaseWrite] = []
    changed: list[CaseWrite] = []
    causes: dict[str, Sequence[Cause]] = {}
    late: list[str] = []
    for case_id, events in fresh.items():
        before = stored.get(case_id)
        stepped = advance_in_order(before, events, definitions)
        if stepped is None:
            late.append(case_id)
            continue
        state, posted, causes[case_id] = stepped
        (created if before is None else changed).append(CaseWrite(case_id, state, posted, len(state.listed)))
    if late:
        bodies = await ledger.bodies_of_cases(connection, shard, late)
        for case_id in late:
            before = stored.get(case_id)
            whole = fold_case([event_from_ledger(body) for body in bodies[case_id]], definitions)
            made = difference(whole.posted, before.posted if before is not None else {})
            causes[case_id] = [(fresh[case_id][-1], made)]
            write = CaseWrite(case_id, whole.state, whole.posted, len(whole.state.listed))
            (created if before is None else changed).append(write)
    return Folded(created, changed, causes, len(late))
