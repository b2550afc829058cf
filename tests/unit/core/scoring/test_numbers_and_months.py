"""Exact numbers as they are written, and months as they are counted."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.scoring.exact import decimal_text, half_up, plain, rational
from services.core.scoring.period import Month, PeriodError, local_date, midnight_ms

HOUR_MS = 3_600_000


@given(st.fractions())
def test_the_stored_form_gives_the_number_back(number: Fraction) -> None:
    assert Fraction(rational(number)) == number


@given(number=st.fractions(), places=st.integers(0, 15))
def test_rounding_is_off_by_half_a_unit_at_most_and_symmetric(number: Fraction, places: int) -> None:
    rounded = Fraction(half_up(number, places))
    assert abs(rounded - number) <= Fraction(1, 2 * 10**places)
    assert Fraction(half_up(-number, places)) == -rounded


@pytest.mark.parametrize(
    ("number", "text"),
    [(Fraction(1, 200), "0.01"), (Fraction(-1, 200), "-0.01"), (Fraction(-1, 300), "0.00"), (Fraction(5), "5.00")],
)
def test_halves_go_away_from_zero_and_zero_has_no_sign(number: Fraction, text: str) -> None:
    assert decimal_text(number, 2) == text


def test_numbers_beyond_28_digits_are_not_cut() -> None:
    assert half_up(Fraction(10**40 + 1, 1), 2) == Decimal(10**40 + 1)


def test_arithmetic_is_written_as_people_read_it() -> None:
    assert [plain(Fraction(number)) for number in (10, -10)] == ["10", "−10"]
    assert plain(Fraction(-1, 2)) == "−1/2"


@given(st.dates(date(1971, 1, 1), date(2199, 12, 31)))
def test_every_day_lies_in_its_month_and_in_no_other(day: date) -> None:
    month = Month.of(day)
    assert month.first_day <= day <= month.last_day
    assert month.last_day + timedelta(days=1) == month.following().first_day == month.end_day
    assert Month.parse(str(month)) == month


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-1", "202610", "2026-10-01", "0000-01", "", "２０２６-10"])
def test_anything_else_is_no_period(text: str) -> None:
    with pytest.raises(PeriodError):
        Month.parse(text)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC", "America/New_York", "Europe/Berlin"])
@given(day=st.dates(date(1990, 1, 1), date(2035, 12, 31)))
def test_a_local_day_begins_at_its_own_midnight_also_when_clocks_change(zone: str, day: date) -> None:
    start = midnight_ms(day, zone)
    assert local_date(start, zone) == day
    assert local_date(start - 1, zone) == day - timedelta(days=1)
    length = midnight_ms(day + timedelta(days=1), zone) - start
    assert length in {23 * HOUR_MS, 24 * HOUR_MS, 25 * HOUR_MS}


def test_october_in_shanghai_is_the_examples_period() -> None:
    october = Month(2026, 10)
    assert (october.start_ms("Asia/Shanghai"), october.end_ms("Asia/Shanghai")) == (
        1_790_784_000_000,
        1_793_462_400_000,
    )
    assert [str(month) for month in Month(2026, 3).months_of_year_so_far()] == ["2026-01", "2026-02", "2026-03"]
