"""Laws of scoring: lines add up, order does not matter, places and their points are conserved."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.scoring.document import Absent, Direction, RankProportional
from services.core.scoring.ranking import places, proportional_points
from services.core.scoring.result import Status
from services.core.scoring.totals import Occurrence, Total, merged
from services.core.scoring.trace import total_of
from tests.unit.core.scoring.build import (
    DAY,
    LAST,
    S01,
    S02,
    evaluate,
    occurrence,
    organisation,
    total,
)

values = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=3), st.fractions(-5, 5, max_denominator=6), min_size=2
)


@given(values)
def test_places_add_up_to_those_of_a_ranking_without_ties(found: dict[str, Fraction]) -> None:
    n = len(found)
    assert sum(place.mean for place in places(found).values()) == Fraction(n * (n + 1), 2)


@given(values)
def test_rank_points_add_up_to_half_the_maximum_each(found: dict[str, Fraction]) -> None:
    rule = RankProportional(Fraction(20))
    points = [proportional_points(rule, place) for place in places(found).values()]
    assert sum((each for each in points if each is not None), Fraction(0)) == Fraction(20 * len(found), 2)


@given(values)
def test_a_better_value_never_earns_less_and_the_other_direction_mirrors(found: dict[str, Fraction]) -> None:
    up, down = places(found), places(found, Direction.LOWEST_FIRST)
    for one, value in found.items():
        for other, against in found.items():
            assert (value > against) == (up[one].mean < up[other].mean)
        assert up[one].mean + down[one].mean == len(found) + 1


@st.composite
def a_month(draw: st.DrawFn) -> tuple[list[Total], list[Occurrence]]:
    """Random totals of four representatives; some inputs may be missing."""
    totals: list[Total] = []
    occurrences: list[Occurrence] = []
    small = st.integers(0, 4)
    for number in range(1, 5):
        rep, engineer, region = f"R{number}", f"E{number}", f"A{number}"
        buckets = ("day_1", "day_3", "day_7", "later")
        totals += [total(engineer, f"dispatch.completed.{each}", draw(small), "上门维修") for each in buckets]
        totals.append(total(engineer, "dispatch.stale_30", draw(st.integers(0, 1)), "上门安装", book=LAST))
        totals.append(total(engineer, "dispatch.visited", draw(small)))
        answered = draw(small)
        totals.append(total(engineer, "survey.answered", answered))
        totals.append(total(engineer, "survey.satisfied", draw(st.integers(0, answered))))
        totals.append(total(rep, "finding.engineer_problem", draw(small), "attitude"))
        totals += [total(rep, f"workload.{act}", draw(small)) for act in ("accepted", "reported", "followed_up")]
        totals.append(total(rep, "attendance.present", amount=draw(st.sampled_from(["0", "18", "19.5"])), book=LAST))
        totals.append(total(rep, "attendance.leave", amount=draw(st.sampled_from([0, 3])), book=LAST))
        totals.append(total(region, "measure.hq_satisfaction.numerator", amount=draw(small), book=LAST))
        totals.append(total(region, "measure.hq_satisfaction.denominator", amount=draw(st.integers(0, 6)), book=LAST))
        for case in range(draw(st.integers(0, 2))):
            kind = draw(st.sampled_from(["general", "major", "internal", "media"]))
            occurrences.append(occurrence(rep, "complaint.upheld", kind, case=f"PG-{number}-{case}"))
    return totals, occurrences


@settings(max_examples=150, deadline=None)
@given(month=a_month(), leave_out=st.booleans())
def test_the_lines_of_every_scored_person_add_up_to_the_total_exactly(
    month: tuple[list[Total], list[Occurrence]], leave_out: bool
) -> None:
    totals, occurrences = month
    for scheme in (S01, S02):
        absent = Absent.LEAVE_OUT if leave_out else Absent.BLOCK
        criteria = tuple(replace(criterion, absent=absent) for criterion in scheme.criteria)
        found = evaluate(
            organisation(4, {4: date(2026, 10, 5)}), totals, occurrences, replace(scheme, criteria=criteria)
        )
        for each in found.people:
            if each.status is Status.SCORED:
                assert each.total == total_of(each.lines)
                assert each.before_veto == (each.subtotal or 0) + (each.deducted or 0)
            else:
                assert (each.total, each.place, each.money) == (None, None, None)


@settings(max_examples=50, deadline=None)
@given(month=a_month(), seed=st.integers(0, 2**32))
def test_the_order_and_the_splitting_of_the_totals_change_nothing(
    month: tuple[list[Total], list[Occurrence]], seed: int
) -> None:
    totals, occurrences = month
    roster, rng = organisation(4), random.Random(seed)
    split = [replace(each, n=part, value=share) for each in totals for part, share in _halves(each)]
    rng.shuffle(split)
    other = evaluate(roster, split, rng.sample(occurrences, len(occurrences)))
    assert other.people == evaluate(roster, totals, occurrences).people
    assert merged(split) == merged(totals)


def _halves(each: Total) -> list[tuple[int, int]]:
    return [(each.n // 2, each.value // 2), (each.n - each.n // 2, each.value - each.value // 2)]


def test_left_out_items_let_the_others_carry_their_weight_and_say_so() -> None:
    criteria = tuple(replace(criterion, absent=Absent.LEAVE_OUT) for criterion in S02.criteria)
    totals = [total("E1", "dispatch.completed.day_1", 1, "上门维修")]
    found = evaluate(organisation(1), totals, (), replace(S02, criteria=criteria)).person("E1")
    assert found.total == 100
    assert [(line.rule, line.points) for line in found.lines] == [
        ("series", Fraction(50)),
        ("renormalised", Fraction(50)),
    ]


def test_weights_multiply_the_points_of_an_item() -> None:
    """WSUM: 得分 = ∑(评分 × 权重)."""
    weights = (Fraction(1, 4), Fraction(3, 4))
    criteria = tuple(replace(each, weight=weight) for each, weight in zip(S02.criteria, weights, strict=True))
    totals = [
        total("E1", "dispatch.completed.day_1", 1, "上门维修"),
        total("E1", "survey.answered", 2),
        total("E1", "survey.satisfied", 1),
    ]
    found = evaluate(organisation(1), totals, (), replace(S02, criteria=criteria)).person("E1")
    assert found.total == 25 * Fraction(1, 4) + 50 * Fraction(3, 4)
    assert found.lines[0].arithmetic.endswith("25 × (1/4) = 25/4")


def test_a_person_booked_on_two_days_is_resolved_on_each() -> None:
    totals = [total("E1", "dispatch.visited", 1, book=DAY), total("E1", "dispatch.visited", 1, book=LAST)]
    assert evaluate(organisation(1), totals).people[0].items[0].figure.denominator == 2


def test_the_scheme_of_the_tests_is_the_shipped_one() -> None:
    assert (S01.id, S02.id) == ("s01", "s02")
