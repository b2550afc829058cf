"""Random histories of one case, over all families: late, same-instant, impossible, corrected, and around every limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from services.core.kpi.event import (
    AttendanceFacts,
    ComplaintFacts,
    CorrectionFacts,
    DispatchFacts,
    Event,
    Facts,
    FollowupFacts,
    InspectionFacts,
    MeasureFacts,
    OtherFacts,
    Scalar,
    SurveyFacts,
    TicketFacts,
)

DAY_MS = 86_400_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = datetime(2026, 9, 28, tzinfo=timezone(timedelta(hours=8)))
FIRST_MS = (FIRST - EPOCH) // timedelta(milliseconds=1)
"""Local midnight (+08:00) of the first day of every history."""

DISPATCH = (
    "accepted",
    "dispatched",
    "confirmed",
    "scheduled",
    "rescheduled",
    "arrived",
    "completed",
    "reported",
    "cancelled",
    "reopened",
)
TICKET = ("opened", "accepted", "assigned", "replied", "messaged", "paused", "resolved", "reopened", "closed")
PEOPLE = (None, "E1", "E2", "E3")

# Midnights, the last millisecond of a day and the same hours on different days, so that limits are met exactly.
_OFFSETS = (0, 1, DAY_MS - 1, 9 * 3_600_000, 9 * 3_600_000, 9 * 3_600_000 + 1, 20 * 3_600_000)
times = st.builds(
    lambda day, offset: FIRST_MS + day * DAY_MS + offset,
    st.one_of(st.integers(0, 12), st.integers(0, 45)),
    st.sampled_from(_OFFSETS),
)
days = st.integers(-1, 20).map(lambda day: (FIRST + timedelta(days=day)).date().isoformat())
people = st.sampled_from(PEOPLE)

_dispatch_facts = st.builds(
    DispatchFacts,
    order_type=st.sampled_from((None, "上门维修", "送修")),
    reason=st.sampled_from(("customer", "customer", "parts", None)),
    agreed=st.one_of(days, st.sampled_from((None, "2026-02-30"))),
)
_ticket_facts = st.builds(
    TicketFacts, public=st.sampled_from((True, True, False)), actor=st.sampled_from(("person", "person", "bot"))
)
_small: dict[str, tuple[tuple[str, ...], st.SearchStrategy[Facts]]] = {
    "followup": (
        ("done", "attempted"),
        st.builds(FollowupFacts, target=st.sampled_from((None, "customer", "dealer")), satisfied=st.sampled_from((None, True, False))),
    ),
    "survey": (
        ("answered", "sent"),
        st.builds(
            SurveyFacts,
            survey=st.sampled_from((None, "csat")),
            label=st.sampled_from((None, "满意", "一般")),
            score=st.sampled_from((None, 5, "9", 3)),
            scale=st.sampled_from((None, "1-5", "0-10")),
            valid=st.sampled_from((True, True, False)),
        ),
    ),
    "complaint": (
        ("registered", "judged"),
        st.builds(
            ComplaintFacts,
            complaint=st.sampled_from((None, "K1")),
            complaint_class=st.sampled_from((None, "general", "major")),
            upheld=st.sampled_from((None, True, False)),
            person=people,
        ),
    ),
    "inspection": (
        ("found",),
        st.builds(InspectionFacts, kind=st.sampled_from((None, "engineer_problem", "violation")), count=st.integers(0, 2)),
    ),
    "attendance": (
        ("recorded",),
        st.builds(
            AttendanceFacts,
            to_day=st.one_of(days, st.none()),
            days=st.sampled_from((None, "0", "0.5", "18", "x")),
            leave=st.sampled_from((None, "1.25")),
            kind=st.sampled_from((None, "present", "absent", "sick_leave")),
        ),
    ),
    "measure": (
        ("recorded",),
        st.builds(
            MeasureFacts,
            measure=st.sampled_from((None, "hq_satisfaction")),
            month=st.sampled_from((None, "2026-10", "2026-13")),
            numerator=st.sampled_from((None, "90", "91")),
            denominator=st.sampled_from((None, "100")),
        ),
    ),
    "call": (("offered",), st.just(OtherFacts())),
}  # fmt: skip

_changes: st.SearchStrategy[tuple[str, Scalar]] = st.one_of(
    st.tuples(st.just("time"), times.map(lambda ms: (EPOCH + timedelta(milliseconds=ms)).isoformat())),
    st.tuples(st.just("engineer"), people),
    st.tuples(st.just("agreed"), days),
    st.sampled_from(
        [("time", "yesterday"), ("upheld", True), ("upheld", "yes"), ("days", 2), ("unknown", 1), ("order_type", None)]
    ),
)


@st.composite
def _events(draw: st.DrawFn, index: int, families: tuple[str, ...], ids: list[str]) -> Event:
    family = draw(st.sampled_from(families))
    facts: Facts
    if family == "dispatch":
        verb, facts = draw(st.sampled_from(DISPATCH)), draw(_dispatch_facts)
    elif family == "ticket":
        verb, facts = draw(st.sampled_from(TICKET)), draw(_ticket_facts)
    elif family == "event":
        verb = draw(st.sampled_from(("amended", "withdrawn", "withdrawn")))
        changes = draw(st.lists(_changes, max_size=2)) if verb == "amended" else []
        facts = CorrectionFacts(draw(st.sampled_from(ids)), None, tuple(changes))
    else:
        verbs, some = _small[family]
        verb, facts = draw(st.sampled_from(verbs)), draw(some)
    return Event(
        source="crm" if family == "event" else draw(st.sampled_from(("crm", "crm", "crm", "hq"))),
        id=ids[index],
        family=family,
        verb=verb,
        case="PG-1",
        time_ms=draw(times),
        sequence=draw(st.sampled_from((None, None, 1, 2, 10))),
        engineer=draw(people),
        performed_by=draw(st.sampled_from((None, "C1", "C2"))),
        facts=facts,
    )


@st.composite
def _history(draw: st.DrawFn, families: tuple[str, ...], first: str | None, longest: int) -> list[Event]:
    size = draw(st.integers(1, longest))
    ids = draw(st.permutations([f"{n}" for n in range(size + 1)]))  # the last id is nobody's: a target unknown
    history = [draw(_events(index, families, ids)) for index in range(size)]
    if first is not None:
        # Most histories begin as they should, so that more than impossible events is tried.
        opening = Event("crm", "a", first, DISPATCH[0] if first == "dispatch" else TICKET[0], "PG-1", FIRST_MS + draw(st.sampled_from(_OFFSETS)), None, draw(people), "C1", DispatchFacts(order_type="上门维修") if first == "dispatch" else TicketFacts())  # fmt: skip
        history.append(opening)
    return history


ALL = ("dispatch", "dispatch", "dispatch", "ticket", "ticket", *_small)

orders = _history(("dispatch", "dispatch", "dispatch", "followup"), "dispatch", 9)
"""A dispatch order without corrections."""
tickets = _history(("ticket",), "ticket", 9)
"""A ticket without corrections."""
plain = st.one_of(orders, tickets, _history(ALL, "dispatch", 10), _history(ALL, None, 10))
"""Any families, no corrections."""
corrected = st.one_of(
    _history(("dispatch", "dispatch", "event"), "dispatch", 9),
    _history(("ticket", "ticket", "event"), "ticket", 9),
    _history((*ALL, "event", "event", "event"), "dispatch", 10),
)
"""Any families, with amendments and withdrawals of events, of corrections and of nothing."""
histories = st.one_of(plain, corrected)
