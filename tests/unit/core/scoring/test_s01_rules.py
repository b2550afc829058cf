"""S01's rules one at a time, on hand-made totals; D nn and G nn are the golden examples of the seeds' catalogue (000:174-177)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest

from services.core.scoring.accounts import PriceMissingError
from services.core.scoring.document import FirstMonth, Proportional, RankingOfOne, RankProportional, VetoMode
from services.core.scoring.evaluate import ParameterMissingError, population_of, score
from services.core.scoring.result import PersonScore, Status
from services.core.scoring.totals import Occurrence, Total
from tests.unit.core.scoring.build import (
    LAST,
    PERIOD,
    S01,
    evaluate,
    month_of,
    occurrence,
    orders,
    organisation,
    total,
)


def points(score: PersonScore, criterion: str) -> Fraction | None:
    return next(item.points for item in score.items if item.criterion == criterion)


def without_orders(number: int) -> list[Total]:
    return [each for each in month_of(number) if not each.measure.startswith("dispatch.completed")]


@pytest.mark.parametrize(
    ("golden", "bucket", "expected"),
    [("D01", "d1", 20), ("D02", "d4", 11), ("D03", "d7", 2), ("D04", "later", -15), ("D05", "open30", -150)],
)
def test_when_every_order_is_in_one_bucket_kpi4_is_its_coefficient(golden: str, bucket: str, expected: int) -> None:
    found = evaluate(organisation(1), without_orders(1) + orders("E1", **{bucket: 7})).person("R1")
    assert points(found, "kpi4") == expected, golden


def test_d06_each_occurrence_deducts_its_points_and_names_its_case() -> None:
    happened = [
        occurrence("R1", "complaint.upheld", "general", case="PG-1"),
        occurrence("R1", "complaint.upheld", "major", case="PG-2"),
        occurrence("R1", "finding.registered_after_visit", case="PG-3"),
        occurrence("R1", "finding.false_completion", case="PG-4"),
        occurrence("R1", "complaint.upheld", "internal", case="PG-5"),
    ]
    found = evaluate(organisation(1), month_of(1), happened).person("R1")
    assert found.deducted == Fraction("-18.5")
    assert {line.case: line.points for line in found.lines if line.rule == "deduction"} == {
        "PG-1": -5,
        "PG-2": -10,
        "PG-3": Fraction(-1, 2),
        "PG-4": -1,
        "PG-5": -2,
    }


def test_a_complaint_withdrawn_again_deducts_nothing() -> None:
    found = evaluate(organisation(1), month_of(1), [occurrence("R1", "complaint.upheld", "general", n=0)]).person("R1")
    assert found.deducted == 0


def test_an_irregularity_deducts_one_point_and_touches_nobody_else() -> None:
    totals = month_of(1) + month_of(2)
    found = evaluate(organisation(2), totals, [occurrence("R1", "finding.violation")])
    assert found.person("R1").deducted == -1
    assert found.person("R2").deducted == 0


def test_d07_an_exposure_in_the_media_makes_the_total_zero_as_a_last_line() -> None:
    found = evaluate(organisation(1), month_of(1), [occurrence("R1", "complaint.upheld", "media")]).person("R1")
    assert found.total == 0
    assert (found.lines[-1].rule, found.lines[-1].points) == ("veto", -(found.before_veto or 0))


@pytest.mark.parametrize(("mode", "expected"), [(VetoMode.CAP_AT_ZERO, -80), (VetoMode.ZERO, 0)])
def test_an_exposure_never_raises_a_negative_total_unless_the_scheme_says_zero(mode: VetoMode, expected: int) -> None:
    scheme = replace(S01, vetoes=tuple(replace(veto, mode=mode) for veto in S01.vetoes))
    totals = without_orders(1) + orders("E1", open30=1)
    complaint = occurrence("R1", "complaint.upheld", "media")
    major = occurrence("R1", "complaint.upheld", "major", case="PG-2")
    found = evaluate(organisation(1), totals, [complaint, major], scheme).person("R1")
    assert found.before_veto == 20 + 40 + 20 - 150 - 10
    assert found.total == expected


def test_two_exposures_are_two_lines_and_the_second_changes_nothing() -> None:
    twice = [occurrence("R1", "complaint.upheld", "media", case=case) for case in ("PG-1", "PG-2")]
    found = evaluate(organisation(1), month_of(1), twice).person("R1")
    assert [line.points == 0 for line in found.lines if line.rule == "veto"] == [False, True]
    assert found.total == 0


def test_g13_the_first_month_earns_20_of_40_for_workload_and_stays_out_of_its_ranking() -> None:
    roster = organisation(3, {1: date(2026, 10, 8)})
    found = evaluate(roster, [*month_of(1, work=1), *month_of(2, work=9), *month_of(3, work=8)])
    newcomer = found.person("R1")
    assert newcomer.newcomer
    assert points(newcomer, "kpi2") == 20
    assert [item.place for item in newcomer.items if item.criterion == "kpi2"] == [None]
    assert points(found.person("R2"), "kpi2") == 40
    assert points(found.person("R3"), "kpi2") == 0
    assert next(item.ranked for item in newcomer.items if item.criterion == "kpi1") == 3


@pytest.mark.parametrize(
    ("entry", "full", "calendar"),
    [
        (date(2026, 9, 20), False, False),
        (date(2026, 9, 21), True, False),
        (date(2026, 10, 1), True, True),
        (date(2026, 10, 20), True, True),
        (date(2026, 10, 31), True, True),
    ],
)
def test_the_last_ten_days_of_a_month_make_the_next_one_the_first(entry: date, full: bool, calendar: bool) -> None:
    roster = organisation(1, {1: entry})
    for option, expected in ((FirstMonth.FIRST_FULL_MONTH, full), (FirstMonth.CALENDAR_MONTH, calendar)):
        assert evaluate(roster, month_of(1), (), replace(S01, first_month=option)).person("R1").newcomer is expected


def test_equal_ratios_written_differently_tie_exactly() -> None:
    """Readings B35: (100/18) ÷ (152/24) and (100/19) ÷ (126/21) are both 50/57."""
    months = {1: (100, 18, 152, 24), 2: (100, 19, 126, 21), 3: (1, 20, 20, 20)}
    totals = []
    for number, (work, days, best, best_days) in months.items():
        ordinary = [each for each in month_of(number, work=work, days=days) if "measure.workload" not in each.measure]
        march = date(2026, 3, 31)
        totals += ordinary
        totals.append(total(f"R{number}", "measure.workload.numerator", amount=best, book=march))
        totals.append(total(f"R{number}", "measure.workload.denominator", amount=best_days, book=march))
    found = evaluate(organisation(3), totals)
    one, two = (
        next(item for item in found.person(person).items if item.criterion == "kpi2") for person in ("R1", "R2")
    )
    assert one.figure.value == two.figure.value == Fraction(50, 57)
    assert one.place == two.place
    assert one.points == 40 * Fraction(3, 2) / 2


def test_first_and_last_place_earn_the_ends_of_the_interval() -> None:
    totals = [each for number in range(1, 6) for each in month_of(number, satisfied=number)]
    found = evaluate(organisation(5), totals)
    assert [points(found.person(f"R{number}"), "kpi3") for number in range(1, 6)] == [0, 5, 10, 15, 20]


def test_a_ranking_of_one_earns_the_maximum_with_a_mark_or_is_undefined() -> None:
    found = evaluate(organisation(1), month_of(1)).person("R1")
    assert [points(found, f"kpi{number}") for number in (1, 2, 3)] == [20, 40, 20]
    assert "ranking_of_one" in found.lines[0].marks
    strict = tuple(
        replace(criterion, rule=replace(criterion.rule, of_one=RankingOfOne.UNDEFINED))
        if isinstance(criterion.rule, RankProportional)
        else criterion
        for criterion in S01.criteria
    )
    undefined = evaluate(organisation(1), month_of(1), (), replace(S01, criteria=strict)).person("R1")
    assert undefined.status is Status.NOT_COMPUTABLE
    assert undefined.reason is not None
    assert "a ranking of one is undefined" in undefined.reason.en


def test_kpi4_has_no_floor_unless_the_scheme_gives_one_and_the_floor_is_a_line() -> None:
    totals = without_orders(1) + orders("E1", open30=1)
    floored = tuple(
        replace(criterion, rule=replace(criterion.rule, floor=Fraction(0)))
        if isinstance(criterion.rule, Proportional)
        else criterion
        for criterion in S01.criteria
    )
    assert points(evaluate(organisation(1), totals).person("R1"), "kpi4") == -150
    found = evaluate(organisation(1), totals, (), replace(S01, criteria=floored)).person("R1")
    assert points(found, "kpi4") == 0
    assert [line.points for line in found.lines if line.rule in {"series", "floor"}] == [-150, 150]


def test_the_own_maximum_is_of_the_calendar_year_and_of_months_with_days() -> None:
    december = date(2025, 12, 31)
    totals = [
        *month_of(1, work=10, days=20),
        total("R1", "measure.workload.numerator", amount=99, book=december),
        total("R1", "measure.workload.denominator", amount=1, book=december),
        total("R1", "workload.accepted", 500, book=date(2026, 5, 4)),
        total("R1", "workload.accepted", 60, book=date(2026, 6, 4)),
        total("R1", "attendance.present", amount="20", book=date(2026, 6, 30)),
    ]
    figure = evaluate(organisation(1), totals).person("R1").items[1].figure
    assert figure.peak is not None
    assert str(figure.peak.month) == "2026-06"
    assert figure.peak.value == 3
    assert figure.value == Fraction(10, 20) / 3


def test_the_current_month_is_its_own_maximum_in_january() -> None:
    figure = evaluate(organisation(1), [each for each in month_of(1) if "measure.workload" not in each.measure])
    assert figure.person("R1").items[1].figure.value == 1


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("dispatch.visited", "KPI-1: no visit in the region in the month"),
        ("attendance.present", "KPI-2: no attendance recorded in the month or no work in the year"),
        ("measure.hq_satisfaction.denominator", "KPI-3: no satisfaction measure of headquarters for the region"),
        ("dispatch.completed.day_1", "KPI-4: no order of the region is due in the month"),
    ],
)
def test_a_missing_input_is_not_computable_with_its_reason_and_leaves_every_ranking(missing: str, says: str) -> None:
    totals = [each for each in month_of(1) if each.measure != missing] + month_of(2) + month_of(3)
    found = evaluate(organisation(3), totals)
    lost = found.person("R1")
    assert (lost.status, lost.total, lost.place, lost.money) == (Status.NOT_COMPUTABLE, None, None, None)
    assert lost.reason is not None
    assert lost.reason.en == says
    assert all(item.ranked in {2, None} for score in (found.person("R2"), found.person("R3")) for item in score.items)
    assert [score.person for score in found.not_computable()] == ["R1"]


def test_a_whole_month_on_leave_is_not_appraised_and_blocks_nobody() -> None:
    away = [
        total("R1", "attendance.present", amount=0, book=LAST),
        total("R1", "attendance.leave", amount=18, book=LAST),
    ]
    found = evaluate(organisation(2), away + month_of(2))
    assert found.person("R1").status is Status.NOT_APPRAISED
    assert found.not_computable() == ()
    assert found.person("R2").place is not None


def test_without_the_points_table_nothing_is_scored() -> None:
    roster = organisation(1)
    with pytest.raises(ParameterMissingError, match="problem_points"):
        score(S01, population_of(S01, roster, "B", PERIOD), month_of(1), (), roster, period=PERIOD, parameters={})


def test_a_problem_without_a_price_is_refused_by_name() -> None:
    problem = total("R1", "finding.engineer_problem", dim="smoking")
    with pytest.raises(PriceMissingError, match="smoking"):
        evaluate(organisation(1), [*month_of(1), problem])


def test_what_nobody_explains_is_listed_not_dropped() -> None:
    stray = total("X9", "workload.accepted", 4)
    assert evaluate(organisation(1), [*month_of(1), stray]).unattributed == (stray,)


def test_an_order_moves_with_its_engineer_by_the_book_day() -> None:
    """Example s01, open point 2."""
    roster = organisation(2)
    late = Occurrence("crm R1", "finding.violation", "", date(2026, 9, 30), 1, 0, "PG-1", "hq 1")
    found = evaluate(roster, month_of(1) + month_of(2), [late])
    assert found.person("R1").items[3].figure.denominator == 1
