"""A log-linear histogram of durations: exact below 32 ms, then 16 bins an octave. Counts subtract, so a retraction leaves no trace.

A bin is no wider than 1/16 of its lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from services.core.kpi.quantile import nearest_rank


def bin_of(value_ms: int) -> int:
    """The bin of a duration in milliseconds. Raises ValueError below 0.

    >>> bin_of(31), bin_of(32), bin_of(33), bin_of(34)
    (31, 32, 32, 33)
    """
    if value_ms < 0:
        raise ValueError(f"a duration is not negative: {value_ms}")
    shift = value_ms.bit_length() - 5
    return value_ms if shift <= 0 else 16 * shift + (value_ms >> shift)


def bounds_of(index: int) -> tuple[int, int]:
    """The durations [lower, upper) in milliseconds of a bin.

    >>> bounds_of(31), bounds_of(32)
    ((31, 32), (32, 34))
    """
    if index < 32:
        return index, index + 1
    shift = index // 16 - 1
    lower = (index % 16 + 16) << shift
    return lower, lower + (1 << shift)


def quantile_bounds(counts: Mapping[int, int], share: Fraction) -> tuple[int, int] | None:
    """The bounds [lower, upper) of the bin in which the quantile (nearest rank) lies; None without values.

    >>> quantile_bounds({31: 1, 32: 3}, Fraction(1, 2))
    (32, 34)
    """
    index = nearest_rank(counts, share)
    return None if index is None else bounds_of(index)
