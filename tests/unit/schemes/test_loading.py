"""Scheme files: the shipped ones are sound, and a wrong one is told by file, line and path."""

from __future__ import annotations

import re
from fractions import Fraction
from importlib.resources import files

import pytest

from services.core.kpi.measures import measure_of
from services.core.scoring.canonical import scheme_hash
from services.core.scoring.document import Basis, Proportional, Unit
from services.core.scoring.needs import needs_of, quantities
from services.schemes.errors import SchemeError
from services.schemes.loading import parse_parameters, parse_scheme, shipped_schemes

S02 = (files("services.core.scoring") / "schemes" / "s02.yaml").read_text(encoding="utf-8")


def faults(text: str) -> list[str]:
    with pytest.raises(SchemeError) as caught:
        parse_scheme(text, "mine.yaml")
    return str(caught.value).splitlines()


def line_of(text: str, needle: str) -> int:
    return text[: text.index(needle)].count("\n") + 1


def test_every_shipped_scheme_reads_measures_that_the_core_posts_in_their_kind_and_unit() -> None:
    for scheme in shipped_schemes().values():
        for measure in needs_of(scheme).all:
            assert measure_of(measure) is not None, measure
        for quantity in quantities(scheme):
            for name in quantity.measures:
                known = measure_of(name)
                assert known is not None
                assert (known.kind == "stock") == (quantity.basis is Basis.STOCK), name
                assert (known.unit == "count") == (quantity.unit is Unit.COUNT), name


def test_every_criterion_and_deduction_cites_its_seed_line() -> None:
    cited = []
    for scheme in shipped_schemes().values():
        cited += [criterion.seed for criterion in scheme.criteria]
        cited += [deduction.seed for deduction in scheme.deductions]
        cited += [veto.seed for veto in scheme.vetoes]
    assert len(cited) >= 13
    assert all(re.fullmatch(r"000:17[4-8]", seed) for seed in cited)


def test_the_coefficients_of_kpi4_are_the_seeds() -> None:
    """000:176: 第1天完单率*20分 + … + 第7天完单率*2分 − 超7天完单率*15分 − 超30天未完单率*150分."""
    for scheme in shipped_schemes().values():
        series = scheme.criteria[-1].indicator
        assert [part.factor for part in getattr(series, "parts", ())] == [20, 17, 14, 11, 8, 5, 2, -15, -150]


def test_numbers_with_a_point_are_exact() -> None:
    deductions = {rule.id: rule.points for rule in shipped_schemes()["s01"].deductions}
    assert deductions["registered_after_visit"] == Fraction(1, 2)
    found = parse_scheme(S02.replace("factor: 5/2", "factor: 0.1"))
    assert isinstance(found.criteria[1].rule, Proportional)
    assert found.criteria[1].rule.factor == Fraction(1, 10)


def test_another_value_of_a_reading_is_another_scheme_without_another_line_of_code() -> None:
    other = parse_scheme(S02.replace('value: "0"', "value: none"))
    assert isinstance(other.criteria[1].rule, Proportional)
    assert other.criteria[1].rule.floor is None
    assert dict(other.readings)["kpi2_floor"] == "none"
    assert scheme_hash(other) != scheme_hash(shipped_schemes()["s02"])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("maximum: 50, floor", "maximum: fifty, floor", "criteria/1/rule/maximum: Value error, 'fifty' is no number"),
        ("maximum: 50, floor", "maximun: 50, floor", "criteria/1/rule/maximun: Extra inputs are not permitted"),
        ("kind: series", "kind: serie", "criteria/1/indicator: Input tag 'serie'"),
        ("post: 上门服务工程师", "pots: 上门服务工程师", "post: Field required"),
        ("absent: $no_survey", "absent: $no_surveys", "criteria/0/absent: there is no reading 'no_surveys'"),
        ("value: block", "value: ignore", "readings/no_survey: value 'ignore' is none of its options"),
        (
            "[dispatch.completed.day_1]",
            "[Dispatch]",
            "criteria/1/indicator/parts/0/quantity/measures/0: String should match",
        ),
        ("{id: d2,", "{id: d1,", "criteria/1/indicator/parts/0: id 'd1' stands 2 times"),
        ("id: kpi2\n", "id: kpi1\n", "criteria/0: id 'kpi1' stands 2 times"),
        ("ranked: false", "ranked: false\nranked: true", "document: 'ranked' stands twice"),
        ('seed: "000:178"\n    remark', 'seed: "line 178"\n    remark', "criteria/0/seed: String should match"),
    ],
)
def test_a_fault_is_told_with_its_line_and_path(old: str, new: str, says: str) -> None:
    text = S02.replace(old, new, 1)
    assert text != S02
    told = faults(text)
    assert any(says in line for line in told), told
    assert all(re.match(r"mine\.yaml:\d+: ", line) for line in told)


def test_the_line_of_a_fault_is_where_an_editor_finds_it() -> None:
    text = S02.replace("maximum: 50, floor", "maximum: fifty, floor")
    assert faults(text)[0].startswith(f"mine.yaml:{line_of(text, 'fifty')}: ")


def test_a_reading_must_be_used_and_say_why() -> None:
    text = S02.replace("readings:\n", "readings:\n  idle: {value: 1, why: nothing}\n  mute: {value: 1}\n")
    told = faults(text)
    assert [line.partition(": ")[2] for line in told] == [
        "readings/mute: needs a why",
        "readings/idle: is never put to use",
        "readings/mute: is never put to use",
    ]


@pytest.mark.parametrize(
    "text", ["", "- a\n- b", "a: [1, 2", "a: !!python/object:os.system x", "a: .nan", "\x00", "a: *b", "a: &b [*b]"]
)
def test_what_is_no_scheme_at_all_is_a_fault_and_not_a_crash(text: str) -> None:
    assert faults(text)


def test_parameters_are_exact_points_by_kind() -> None:
    assert parse_parameters("problem_points: {attitude: 2, smoking: 0.5}") == {
        "problem_points": {"attitude": 2, "smoking": Fraction(1, 2)}
    }
    with pytest.raises(
        SchemeError, match=r"parameters\.yaml:2: problem_points/attitude: Value error, 'two' is no number"
    ):
        parse_parameters("problem_points:\n  attitude: two")
