"""Histogram and quantiles: bins that meet without gap, bounds that hold, counts that subtract, ranks by definition."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.kpi.histogram import bin_of, bounds_of, quantile_bounds
from services.core.kpi.quantile import nearest_rank

unhurried = settings(deadline=None)
durations = st.integers(0, 2**45)
shares = st.fractions(min_value=Fraction(1, 100), max_value=1, max_denominator=100)


@unhurried
@given(durations)
def test_a_duration_lies_within_its_bin_and_the_bin_is_narrow(value: int) -> None:
    lower, upper = bounds_of(bin_of(value))
    assert lower <= value < upper
    assert (upper - lower) * 16 <= max(lower, 16)


@unhurried
@given(st.integers(0, 700))
def test_bins_follow_each_other_without_gap(index: int) -> None:
    assert bounds_of(index)[1] == bounds_of(index + 1)[0]
    assert bin_of(bounds_of(index)[0]) == index


def test_bins_of_two_hundred_years_fit_a_small_integer() -> None:
    assert bin_of(200 * 366 * 86_400_000) < 2**15


def test_a_negative_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        bin_of(-1)


@unhurried
@given(st.lists(durations, min_size=1, max_size=20), shares)
def test_the_quantile_is_the_nearest_rank(values: list[int], share: Fraction) -> None:
    wanted = sorted(values)[math.ceil(share * len(values)) - 1]
    assert nearest_rank(Counter(values), share) == wanted
    bounds = quantile_bounds(Counter(map(bin_of, values)), share)
    assert bounds is not None
    assert bounds[0] <= wanted < bounds[1]


@unhurried
@given(st.lists(durations, max_size=12), st.lists(durations, max_size=12))
def test_counts_taken_out_again_leave_no_trace(kept: list[int], retracted: list[int]) -> None:
    counts = Counter(map(bin_of, kept + retracted))
    counts.subtract(Counter(map(bin_of, retracted)))
    assert quantile_bounds(counts, Fraction(1, 2)) == quantile_bounds(Counter(map(bin_of, kept)), Fraction(1, 2))


def test_without_values_there_is_no_quantile() -> None:
    assert nearest_rank({}, Fraction(1, 2)) is None
    assert quantile_bounds({7: 0}, Fraction(1, 2)) is None
