"""The catalogue is complete and its figures are exact."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.kpi.indicators import INDICATORS, ON_TIME_MEASURES, Indicator, figure
from services.core.kpi.matured import matured_score
from services.core.kpi.measures import HISTOGRAM_MEASURES, MEASURES, STOCK_MEASURES, measure_of
from services.core.kpi.reading import Total
from services.core.kpi.response import responses

unhurried = settings(deadline=None)
totals = st.dictionaries(st.sampled_from(sorted(MEASURES)), st.builds(lambda n: Total(n, n), st.integers(0, 50)))
everyone = pytest.mark.parametrize("indicator", INDICATORS.values(), ids=INDICATORS)


@everyone
def test_an_indicator_is_named_in_both_languages_and_made_of_measures_that_exist(indicator: Indicator) -> None:
    assert indicator.zh
    assert indicator.en
    assert indicator.formula
    for measure in (*indicator.numerator, *indicator.denominator):
        assert measure in MEASURES


@everyone
def test_without_anything_there_is_no_ratio_but_a_count_of_nothing(indicator: Indicator) -> None:
    made = figure(indicator, {})
    assert made.value == (0 if indicator.kind == "count" else None)
    assert made.n == 0


@unhurried
@given(st.sampled_from(list(INDICATORS.values())), totals, totals)
def test_a_team_is_sum_over_sum(indicator: Indicator, mine: dict[str, Total], theirs: dict[str, Total]) -> None:
    team = {measure: mine.get(measure, Total()) + theirs.get(measure, Total()) for measure in {*mine, *theirs}}
    whole, one, other = figure(indicator, team), figure(indicator, mine), figure(indicator, theirs)
    assert whole.numerator == one.numerator + other.numerator
    if indicator.kind != "count":
        assert whole.denominator == one.denominator + other.denominator
        assert whole.value is None or whole.value == Fraction(whole.numerator, whole.denominator)


@unhurried
@given(totals)
def test_the_days_the_late_and_the_stale_add_up_to_what_is_due(some: dict[str, Total]) -> None:
    parts = [
        *(f"dispatch.day_{k}_rate" for k in range(1, 8)),
        "dispatch.later_than_7_rate",
        "dispatch.open_over_30_rate",
    ]
    due = figure(INDICATORS["dispatch.due"], some).numerator
    assert sum(figure(INDICATORS[part], some).numerator for part in parts) == due
    assert {figure(INDICATORS[part], some).denominator for part in parts} == {due}


def test_coefficients_of_a_scheme_replace_the_default_ones() -> None:
    some = {"dispatch.completed.day_1": Total(1, 1), "dispatch.stale_30": Total(1, 1)}
    score = INDICATORS["dispatch.on_time_score"]
    assert figure(score, some).value == Fraction(20 - 150, 2)
    assert figure(score, some, (10, 0, 0, 0, 0, 0, 0, 0, -30)).value == -10
    with pytest.raises(ValueError, match="zip"):
        figure(score, some, (1, 2, 3))


@unhurried
@given(totals, st.lists(st.integers(1, 7), max_size=10))
def test_what_is_pending_can_only_lie_between_best_and_worst(some: dict[str, Total], days: list[int]) -> None:
    live = matured_score(some, days)
    assert live.pending == len(days)
    if live.best is None or live.worst is None:
        assert live.value is None
        assert not days
    else:
        assert live.worst <= live.best
    if not days:
        assert live.best == live.worst == live.value


def test_an_open_order_past_day_7_enters_the_live_score_as_late() -> None:
    live = matured_score({"dispatch.past_day_7": Total(1, 1), "dispatch.completed.day_1": Total(1, 1)}, [])
    assert live.value == Fraction(20 - 15, 2)


def test_responses_are_exact_and_say_who_waits() -> None:
    made = responses({1000: 2, 4000: 1}, unanswered=2, oldest_ms=9000)
    assert (made.n, made.total_ms, made.median_ms, made.p90_ms) == (3, 6000, 1000, 4000)
    assert made.mean_ms == 2000
    assert (made.unanswered, made.oldest_ms) == (2, 9000)
    nothing = responses({}, 0, None)
    assert (nothing.mean_ms, nothing.median_ms, nothing.p90_ms) == (None, None, None)


def test_durations_have_a_histogram_and_stocks_are_counts() -> None:
    assert {"ticket.first_response", "ticket.engineer_response"} == HISTOGRAM_MEASURES
    assert all(MEASURES[measure].unit == "count" for measure in STOCK_MEASURES)
    assert set(ON_TIME_MEASURES) <= set(MEASURES)


@pytest.mark.parametrize(
    "unknown", ["", "dispatch", "measure.x", "measure.x.total", "finding.", "measure..value", "nothing.at.all"]
)
def test_an_unknown_measure_is_none(unknown: str) -> None:
    assert measure_of(unknown) is None


def test_open_families_have_measures_of_any_name() -> None:
    assert measure_of("finding.five_s") is not None
    hq = measure_of("measure.hq_satisfaction.numerator")
    assert hq is not None
    assert (hq.kind, hq.unit) == ("flow", "millionths")


def test_values_are_frozen() -> None:
    made = figure(INDICATORS["dispatch.open"], {})
    with pytest.raises(FrozenInstanceError):
        made.n = 1  # type: ignore[misc]
