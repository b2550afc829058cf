"""Reading net postings: flows of a period, stocks at an instant, settled or as far as known before an instant (rule 15).

The store reads the same from its journal and buckets; this is the reference, and what a freeze or a test uses on folded cases.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from services.core.kpi.contribution import PostingKey
from services.core.kpi.measures import STOCK_MEASURES

Net: TypeAlias = Iterable[tuple[PostingKey, int]]
"""Postings of any number of cases, such as `posted.items()`."""


@dataclass(frozen=True, slots=True)
class Total:
    """Net items, and the sum of their values: equal for a count, milliseconds or millionths for the others."""

    n: int = 0
    value: int = 0

    def __add__(self, other: Total) -> Total:
        return Total(self.n + other.n, self.value + other.value)


Totals: TypeAlias = dict[tuple[str, str, str], Total]
"""By (engineer, measure, dim); what comes to nothing is left out."""


def flow(net: Net, start_ms: int, end_ms: int, before_ms: int | None = None) -> Totals:
    """Flows booked in [start, end). With `before_ms` only what was known before it: the period's end for a provisional figure."""
    return _sum(
        (key, n)
        for key, n in net
        if key[1] not in STOCK_MEASURES and start_ms <= key[4] < end_ms and (before_ms is None or key[3] < before_ms)
    )


def stock(net: Net, at_ms: int) -> Totals:
    """The gauges at T: the stocks of everything before it. They have one view (O16)."""
    return _sum((key, n) for key, n in net if key[1] in STOCK_MEASURES and key[3] < at_ms)


def settled_stock(net: Net, at_ms: int, before_ms: int | None = None) -> Totals:
    """The stocks at T as they are known today, later corrections included; with `before_ms` as they were known then."""
    return _sum(
        (key, n)
        for key, n in net
        if key[1] in STOCK_MEASURES and key[4] < at_ms and (before_ms is None or key[3] < before_ms)
    )


def by_measure(totals: Totals, engineers: Iterable[str] | None = None) -> dict[str, Total]:
    """Totals of some engineers (None = everybody, unattributed included) by measure, over all dimensions."""
    wanted = None if engineers is None else set(engineers)
    sums: dict[str, Total] = {}
    for (engineer, measure, _dim), total in totals.items():
        if wanted is None or engineer in wanted:
            sums[measure] = sums.get(measure, Total()) + total
    return sums


def _sum(net: Net) -> Totals:
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for (engineer, measure, dim, _at, _book, value), n in net:
        key = (engineer, measure, dim)
        items, amount = sums.get(key, (0, 0))
        sums[key] = (items + n, amount + n * value)
    return {key: Total(*sum_) for key, sum_ in sums.items() if sum_ != (0, 0)}
