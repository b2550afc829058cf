"""Money by place (000:177, readings B13 and B15)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.scoring.ranking import Place, places
from services.core.scoring.rankpay import money_for
from tests.unit.core.scoring.build import S01

assert S01.pay is not None
PAY = S01.pay


def proposed(place: Place, *, newcomer: bool = False) -> Decimal:
    return money_for(PAY, place, newcomer=newcomer).proposed


def test_the_first_two_are_rewarded_and_the_last_two_fined() -> None:
    amounts = [proposed(Place(number, number, 6)) for number in range(1, 7)]
    assert amounts == [200, 100, 0, 0, -50, -100]


def test_fewer_than_four_ranked_people_get_no_money_and_the_reason() -> None:
    found = money_for(PAY, Place(1, 1, 3), newcomer=False)
    assert found.place_amount is None
    assert found.proposed == 0
    assert found.remark == "min_population: 3 ranked, 4 needed"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Place(1, 2, 5), "150.00"),
        (Place(2, 3, 5), "50.00"),
        (Place(1, 3, 7), "100.00"),
        (Place(3, 5, 5), "-50.00"),
        (Place(4, 6, 8), "0.00"),
    ],
)
def test_tied_people_share_what_their_places_earn(place: Place, expected: str) -> None:
    assert str(proposed(place)) == expected


def test_a_share_is_rounded_half_up_to_cents_once() -> None:
    thirds = replace(PAY, bottom=(Fraction(100), Fraction(50), Fraction(25)))
    assert money_for(thirds, Place(3, 5, 5), newcomer=False).proposed == Decimal("-58.33")


def test_all_tied_get_nothing() -> None:
    assert proposed(Place(1, 6, 6)) == 0


def test_a_newcomer_keeps_the_place_and_the_reward_but_is_not_fined_and_the_fine_is_not_passed_on() -> None:
    fined = money_for(PAY, Place(6, 6, 6), newcomer=True)
    assert fined.place_amount == -100
    assert fined.proposed == 0
    assert fined.remark == "newcomer_fined: no"
    assert proposed(Place(1, 1, 6), newcomer=True) == 200
    assert proposed(Place(5, 5, 6)) == -50
    yes = replace(PAY, newcomer_fined=True)
    assert money_for(yes, Place(6, 6, 6), newcomer=True).proposed == -100


@given(st.lists(st.integers(0, 4), min_size=4, max_size=30))
def test_the_money_of_all_places_does_not_depend_on_ties(totals: list[int]) -> None:
    found = places({str(index): Fraction(value) for index, value in enumerate(totals)})
    if len(set(totals)) == 1:
        return
    paid = sum((proposed(place) for place in found.values()), Decimal(0))
    assert abs(paid - 150) <= Decimal("0.01") * len(totals)
