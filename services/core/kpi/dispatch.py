"""派工单: from acceptance to completion (rules 6–16). Every line is known by its engineer, measure, nominal instant and book.

An order is open, done or cancelled. While it is open, lines for what is ahead stand already (overdue in seven days, unless …); a hand-over
moves them, a completion takes them back. Holder at a limit = after the events before it (O11), so a credit is fixed by the first event at
or after its limit. A crossing is the first instant at which the stock holds the order (O15).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from services.core.kpi.contribution import Line
from services.core.kpi.daysout import NONE_OUT, DaysOut, Limits, day_number, limits_of, take_out
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import DispatchFacts, Event
from services.core.kpi.localday import day_of, local_days
from services.core.kpi.quick import quick

OPEN: Final = "open"
DONE: Final = "done"
CANCELLED: Final = "cancelled"

DAY_MEASURES: Final = ("dispatch.completed.later", *(f"dispatch.completed.day_{k}" for k in range(1, 8)))
"""Index k = the measure of a completion on day k; index 0 = later than day 7."""

Credited: TypeAlias = tuple[str | None, str | None, str | None]
"""Who held the order when day 7, 7 × 24 h, 30 × 24 h ran out; None = it had not run out at the last change of the order."""


@quick
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
    credited: Credited
    crossed: tuple[bool, bool]
    completed: tuple[int, int, str] | None
    completer: str


def step(
    state: DispatchState | None, event: Event, definitions: Definitions, lines: list[Line], notes: list[str]
) -> DispatchState | None:
    """The order after one more event; what changes in its standing goes to `lines`, why an event is impossible to `notes`."""
    take = _VERBS.get(event.verb)
    if take is None or not isinstance(event.facts, DispatchFacts):
        return state
    if state is None:
        if event.verb == "accepted":
            return _accept(event, event.facts, definitions, lines)
        notes.append("before accepted")
        return None
    if state.status != OPEN and event.verb in _WHILE_OPEN:
        notes.append(f"{event.verb} while not open")
        return state
    return take(state, event, definitions, lines, notes)


def _accept(event: Event, facts: DispatchFacts, definitions: Definitions, lines: list[Line]) -> DispatchState:
    at = event.time_ms
    holder = event.holder()
    order_type = facts.order_type or ""
    limits = limits_of(at, NONE_OUT, local_days(definitions.zone))
    state = DispatchState(
        at, event.doer(), order_type, OPEN, holder, at, NONE_OUT, limits, (None, None, None), (False, False), None, ""
    )
    lines.append((holder, "dispatch.accepted", "", at, at, 1, 1))
    _stand(state, state.credited, at, 1, lines)
    lines.append((holder, "dispatch.crossed_7", "", limits[1], limits[1], 1, 1))
    lines.append((holder, "dispatch.crossed_30", "", limits[2], limits[2], 1, 1))
    return state


def _stand(state: DispatchState, credited: Credited, at: int, n: int, lines: list[Line]) -> None:
    """The stock lines of an opening that begins (n = 1) or ends (n = −1) at an instant.

    A limit that is still ahead is where the stock begins, and where its end takes it back: both are max(instant, limit). Day 7 is over for an
    instant T from the first instant of day 8 on, so that stock begins 1 ms earlier: a stock at T counts what began *before* T.
    """
    holder = state.holder
    day_8, overdue_7, overdue_30 = state.limits
    lines.append((holder, "dispatch.open", "", at, at, 1, n))
    begin = max(at, overdue_7)
    lines.append((holder, "dispatch.overdue_7", "", begin, begin, 1, n))
    begin = max(at, overdue_30)
    lines.append((holder, "dispatch.overdue_30", "", begin, begin, 1, n))
    credit = credited[2]
    lines.append((holder if credit is None else credit, "dispatch.stale_30", state.order_type, begin, begin, 1, n))
    begin = max(at, day_8 - 1)
    credit = credited[0]
    lines.append((holder if credit is None else credit, "dispatch.past_day_7", state.order_type, begin, begin, 1, n))


def _credited(state: DispatchState, at: int) -> Credited:
    """The credits once an event happens at `at`: the limits at or before it have run out under the present holder."""
    day_8, overdue_7, overdue_30 = state.limits
    if at < day_8 and at < overdue_7:
        return state.credited
    day, seven, thirty = state.credited
    holder = state.holder
    return (
        holder if day is None and at >= day_8 else day,
        holder if seven is None and at >= overdue_7 else seven,
        holder if thirty is None and at >= overdue_30 else thirty,
    )


def _hand_over(
    state: DispatchState, event: Event, _definitions: Definitions, lines: list[Line], _notes: list[str]
) -> DispatchState:
    """Move what stands for the holder, and what is ahead without a credit yet, to the engineer whom the event names.

    A limit that was crossed has its credit, so only crossings that are ahead move.
    """
    new = event.holder()
    if not new or new == state.holder:
        return state
    at = event.time_ms
    credited = _credited(state, at)
    day_8, overdue_7, overdue_30 = state.limits
    seven = max(at, overdue_7)
    thirty = max(at, overdue_30)
    for holder, n in ((state.holder, -1), (new, 1)):
        lines.append((holder, "dispatch.open", "", at, at, 1, n))
        lines.append((holder, "dispatch.overdue_7", "", seven, seven, 1, n))
        lines.append((holder, "dispatch.overdue_30", "", thirty, thirty, 1, n))
        if credited[0] is None:
            lines.append((holder, "dispatch.past_day_7", state.order_type, day_8 - 1, day_8 - 1, 1, n))
        if credited[1] is None:
            lines.append((holder, "dispatch.crossed_7", "", overdue_7, overdue_7, 1, n))
        if credited[2] is None:
            lines.append((holder, "dispatch.stale_30", state.order_type, overdue_30, overdue_30, 1, n))
            lines.append((holder, "dispatch.crossed_30", "", overdue_30, overdue_30, 1, n))
    return DispatchState(
        state.accepted_ms, state.accepted_by, state.order_type, OPEN, new, state.since_ms, state.out, state.limits,
        credited, state.crossed, None, state.completer,
    )  # fmt: skip


def _end(state: DispatchState, at: int, lines: list[Line]) -> tuple[Credited, tuple[bool, bool]]:
    """End the present opening; return the credits and the crossings that are final by now."""
    credited = _credited(state, at)
    _stand(state, credited, at, -1, lines)
    crossed_7, crossed_30 = state.crossed
    return credited, (
        crossed_7 or _has_crossed(state, 1, at, credited[1], lines),
        crossed_30 or _has_crossed(state, 2, at, credited[2], lines),
    )


_CROSSED: Final = ("", "dispatch.crossed_7", "dispatch.crossed_30")


def _has_crossed(state: DispatchState, which: int, at: int, credit: str | None, lines: list[Line]) -> bool:
    """Whether an opening that ends at `at` crossed limit `which`; else the crossing that stood ahead is taken back."""
    begin = max(state.since_ms, state.limits[which])
    if at > begin:
        return True
    lines.append((state.holder if credit is None else credit, _CROSSED[which], "", begin, begin, 1, -1))
    return False


def _complete(
    state: DispatchState, event: Event, definitions: Definitions, lines: list[Line], _notes: list[str]
) -> DispatchState:
    """Rule 13: in time, the credit is the completing engineer's; late, it is whose the order was when day 7 ran out."""
    at = event.time_ms
    credited, crossed = _end(state, at, lines)
    completer = event.holder() or state.holder
    late = credited[0] if at >= state.limits[0] else None
    if late is None:
        days = local_days(definitions.zone)
        done = (at, day_number(days.day(state.accepted_ms), days.day(at), state.out), completer)
    else:
        done = (at, 0, late)
    lines.append((done[2], DAY_MEASURES[done[1]], state.order_type, at, at, 1, 1))
    return DispatchState(
        state.accepted_ms, state.accepted_by, state.order_type, DONE, completer, state.since_ms, state.out, state.limits,
        credited, crossed, done, completer,
    )  # fmt: skip


def _reopen(
    state: DispatchState, event: Event, _definitions: Definitions, lines: list[Line], notes: list[str]
) -> DispatchState:
    """Undo the completion: the order is open again under who completed it, its age runs from the acceptance."""
    done = state.completed
    if done is None:
        notes.append("reopened while not done")
        return state
    at = event.time_ms
    lines.append((done[2], DAY_MEASURES[done[1]], state.order_type, done[0], done[0], 1, -1))
    again = DispatchState(
        state.accepted_ms, state.accepted_by, state.order_type, OPEN, state.holder, at, state.out, state.limits,
        _credited(state, at), state.crossed, None, state.completer,
    )  # fmt: skip
    _stand(again, again.credited, at, 1, lines)
    for which in (1, 2):
        if not state.crossed[which - 1]:
            credit = again.credited[which]
            begin = max(at, state.limits[which])
            lines.append((state.holder if credit is None else credit, _CROSSED[which], "", begin, begin, 1, 1))
    return again


def _cancel(
    state: DispatchState, event: Event, _definitions: Definitions, lines: list[Line], _notes: list[str]
) -> DispatchState:
    """Rule 12: a cancelled order leaves the figures; after day 7 it is counted apart."""
    at = event.time_ms
    lines.append((state.holder, "dispatch.cancelled", "", at, at, 1, 1))
    if at >= state.limits[0]:
        lines.append((state.holder, "dispatch.cancelled_after_day_7", "", at, at, 1, 1))
    credited, crossed = _end(state, at, lines)
    return DispatchState(
        state.accepted_ms, state.accepted_by, state.order_type, CANCELLED, state.holder, state.since_ms, state.out, state.limits,
        credited, crossed, None, state.completer,
    )  # fmt: skip


def _arrive(
    state: DispatchState, event: Event, _definitions: Definitions, lines: list[Line], _notes: list[str]
) -> DispatchState:
    at = event.time_ms
    lines.append((event.holder() or state.holder, "dispatch.visited", state.order_type, at, at, 1, 1))
    return state


def _reschedule(
    state: DispatchState, event: Event, definitions: Definitions, lines: list[Line], _notes: list[str]
) -> DispatchState:
    """Take the customer's days out. They lie after the event's day, so only limits that are still ahead can move."""
    facts = event.facts
    if not isinstance(facts, DispatchFacts) or facts.reason not in definitions.customer_reasons:
        return state
    days = local_days(definitions.zone)
    agreed = day_of(facts.agreed) if facts.agreed else None
    out = state.out if agreed is None else take_out(state.out, days.day(event.time_ms) + 1, agreed)
    if out == state.out:
        return state
    limits = limits_of(state.accepted_ms, out, days)
    _move_limits(state, limits, lines)
    return DispatchState(
        state.accepted_ms, state.accepted_by, state.order_type, OPEN, state.holder, state.since_ms, out, limits,
        state.credited, state.crossed, None, state.completer,
    )  # fmt: skip


def _move_limits(state: DispatchState, limits: Limits, lines: list[Line]) -> None:
    """Move what lies ahead to its new limit. A limit that has passed, or was crossed, stays where it is."""
    holder = state.holder
    for (day_8, seven, thirty), n in ((state.limits, -1), (limits, 1)):
        if state.limits[0] != limits[0]:
            lines.append((holder, "dispatch.past_day_7", state.order_type, day_8 - 1, day_8 - 1, 1, n))
        if state.limits[1] != limits[1]:
            lines.append((holder, "dispatch.overdue_7", "", seven, seven, 1, n))
            lines.append((holder, "dispatch.crossed_7", "", seven, seven, 1, n))
        if state.limits[2] != limits[2]:
            lines.append((holder, "dispatch.overdue_30", "", thirty, thirty, 1, n))
            lines.append((holder, "dispatch.stale_30", state.order_type, thirty, thirty, 1, n))
            lines.append((holder, "dispatch.crossed_30", "", thirty, thirty, 1, n))


def _ignore(
    state: DispatchState, event: Event, _definitions: Definitions, _lines: list[Line], notes: list[str]
) -> DispatchState:
    """Stamps that change nothing here: an appointment, a report of the completion; and a second acceptance, which is impossible."""
    if event.verb == "accepted":
        notes.append("accepted twice")
    elif state.status == CANCELLED:
        notes.append(f"{event.verb} after cancelled")
    return state


_Take: TypeAlias = Callable[[DispatchState, Event, Definitions, list[Line], list[str]], DispatchState]

_VERBS: Final[dict[str, _Take]] = {
    "accepted": _ignore,
    "dispatched": _hand_over,
    "confirmed": _hand_over,
    "scheduled": _ignore,
    "rescheduled": _reschedule,
    "arrived": _arrive,
    "completed": _complete,
    "reported": _ignore,
    "cancelled": _cancel,
    "reopened": _reopen,
}
_WHILE_OPEN: Final = frozenset(
    ("dispatched", "confirmed", "scheduled", "rescheduled", "arrived", "completed", "cancelled")
)
