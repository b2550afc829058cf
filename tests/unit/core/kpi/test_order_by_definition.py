"""A dispatch order's postings agree with a slow reading of the rules, at every instant and in the end."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings

from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event
from services.core.kpi.measures import STOCK_MEASURES
from services.core.kpi.walk import fold_case
from tests.unit.core.kpi import slow_order
from tests.unit.core.kpi.histories import orders

D = Definitions()


@given(orders)
@settings(max_examples=200, deadline=None)
def test_gauges_at_and_around_every_instant_that_matters(history: list[Event]) -> None:
    posted = fold_case(history, D).posted
    instants = {event.time_ms + after for event in history for after in (0, 1)}
    instants |= {key[3] + after for key in posted if key[1] in STOCK_MEASURES for after in (0, 1)}
    for at in instants:
        held: Counter[tuple[str, str]] = Counter()
        for (engineer, measure, _dim, begins, _book, _value), n in posted.items():
            if measure in STOCK_MEASURES and begins < at:
                held[engineer, measure] += n
        assert +held == slow_order.gauge(history, at), at


@given(orders)
@settings(max_examples=300, deadline=None)
def test_settled_flows_credit_and_book(history: list[Event]) -> None:
    found: Counter[tuple[str, str, int]] = Counter()
    for (engineer, measure, _dim, _at, book, _value), n in fold_case(history, D).posted.items():
        if measure.startswith("dispatch.") and measure not in STOCK_MEASURES:
            found[engineer, measure, book] += n
    assert Counter({key: n for key, n in found.items() if n}) == slow_order.flows(history)
