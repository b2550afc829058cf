"""A ticket's postings agree with a slow reading of the rules, at every instant and in the end."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings

from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event
from services.core.kpi.measures import STOCK_MEASURES
from services.core.kpi.walk import fold_case
from tests.unit.core.kpi import slow_ticket
from tests.unit.core.kpi.histories import tickets

D = Definitions()


@given(tickets)
@settings(max_examples=300, deadline=None)
def test_open_and_unanswered_at_and_around_every_instant(history: list[Event]) -> None:
    posted = fold_case(history, D).posted
    for at in {event.time_ms + after for event in history for after in (0, 1)}:
        held: Counter[tuple[str, str]] = Counter()
        for (engineer, measure, _dim, begins, _book, _value), n in posted.items():
            if measure in STOCK_MEASURES and begins < at:
                held[engineer, measure] += n
        assert +held == slow_ticket.gauge(history, at), at


@given(tickets)
@settings(max_examples=400, deadline=None)
def test_settled_flows_credit_book_and_duration(history: list[Event]) -> None:
    found: Counter[tuple[str, str, int, int]] = Counter()
    for (engineer, measure, _dim, _at, book, value), n in fold_case(history, D).posted.items():
        if measure.startswith("ticket.") and measure not in STOCK_MEASURES:
            found[engineer, measure, book, value] += n
    assert Counter({key: n for key, n in found.items() if n}) == slow_ticket.flows(history)
