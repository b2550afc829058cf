"""Periods are [start, end), what is known is known before, a gauge counts what began before it."""

from __future__ import annotations

import pytest

from services.core.kpi.contribution import PostingKey
from services.core.kpi.reading import Total, by_measure, flow, settled_stock, stock

START, END = 1000, 2000


def _flow(at: int, book: int, n: int = 1, value: int = 1) -> tuple[PostingKey, int]:
    return ("crm E1", "ticket.first_response", "", at, book, value), n


def _stock(at: int, book: int, n: int = 1, engineer: str = "crm E1") -> tuple[PostingKey, int]:
    return (engineer, "dispatch.open", "", at, book, 1), n


@pytest.mark.parametrize(("book", "counts"), [(999, False), (1000, True), (1999, True), (2000, False)])
def test_a_flow_belongs_to_the_period_of_its_book_start_included_end_not(book: int, counts: bool) -> None:
    assert bool(flow([_flow(5, book)], START, END)) == counts


@pytest.mark.parametrize(("at", "counts"), [(1999, True), (2000, False), (5000, False)])
def test_the_provisional_figure_knows_only_what_was_known_before_the_end(at: int, counts: bool) -> None:
    assert bool(flow([_flow(at, 1500)], START, END, END)) == counts
    assert flow([_flow(at, 1500)], START, END)
    assert bool(settled_stock([_stock(at, 1500)], END, END)) == counts


@pytest.mark.parametrize(("instant", "counts"), [(1999, True), (2000, False), (2001, False)])
def test_a_stock_at_an_instant_holds_what_began_before_it(instant: int, counts: bool) -> None:
    assert bool(stock([_stock(instant, 0)], 2000)) == counts
    assert bool(settled_stock([_stock(9999, instant)], 2000)) == counts


def test_flows_and_stocks_are_not_mixed_up() -> None:
    net = [_flow(5, 1500), _stock(5, 1500)]
    assert list(flow(net, START, END)) == [("crm E1", "ticket.first_response", "")]
    assert list(stock(net, END)) == list(settled_stock(net, END)) == [("crm E1", "dispatch.open", "")]


def test_items_and_values_add_up_and_nothing_is_left_of_what_was_taken_back() -> None:
    totals = flow([_flow(1, 1500, 2, 300), _flow(2, 1600, 1, 500), _flow(3, 1600, -1, 500)], START, END)
    assert totals == {("crm E1", "ticket.first_response", ""): Total(2, 600)}
    assert stock([_stock(1, 1), _stock(2, 2, -1)], END) == {}


def test_totals_of_some_engineers_or_of_everybody() -> None:
    totals = stock([_stock(1, 1), _stock(1, 1, engineer="crm E2"), _stock(1, 1, engineer="")], END)
    assert by_measure(totals) == {"dispatch.open": Total(3, 3)}
    assert by_measure(totals, ["crm E1", "crm E9"]) == {"dispatch.open": Total(1, 1)}
    assert by_measure(totals, []) == {}
