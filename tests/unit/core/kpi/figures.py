"""Whole worlds of cases for the tests: folded case by case, read as one set of net postings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from services.core.kpi.contribution import PostingKey
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event
from services.core.kpi.reading import Total, by_measure, flow, settled_stock, stock
from services.core.kpi.walk import Folded, fold_case
from tests.examples.loader import by_case, milliseconds


@dataclass(frozen=True)
class World:
    """Folded cases, by case."""

    cases: dict[str, Folded]

    @classmethod
    def of(cls, events: Iterable[Event], definitions: Definitions | None = None) -> World:
        return cls({case: fold_case(own, definitions or Definitions()) for case, own in by_case(events).items()})

    @cached_property
    def net(self) -> list[tuple[PostingKey, int]]:
        return [line for folded in self.cases.values() for line in folded.posted.items()]

    def period(
        self, start: str, end: str, engineers: Iterable[str] | None = None, *, provisional: bool = False
    ) -> dict[str, Total]:
        """Totals by measure as a period reads them: flows booked in it, stocks as settled (or known) at its end."""
        start_ms, end_ms = milliseconds(start), milliseconds(end)
        before = end_ms if provisional else None
        who = None if engineers is None else list(engineers)
        flows = by_measure(flow(self.net, start_ms, end_ms, before), who)
        stocks = by_measure(settled_stock(self.net, end_ms, before), who)
        return {**flows, **stocks}

    def gauge(self, at: str, engineers: Iterable[str] | None = None) -> dict[str, Total]:
        """Stocks by measure at an instant."""
        return by_measure(stock(self.net, milliseconds(at)), engineers)
