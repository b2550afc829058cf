"""The walk over a case's events: what it posts, event by event, and the one step for an event that comes in order.

The events are walked by their own time. After each, the standing is what the case amounts to by then; the difference to the standing
before is contributed from the time of that event on, or from a line's later nominal instant. Corrections are events too: where one is in
the prefix, the standing is that of the corrected prefix. So what stands at an instant T depends only on events before T.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.core.kpi.case import INITIAL, CaseState, step
from services.core.kpi.contribution import (
    Contribution,
    Line,
    Posted,
    PostingKey,
    add_lines,
    apply,
    contributions_of,
    difference,
    lines_between,
    netted,
)
from services.core.kpi.corrections import effective
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import CORRECTION, Event
from services.core.kpi.quick import quick

__all__ = [
    "Contribution",
    "Folded",
    "Posted",
    "PostingKey",
    "Step",
    "advance",
    "apply",
    "difference",
    "fold_case",
    "standing_of",
]


@dataclass(frozen=True, slots=True)
class Folded:
    """A case after all its events, and the net sum of everything that it contributed."""

    state: CaseState
    posted: Posted


@quick
@dataclass(frozen=True, slots=True)
class Step:
    """A case after one more event, and what that event contributed; no two contributions have one key."""

    state: CaseState
    contributions: list[Contribution]


def advance(state: CaseState, event: Event, definitions: Definitions) -> Step | None:
    """Take one event in order. None when it is not: late, known already, a correction, or named by one; then refold the ledger."""
    key = event.order()
    if state.last is not None and key <= state.last:
        return None
    if event.family == CORRECTION or (state.named and event.identity() in state.named):
        return None
    lines: list[Line] = []
    after = step(state, event, key, definitions, lines)
    if event.family in _REPLACING:
        lines = netted(lines, event.time_ms)
    return Step(after, contributions_of(lines, event.time_ms))


# Families in which an event may take back a line and put an equal one in its place.
_REPLACING: Final = frozenset(("survey", "complaint", "measure"))


def fold_case(events: Iterable[Event], definitions: Definitions) -> Folded:
    """Fold the distinct events of a case, given in any order and as often as they like.

    Events of one identity have one content: which of two counts is decided where they are recorded.
    """
    ordered = sorted({event.identity(): event for event in events}.values(), key=Event.order)
    if any(event.family == CORRECTION for event in ordered):
        return _fold_corrected(ordered, definitions)
    state = INITIAL
    posted: Posted = {}
    for event in ordered:
        lines: list[Line] = []
        state = step(state, event, event.order(), definitions, lines)
        _post(posted, lines, event.time_ms)
    return Folded(state, posted)


def standing_of(events: Sequence[Event], definitions: Definitions) -> tuple[CaseState, Posted]:
    """The case after all the events, corrections applied, and its standing: net lines by key, each with its nominal instant."""
    counting = effective(events)
    state = INITIAL
    lines: list[Line] = []
    for event in counting.events:
        state = step(state, event, event.order(), definitions, lines)
    standing: Posted = {}
    add_lines(standing, lines)
    last = max((event.order() for event in events), default=None)
    if last is not None and (state.last is None or last > state.last):
        state = replace(state, last=last)
    return replace(state, named=counting.named, corrections=counting.listed), standing


def _fold_corrected(ordered: Sequence[Event], definitions: Definitions) -> Folded:
    """Walk a case with corrections: step where an event comes in order and no correction touches it, else fold the corrected prefix."""
    state = INITIAL
    standing: Posted = {}
    posted: Posted = {}
    for index, event in enumerate(ordered):
        lines: list[Line] = []
        late = state.last is not None and event.order() <= state.last
        if late or event.family == CORRECTION or event.identity() in state.named:
            before = standing
            state, standing = standing_of(ordered[: index + 1], definitions)
            lines = lines_between(before, standing)
        else:
            state = step(state, event, event.order(), definitions, lines)
            add_lines(standing, lines)
        _post(posted, lines, event.time_ms)
    return Folded(state, posted)


def _post(posted: Posted, lines: Iterable[Line], time_ms: int) -> None:
    add_lines(
        posted,
        (
            (engineer, measure, dim, max(nominal_ms, time_ms), book_ms, value, n)
            for engineer, measure, dim, nominal_ms, book_ms, value, n in lines
        ),
    )
