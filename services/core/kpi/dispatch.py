"""派工单: from acceptance to completion (rules 6–16). Every line is known by its engineer, measure, nominal instant and book.

An order is open, done or cancelled. While it is open, lines for what is ahead stand already (overdue in seven days, unless …); a hand-over
moves them, a completion takes them back. Holder at a limit = after the events before it (O11), so a credit is fixed by the first event at
or after its limit. A crossing is the first instant at which the stock holds the order (O15).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from services.core.kpi.contribution import Line
from services.core.kpi.daysout import NONE_OUT, DaysOut, Limits, day_number, limits_of, take_out
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import DispatchFacts, Event
from services.core.kpi.localday import day_of, local_days

OPEN: Final = "open"
DONE: Final = "done"
CANCELLED: Final = "cancelled"

DAY_MEASURES: Final = ("dispatch.completed.later", *(f"dispatch.completed.day_{k}" for k in range(1, 8)))
"""Index k = the measure of a completion on day k; index 0 = later than day 7."""

Credits: TypeAlias = tuple[str | None, str | None, str | None]
"""Who held the order when day 7, 7 × 24 h, 30 × 24 h ran out; None = has not run out before the last event."""

_NO_CREDITS: Final[Credits] = (None, None, None)


@dataclass(frozen=True, slots=True)
class DispatchState:
    """One order. `since_ms` = beginning of the present opening; `completed` = (instant, index of DAY_MEASURES, credit) while done.

    `crossed` = 7 and 30 days, once and for all; `completer` = who completed it last, also when a reopen undid that.
    """

    accepted_ms: int
    accepted_by: str
    order_type: str
    status: str
    holder: str
    since_ms: int
    out: DaysOut
    limits: Limits
    credits: Credits
    crossed: tuple[bool, bool]
    completed: tuple[int, int, str] | None
    completer: str


def step(
    state: DispatchState | None, event: Event, definitions: Definitions, lines: list[Line], notes: list[str]
) -> DispatchState | None:
    """The order after one more event; what changes in its standing goes to `lines`, why an event is impossible to `notes`."""
    verb = event.verb
    facts = event.facts
    if verb not in _VERBS or not isinstance(facts, DispatchFacts):
        return state
    if state is None:
        if verb != "accepted":
            notes.append("before accepted")
            return None
        return _accept(event, facts, definitions, lines)
    if verb in ("dispatched", "confirmed"):
        return _hand_over(state, event, lines) if _while_open(state, verb, notes) else state
    if verb == "completed":
        return _complete(state, event, definitions, lines) if _while_open(state, verb, notes) else state
    if verb == "arrived":
        return _arrive(state, event, lines) if _while_open(state, verb, notes) else state
    if verb == "rescheduled":
        return _reschedule(state, event, facts, definitions, lines) if _while_open(state, verb, notes) else state
    if verb == "cancelled":
        return _cancel(state, event, lines) if _while_open(state, verb, notes) else state
    if verb == "reopened":
        return _reopen(state, event, lines, notes)
    if verb == "accepted":
        notes.append("accepted twice")
    elif verb == "scheduled":
        _while_open(state, verb, notes)
    elif state.status == CANCELLED:
        notes.append("reported after cancelled")
    return state


_VERBS: Final = frozenset(
    ("accepted", "dispatched", "confirmed", "scheduled", "rescheduled", "arrived", "completed", "reported", "cancelled", "reopened")
)  # fmt: skip


def _while_open(state: DispatchState, verb: str, notes: list[str]) -> bool:
    if state.status == OPEN:
        return True
    notes.append(f"{verb} while not open")
    return False


def _accept(event: Event, facts: DispatchFacts, definitions: Definitions, lines: list[Line]) -> DispatchState:
    at = event.time_ms
    holder = event.holder()
    order_type = facts.order_type or ""
    limits = limits_of(at, NONE_OUT, local_days(definitions.zone))
    lines.append((holder, "dispatch.accepted", "", at, at, 1, 1))
    _stand_open(lines, 1, at, holder, order_type, limits, _NO_CREDITS)
    lines.append((holder, "dispatch.crossed_7", "", limits[1], limits[1], 1, 1))
    lines.append((holder, "dispatch.crossed_30", "", limits[2], limits[2], 1, 1))
    return DispatchState(
        at, event.doer(), order_type, OPEN, holder, at, NONE_OUT, limits, _NO_CREDITS, (False, False), None, ""
    )


def _stand_open(
    lines: list[Line], n: int, at: int, holder: str, order_type: str, limits: Limits, credits: Credits
) -> None:
    """The stock lines of an opening that begins (n = 1) or ends (n = −1) at an instant.

    A limit that is still ahead is where the stock begins, and where its end takes it back, so both are max(instant, limit). Day 7 is over for
    an instant T from the first instant of day 8 on, so that stock begins 1 ms earlier: stocks count what is *before* T.
    """
    day_8, overdue_7, overdue_30 = limits
    lines.append((holder, "dispatch.open", "", at, at, 1, n))
    begin = at if at > overdue_7 else overdue_7
    lines.append((holder, "dispatch.overdue_7", "", begin, begin, 1, n))
    begin = at if at > overdue_30 else overdue_30
    lines.append((holder, "dispatch.overdue_30", "", begin, begin, 1, n))
    credit = credits[2]
    lines.append((holder if credit is None else credit, "dispatch.stale_30", order_type, begin, begin, 1, n))
    begin = at if at >= day_8 else day_8 - 1
    credit = credits[0]
    lines.append((holder if credit is None else credit, "dispatch.past_day_7", order_type, begin, begin, 1, n))


def _credits(state: DispatchState, at: int) -> Credits:
    """The credits once an event happens at `at`: the limits at or before it have run out under the present holder."""
    day_8, overdue_7, overdue_30 = state.limits
    if at < day_8 and at < overdue_7:
        return state.credits
    day, seven, thirty = state.credits
    if day is None and at >= day_8:
        day = state.holder
    if seven is None and at >= overdue_7:
        seven = state.holder
    if thirty is None and at >= overdue_30:
        thirty = state.holder
    return day, seven, thirty


def _hand_over(state: DispatchState, event: Event, lines: list[Line]) -> DispatchState:
    new = event.holder()
    old = state.holder
    if not new or new == old:
        return state
    at = event.time_ms
    credits = _credits(state, at)
    day_8, overdue_7, overdue_30 = state.limits
    seven = at if at > overdue_7 else overdue_7
    thirty = at if at > overdue_30 else overdue_30
    crossed_7, crossed_30 = state.crossed
    for holder, n in ((old, -1), (new, 1)):
        lines.append((holder, "dispatch.open", "", at, at, 1, n))
        lines.append((holder, "dispatch.overdue_7", "", seven, seven, 1, n))
        lines.append((holder, "dispatch.overdue_30", "", thirty, thirty, 1, n))
        if credits[0] is None:
            lines.append((holder, "dispatch.past_day_7", state.order_type, day_8 - 1, day_8 - 1, 1, n))
        if credits[1] is None and not crossed_7:
            lines.append((holder, "dispatch.crossed_7", "", overdue_7, overdue_7, 1, n))
        if credits[2] is None:
            lines.append((holder, "dispatch.stale_30", state.order_type, overdue_30, overdue_30, 1, n))
            if not crossed_30:
                lines.append((holder, "dispatch.crossed_30", "", overdue_30, overdue_30, 1, n))
    return DispatchState(
        state.accepted_ms, state.accepted_by, state.order_type, OPEN, new, state.since_ms, state.out, state.limits,
        credits, state.crossed, None, state.completer,
    )  # fmt: skip


def _close(state: DispatchState, at: int, credits: Credits, lines: list[Line]) -> tuple[bool, bool]:
    """End the present opening; return which limits it has crossed by now."""
    _stand_open(lines, -1, at, state.holder, state.order_type, state.limits, credits)
    return (
        _crossed(state, 0, "dispatch.crossed_7", at, credits[1], lines),
        _crossed(state, 1, "dispatch.crossed_30", at, credits[2], lines),
    )


def _crossed(state: DispatchState, which: int, measure: str, at: int, credit: str | None, lines: list[Line]) -> bool:
    if state.crossed[which]:
        return True
    limit = state.limits[which + 1]
    begin = state.since_ms if state.since_ms > limit else limit
    if at > begin:
        return True
    lines.append((state.holder if credit is None else credit, measure, "", begin, begin, 1, -1))
    return False


def _complete(state: DispatchState, event: Event, definitions: Definitions, lines: list[Line]) -> DispatchState:
    at = event.time_ms
    credits = _credits(state, at)
    crossed = _close(state, at, credits, lines)
    completer = event.holder() or state.holder
    late = credits[0] if at >= state.limits[0] else None
    if late is None:
        days = local_days(definitions.zone)
        done = (at, day_number(days.day(state.accepted_ms), days.day(at), state.out), completer)
    else:
        done = (at, 0, late)
    lines.append((done[2], DAY_MEASURES[done[1]], state.order_type, at, at, 1, 1))
    return DispatchState(
        state.accepted_ms, state.accepted_by, state.order_type, DONE, completer, state.since_ms, state.out, state.limits,
        credits, crossed, done, completer,
    )  # fmt: skip


def _reopen(state: DispatchState, event: Event, lines: list[Line], notes: list[str]) -> DispatchState:
    done = state.completed
    if done is None:
        notes.append("reopened while not done")
        return state
    at = event.time_ms
    credits = _credits(state, at)
    holder = state.holder
    lines.append((done[2], DAY_MEASURES[done[1]], state.order_type, done[0], done[0], 1, -1))
    _stand_open(lines, 1, at, holder, state.order_type, state.limits, credits)
    for which, measure in ((0, "dispatch.crossed_7"), (1, "dispatch.crossed_30")):
        if not state.crossed[which]:
            limit = state.limits[which + 1]
            credit = credits[which + 1]
            begin = at if at > limit else limit
            lines.append((holder if credit is None else credit, measure, "", begin, begin, 1, 1))
    return DispatchState(
        state.accepted_ms, state.accepted_by, state.order_type, OPEN, holder, at, state.out, state.limits,
        credits, state.crossed, None, state.completer,
    )  # fmt: skip


def _cancel(state: DispatchState, event: Event, lines: list[Line]) -> DispatchState:
    at = event.time_ms
    credits = _credits(state, at)
    crossed = _close(state, at, credits, lines)
    lines.append((state.holder, "dispatch.cancelled", "", at, at, 1, 1))
    if at >= state.limits[0]:
        lines.append((state.holder, "dispatch.cancelled_after_day_7", "", at, at, 1, 1))
    return DispatchState(
        state.accepted_ms, state.accepted_by, state.order_type, CANCELLED, state.holder, state.since_ms, state.out,
        state.limits, credits, crossed, None, state.completer,
    )  # fmt: skip


def _arrive(state: DispatchState, event: Event, lines: list[Line]) -> DispatchState:
    at = event.time_ms
    lines.append((event.holder() or state.holder, "dispatch.visited", state.order_type, at, at, 1, 1))
    return state


def _reschedule(
    state: DispatchState, event: Event, facts: DispatchFacts, definitions: Definitions, lines: list[Line]
) -> DispatchState:
    """Take the customer's days out. They lie after the event's day, so only limits that are still ahead can move."""
    agreed = day_of(facts.agreed) if facts.agreed else None
    if agreed is None or facts.reason not in definitions.customer_reasons:
        return state
    days = local_days(definitions.zone)
    out = take_out(state.out, days.day(event.time_ms) + 1, agreed)
    if out == state.out:
        return state
    limits = limits_of(state.accepted_ms, out, days)
    _move_limits(state, limits, lines)
    return DispatchState(
        state.accepted_ms, state.accepted_by, state.order_type, OPEN, state.holder, state.since_ms, out, limits,
        state.credits, state.crossed, None, state.completer,
    )  # fmt: skip


def _move_limits(state: DispatchState, limits: Limits, lines: list[Line]) -> None:
    holder = state.holder
    for (day_8, seven, thirty), n in ((state.limits, -1), (limits, 1)):
        if state.limits[0] != limits[0]:
            lines.append((holder, "dispatch.past_day_7", state.order_type, day_8 - 1, day_8 - 1, 1, n))
        if state.limits[1] != limits[1]:
            lines.append((holder, "dispatch.overdue_7", "", seven, seven, 1, n))
            if not state.crossed[0]:
                lines.append((holder, "dispatch.crossed_7", "", seven, seven, 1, n))
        if state.limits[2] != limits[2]:
            lines.append((holder, "dispatch.overdue_30", "", thirty, thirty, 1, n))
            lines.append((holder, "dispatch.stale_30", state.order_type, thirty, thirty, 1, n))
            if not state.crossed[1]:
                lines.append((holder, "dispatch.crossed_30", "", thirty, thirty, 1, n))
