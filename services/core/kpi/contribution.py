"""Lines of a standing, contributions and posted sets: what a case amounts to, and how it changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from services.core.kpi.quick import quick

Line: TypeAlias = tuple[str, str, str, int, int, int, int]
"""A difference between two standings: (engineer, measure, dim, nominal_ms, book_ms, value, n)."""

PostingKey: TypeAlias = tuple[str, str, str, int, int, int]
"""(engineer, measure, dim, at_ms, book_ms, value); in a standing the nominal instant stands in the place of at_ms."""

Posted: TypeAlias = dict[PostingKey, int]
"""Net items by key; no key has 0."""


@quick
@dataclass(frozen=True, slots=True)
class Contribution:
    """A line that appeared (n > 0) or vanished (n < 0) at an instant of event time.

    `engineer` is an actor ("<source> <id>", "" = unattributed); `value` is per item: milliseconds, millionths, or 1 for a count.
    """

    engineer: str
    measure: str
    dim: str
    at_ms: int
    book_ms: int
    value: int
    n: int


def contributions_of(lines: list[Line], time_ms: int) -> list[Contribution]:
    """The contributions that a change of the standing makes at an instant: each line from then on, or from its later nominal instant.

    The lines must differ in more than their nominal instants; see `netted`.
    """
    return [
        Contribution(
            engineer,
            measure,
            dim,
            nominal_ms if nominal_ms > time_ms else time_ms,  # noqa: FURB136 - a call for each contribution of the hot path
            book_ms,
            value,
            n,
        )
        for engineer, measure, dim, nominal_ms, book_ms, value, n in lines
    ]


def netted(lines: list[Line], time_ms: int) -> list[Line]:
    """Lines as they count from an instant on, one for each key: what replaces a fact by an equal one comes to nothing."""
    net: Posted = {}
    for engineer, measure, dim, nominal_ms, book_ms, value, n in lines:
        key = (engineer, measure, dim, max(nominal_ms, time_ms), book_ms, value)
        net[key] = net.get(key, 0) + n
    return [(*key, n) for key, n in net.items() if n]


def add_lines(standing: Posted, lines: Iterable[Line]) -> None:
    """Add lines to a standing, in place; what comes to nothing leaves."""
    for line in lines:
        key = line[:6]
        n = standing.get(key, 0) + line[6]
        if n:
            standing[key] = n
        else:
            del standing[key]


def lines_between(before: Posted, after: Posted) -> list[Line]:
    """The lines that lead from one standing to another."""
    lines = [(*key, -n) for key, n in before.items() if key not in after]
    lines += [(*key, n - before.get(key, 0)) for key, n in after.items() if before.get(key) != n]
    return lines


def apply(posted: Posted, contributions: Iterable[Contribution]) -> Posted:
    """The posted set after further contributions; the given one stays as it is."""
    after = dict(posted)
    for c in contributions:
        key = (c.engineer, c.measure, c.dim, c.at_ms, c.book_ms, c.value)
        n = after.get(key, 0) + c.n
        if n:
            after[key] = n
        else:
            del after[key]
    return after


def difference(after: Posted, before: Posted) -> list[Contribution]:
    """The contributions that lead from one posted set to another."""
    return [Contribution(*line) for line in lines_between(before, after)]
