"""Random histories of one case, over all families: late, same-instant, impossible, corrected, and around every limit.

A history is made from a seed by plain code, which is a hundred times faster than drawing each field, so that the rare meetings
(completed in the very millisecond of a limit that a wish of the customer's has moved) do come up; its size is what shrinks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from services.core.kpi.event import (
    AttendanceFacts,
    CallFacts,
    ComplaintFacts,
    CorrectionFacts,
    DispatchFacts,
    Event,
    Facts,
    FollowupFacts,
    InspectionFacts,
    MeasureFacts,
    Scalar,
    SurveyFacts,
    TicketFacts,
)

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = datetime(2026, 9, 28, tzinfo=timezone(timedelta(hours=8)))
FIRST_MS = (FIRST - EPOCH) // timedelta(milliseconds=1)
"""Local midnight (+08:00) of the first day of every history."""

DISPATCH = (
    *("dispatched", "completed", "reopened", "rescheduled") * 4,
    *("accepted", "confirmed", "scheduled", "arrived", "reported", "cancelled"),
)
TICKET = (*("assigned", "replied", "resolved", "reopened") * 3, "opened", "accepted", "messaged", "paused", "closed")
PEOPLE = (None, "E1", "E2", "E3")
ORDER_TYPES = (None, "上门维修", "送修")
_OFFSETS = (0, 1, DAY_MS - 1, 9 * HOUR_MS, 9 * HOUR_MS + 1)


class _Maker:
    """One history in the making; `offset` is the hour that limits and most events share."""

    def __init__(self, seed: int, ids: int) -> None:
        self.chance = random.Random(seed)
        self.offset = self.chance.choice(_OFFSETS)
        self.ids = [f"{n}" for n in range(ids)]
        self.chance.shuffle(self.ids)

    def time(self) -> int:
        chance = self.chance
        day = chance.choice((chance.randint(0, 3), chance.randint(4, 16), chance.randint(6, 8), chance.randint(28, 45)))
        offset = self.offset if chance.random() < 0.6 else chance.choice(_OFFSETS)
        return FIRST_MS + day * DAY_MS + offset

    def day(self) -> str:
        return (FIRST + timedelta(days=self.chance.randint(-1, 20))).date().isoformat()

    def event(self, family: str) -> Event:
        chance = self.chance
        time_ms = self.time()
        verb, facts = _FAMILIES[family](self)
        if family == "move":
            family = "event"
        return Event(
            source="hq" if family != "event" and chance.random() < 0.15 else "crm",
            id=self.ids.pop(),
            family=family,
            verb=verb,
            case="PG-1",
            time_ms=time_ms,
            sequence=chance.choice((None, None, 1, 2, 10)),
            engineer=chance.choice(PEOPLE),
            performed_by=chance.choice((None, "C1", "C2", "E1")),
            facts=facts,
        )

    def opening(self, family: str) -> Event:
        verb = "accepted" if family == "dispatch" else "opened"
        facts: Facts = (
            DispatchFacts(order_type=self.chance.choice(ORDER_TYPES)) if family == "dispatch" else TicketFacts()
        )
        return Event(
            "crm", "opening", family, verb, "PG-1", FIRST_MS + self.offset, None, self.chance.choice(PEOPLE), "C1", facts
        )  # fmt: skip


def _dispatch(m: _Maker) -> tuple[str, Facts]:
    facts = DispatchFacts(
        order_type=m.chance.choice(ORDER_TYPES),
        reason=m.chance.choice(("customer", "customer", "customer", "parts", None)),
        agreed=m.chance.choice((m.day(), m.day(), m.day(), None, "2026-02-30")),
    )
    return m.chance.choice(DISPATCH), facts


def _ticket(m: _Maker) -> tuple[str, Facts]:
    facts = TicketFacts(public=m.chance.random() < 0.8, actor=m.chance.choice(("person", "person", "person", "bot")))
    return m.chance.choice(TICKET), facts


def _followup(m: _Maker) -> tuple[str, Facts]:
    facts = FollowupFacts(
        target=m.chance.choice((None, "customer", "dealer")), satisfied=m.chance.choice((None, True, False))
    )
    return m.chance.choice(("done", "done", "attempted")), facts


def _survey(m: _Maker) -> tuple[str, Facts]:
    facts = SurveyFacts(
        survey=m.chance.choice((None, "csat")),
        label=m.chance.choice((None, "满意", "一般")),
        score=m.chance.choice((None, 5, "9", 3.5)),
        scale=m.chance.choice((None, "1-5", "0-10")),
        valid=m.chance.random() < 0.8,
    )
    return m.chance.choice(("answered", "answered", "sent")), facts


def _complaint(m: _Maker) -> tuple[str, Facts]:
    facts = ComplaintFacts(
        complaint=m.chance.choice((None, None, "K1")),
        complaint_class=m.chance.choice((None, "general", "major")),
        upheld=m.chance.choice((None, True, True, False)),
        person=m.chance.choice(PEOPLE),
    )
    return m.chance.choice(("registered", "judged")), facts


def _inspection(m: _Maker) -> tuple[str, Facts]:
    kind = m.chance.choice((None, "engineer_problem", "violation"))
    return "found", InspectionFacts(
        kind=kind, problem=m.chance.choice((None, "attitude")), count=m.chance.randint(0, 2)
    )


def _attendance(m: _Maker) -> tuple[str, Facts]:
    facts = AttendanceFacts(
        to_day=m.chance.choice((m.day(), m.day(), None)),
        days=m.chance.choice((None, "0", "0.5", "18", "x")),
        leave=m.chance.choice((None, "1.25")),
        kind=m.chance.choice((None, "present", "absent", "sick_leave")),
    )
    return "recorded", facts


def _measure(m: _Maker) -> tuple[str, Facts]:
    facts = MeasureFacts(
        measure=m.chance.choice(("hq_satisfaction", "hq_satisfaction", None)),
        month=m.chance.choice(("2026-10", "2026-10", "2026-11", "2026-13", None)),
        numerator=m.chance.choice((None, "90", "91")),
        denominator=m.chance.choice((None, "100")),
    )
    return "recorded", facts


def _correction(m: _Maker) -> tuple[str, Facts]:
    # The ids left are those of events still to come; "0"… may be past, to come, this one or nobody's.
    target = m.chance.choice(("opening", *(f"{n}" for n in range(10))))
    verb = m.chance.choice(("amended", "withdrawn", "withdrawn"))
    return verb, CorrectionFacts(
        target, None, tuple(_change(m) for _ in range(m.chance.randint(1, 2))) if verb == "amended" else ()
    )


def _move(m: _Maker) -> tuple[str, Facts]:
    target = m.chance.choice(("opening", *(f"{n}" for n in range(9))))
    moved = (EPOCH + timedelta(milliseconds=m.time())).isoformat()
    return "amended", CorrectionFacts(target, None, (("time", moved),))


def _change(m: _Maker) -> tuple[str, Scalar]:
    return m.chance.choice(
        (
            ("time", (EPOCH + timedelta(milliseconds=m.time())).isoformat()),
            ("time", (EPOCH + timedelta(milliseconds=m.time())).isoformat()),
            ("engineer", m.chance.choice(PEOPLE)),
            ("agreed", m.day()),
            ("time", "yesterday"),
            ("upheld", True),
            ("upheld", "yes"),
            ("days", 2),
            ("unknown", 1),
            ("order_type", None),
        )
    )


def _call(_m: _Maker) -> tuple[str, Facts]:
    return "offered", CallFacts(queue="Q1")


_FAMILIES: dict[str, Callable[[_Maker], tuple[str, Facts]]] = {
    "dispatch": _dispatch, "ticket": _ticket, "followup": _followup, "survey": _survey, "complaint": _complaint,
    "inspection": _inspection, "attendance": _attendance, "measure": _measure, "event": _correction,
    "call": _call, "move": _move,
}  # fmt: skip

_ALL = (
    "dispatch",
    "dispatch",
    "dispatch",
    "ticket",
    "ticket",
    "followup",
    "survey",
    "complaint",
    "inspection",
    "attendance",
    "measure",
    "call",
)


def make(families: Sequence[str], first: str | None, seed: int, size: int) -> list[Event]:
    """A history of `size` events of these families; `first` = the family whose unit exists from the beginning."""
    maker = _Maker(seed, size)
    history = [maker.event(maker.chance.choice(families)) for _ in range(size)]
    return [maker.opening(first), *history] if first is not None else history


def _histories(families: Sequence[str], first: str | None, longest: int) -> st.SearchStrategy[list[Event]]:
    return st.builds(make, st.just(families), st.just(first), st.integers(0, 2**32), st.integers(1, longest))


orders = _histories(("dispatch",) * 6 + ("followup",), "dispatch", 9)
"""A dispatch order without corrections."""
tickets = _histories(("ticket",), "ticket", 9)
"""A ticket without corrections."""
plain = st.one_of(orders, tickets, _histories(_ALL, "dispatch", 10), _histories(_ALL, None, 10))
"""Any families, no corrections."""
corrected = st.one_of(
    _histories(("dispatch", "dispatch", "dispatch", "move"), "dispatch", 9),
    _histories(("dispatch", "dispatch", "event"), "dispatch", 9),
    _histories(("ticket", "ticket", "event"), "ticket", 9),
    _histories((*_ALL, "event", "event", "event", "event"), "dispatch", 10),
)
"""Any families, with amendments and withdrawals of events, of corrections and of nothing."""
histories = st.one_of(plain, corrected)
