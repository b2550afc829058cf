"""A small organisation and hand-made totals, to state rules one at a time."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from services.core.roster import (
    FIELD_ENGINEER,
    REPRESENTATIVE,
    Branch,
    Person,
    Record,
    Region,
    RegionEngineer,
    RegionRepresentative,
    Roster,
)
from services.core.scoring.evaluate import population_of, score
from services.core.scoring.period import Month
from services.core.scoring.totals import Occurrence, Total
from services.schemes.loading import shipped_schemes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.core.scoring.document import Scheme
    from services.core.scoring.result import ScoreSet

PERIOD = Month(2026, 10)
DAY = date(2026, 10, 15)
LAST = PERIOD.last_day
START = date(2020, 1, 1)
PRICES: Mapping[str, Mapping[str, Fraction]] = {
    "problem_points": {"attitude": Fraction(2), "misdiagnosis": Fraction(3)}
}
S01 = shipped_schemes()["s01"]
S02 = shipped_schemes()["s02"]


def organisation(size: int, entries: Mapping[int, date] | None = None) -> Roster:
    """A branch of `size` representatives R1… in charge of A1…, with one engineer E1… in each region."""
    records: list[Record] = [Branch("B", "分公司", START)]
    for number in range(1, size + 1):
        entry = (entries or {}).get(number, START)
        records += [
            Region(f"A{number}", f"辖区{number}", "B", START),
            Person(f"R{number}", f"代表{number}", REPRESENTATIVE, "B", entry),
            Person(f"E{number}", f"工程师{number}", FIELD_ENGINEER, "B", START),
            RegionRepresentative(f"R{number}", f"A{number}", entry),
            RegionEngineer(f"E{number}", f"A{number}", START),
        ]
    return Roster.of(records)


def total(
    actor: str, measure: str, n: int = 1, dim: str = "", *, book: date = DAY, amount: int | str | None = None
) -> Total:
    """`n` items of a measure; `amount` in units (stored as millionths)."""
    value = 0 if amount is None else int(Fraction(amount) * 1_000_000)
    return Total(f"crm {actor}", measure, dim, book, n, value)


def orders(engineer: str, **buckets: int) -> list[Total]:
    """Orders by bucket: d1…d7, later, open30."""
    names = {"later": "dispatch.completed.later", "open30": "dispatch.stale_30"}
    return [
        total(engineer, names.get(bucket, f"dispatch.completed.day_{bucket[1:]}"), n, "上门维修")
        for bucket, n in buckets.items()
    ]


def month_of(number: int, *, work: int = 10, days: int | str = 20, satisfied: int = 9) -> list[Total]:
    """An ordinary month of representative `number`: every KPI can be computed."""
    return [
        total(f"R{number}", "workload.accepted", work),
        total(f"R{number}", "attendance.present", amount=days, book=LAST),
        total(f"R{number}", "measure.workload.numerator", amount=20, book=date(2026, 3, 31)),
        total(f"R{number}", "measure.workload.denominator", amount=10, book=date(2026, 3, 31)),
        total(f"E{number}", "dispatch.visited", 3),
        total(f"A{number}", "measure.hq_satisfaction.numerator", amount=satisfied, book=LAST),
        total(f"A{number}", "measure.hq_satisfaction.denominator", amount=10, book=LAST),
        *orders(f"E{number}", d1=1),
    ]


def occurrence(
    person: str, measure: str, dim: str = "", *, case: str = "PG-1", n: int = 1, cause: str = "hq 1"
) -> Occurrence:
    return Occurrence(f"hq {person}", measure, dim, DAY, n, 0, case, cause)


def evaluate(
    roster: Roster, totals: Iterable[Total], occurrences: Sequence[Occurrence] = (), scheme: Scheme = S01
) -> ScoreSet:
    population = population_of(scheme, roster, "B", PERIOD)
    return score(scheme, population, totals, occurrences, roster, period=PERIOD, parameters=PRICES)
