"""What a score is computed from: postings summed by engineer, measure, dimension and book day, and single occurrences.

Where the figures come from (journal below a cutoff, a refold of the ledger, a test) is the caller's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Total:
    """Net postings of one actor ("<source> <id>"), measure, dimension and book day.

    `n` is the signed number of items, `value` the sum of n times the value per item (milliseconds or millionths). For a stock the book
    day is the last day of the period, whenever the stock began.
    """

    actor: str
    measure: str
    dim: str
    book: date
    n: int
    value: int


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Net postings of one case for a measure that is scored case by case; `cause` = "<source> <id>" of the event behind it."""

    actor: str
    measure: str
    dim: str
    book: date
    n: int
    shard: int
    case: str
    cause: str


def merged(totals: list[Total]) -> list[Total]:
    """Rows of the same key added up, zero rows dropped, in order of the key: the form that does not depend on pages or arrival."""
    sums: dict[tuple[str, str, str, date], tuple[int, int]] = {}
    for total in totals:
        key = (total.actor, total.measure, total.dim, total.book)
        n, value = sums.get(key, (0, 0))
        sums[key] = (n + total.n, value + total.value)
    return [Total(*key, n, value) for key, (n, value) in sorted(sums.items()) if n or value]
