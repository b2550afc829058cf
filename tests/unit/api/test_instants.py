"""Numbers leave exactly; the decimal beside them is only for the eye."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.instants import decimal, exact, rfc3339
from tests.examples.loader import milliseconds


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (Fraction(1, 8), 2, "0.13"),  # half away from zero
        (Fraction(-1, 8), 2, "-0.13"),
        (Fraction(-1, 1000), 2, "0.00"),  # no minus before a zero
        (Fraction(-10, 3), 12, "-3.333333333333"),
        (Fraction(2, 3), 0, "1"),
        (Fraction(10**30, 7), 3, "142857142857142857142857142857.143"),
    ],
)
def test_a_decimal_is_rounded_half_away_from_zero(value: Fraction, places: int, text: str) -> None:
    """As the worked examples are written."""
    assert decimal(value, places) == text


@given(st.fractions())
def test_a_fraction_says_again_what_it_is(value: Fraction) -> None:
    """Nothing is lost on the way."""
    assert Fraction(exact(value)) == value


@given(st.integers(milliseconds("1970-01-01T00:00:00+00:00"), milliseconds("9999-12-31T23:59:59+00:00")))
def test_an_instant_says_again_what_it_is(instant: int) -> None:
    """To the millisecond."""
    assert milliseconds(rfc3339(instant)) == instant
