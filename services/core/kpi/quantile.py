"""Exact quantiles by nearest rank (rule 28): always a value that occurred."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction


def nearest_rank(counts: Mapping[int, int], share: Fraction) -> int | None:
    """The ⌈share × n⌉-th smallest of n values given as value → how often; None without values. `share` lies in (0, 1].

    >>> nearest_rank({10: 1, 20: 2, 30: 1}, Fraction(9, 10)), nearest_rank({}, Fraction(1, 2))
    (30, None)
    """
    total = sum(counts.values())
    if total <= 0:
        return None
    rank = max(1, -(-share.numerator * total // share.denominator))
    passed = 0
    for value in sorted(counts):
        passed += counts[value]
        if passed >= rank:
            return value
    raise AssertionError("counts must not be negative")
