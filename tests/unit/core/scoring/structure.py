"""A score set in the form of the worked example's expected.json, to be compared whole."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from services.core.scoring.accounts import Accounts
from services.core.scoring.document import Holder, Indicator, Quantity, Scheme, Unit
from services.core.scoring.exact import decimal_text, rational
from services.core.scoring.figures import Figure, Subject, figure
from services.core.scoring.result import Item, PersonScore, ScoreSet, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.core.roster import Roster
    from services.core.scoring.rankpay import Money
    from services.core.scoring.trace import Line

VISITS = Quantity(("dispatch.visited",))
DAYS = Quantity(("attendance.present",), unit=Unit.AMOUNT)


def both(number: Fraction | None) -> dict[str, str] | None:
    return None if number is None else {"fraction": rational(number), "decimal": decimal_text(number)}


def whole(number: Fraction) -> int:
    assert number.denominator == 1
    return number.numerator


def completion(found: Figure) -> dict[str, Any]:
    due = found.denominator
    counts = {part.id: whole(part.amount) for part in found.parts}
    rates = {part.id: both(part.amount / due) if due else None for part in found.parts}
    return {**counts, "due": whole(due), "rates": rates, "series": both(found.value)}


class Organisation:
    """The figures of regions and branches: the scheme's indicators with another credit."""

    def __init__(self, scheme: Scheme, accounts: Accounts, scores: ScoreSet, roster: Roster) -> None:
        self.indicators = {criterion.id: criterion.indicator for criterion in scheme.criteria}
        self.accounts, self.scores, self.roster = accounts, scores, roster
        self.period, self.day = scores.period, scores.period.last_day

    def unit(self, unit: str, credit: Holder) -> dict[str, Any]:
        satisfaction = figure(self.indicators["kpi3"], self.accounts, Subject(unit, credit), self.period)
        series = figure(self.indicators["kpi4"], self.accounts, Subject(unit, credit), self.period)
        return {
            "name": self.roster.name_of(unit, self.day),
            "visits": whole(self.accounts.amount(VISITS, unit, self.period, credit)),
            "satisfaction": {
                "numerator": whole(satisfaction.numerator),
                "denominator": whole(satisfaction.denominator),
                "value": both(satisfaction.value),
            },
            "completion": completion(series),
        }

    def region(self, region: str) -> dict[str, Any]:
        return self.unit(region, Holder.REGION) | {
            "branch": self.roster.branch_of(region, self.day),
            "representative": self.roster.representative_of(region, self.day),
        }

    def representative(self, score: PersonScore) -> dict[str, Any]:
        entry = self.roster.entry_of(score.person, self.day)
        work = figure(self.indicators["kpi2"], self.accounts, Subject(score.person), self.period)
        head = {
            "name": self.roster.name_of(score.person, self.day),
            "branch": score.branch,
            "entry": entry.isoformat() if entry else None,
            "regions": list(score.regions),
            "workload": {part.id: whole(part.amount) for part in work.parts} | {"total": whole(work.numerator)},
            "attendance_days": both(self.accounts.amount(DAYS, score.person, self.period)),
            "status": score.status.value,
        }
        if score.status is Status.NOT_APPRAISED:
            return head | {"reason": score.reason.en if score.reason else None}
        items = {item.criterion: item for item in score.items}
        return head | workload_facts(score, work) | kpis(items) | composition(score)


def workload_facts(score: PersonScore, work: Figure) -> dict[str, Any]:
    assert work.peak is not None
    return {
        "newcomer": score.newcomer,
        "workload_per_day": both(work.numerator / work.denominator),
        "own_maximum": {"month": str(work.peak.month), "value": both(work.peak.value)},
        "saturation": both(work.value),
    }


def place(item: Item) -> dict[str, Any]:
    assert item.place is not None
    return {"rank": rational(item.place.mean), "n": item.place.n}


def kpis(items: dict[str, Item]) -> dict[str, Any]:
    one, two, three, four = (items[f"kpi{number}"] for number in range(1, 5))
    return {
        "kpi1": {
            "problem_points": whole(one.figure.numerator),
            "visits": whole(one.figure.denominator),
            "ratio": both(one.figure.value),
            **place(one),
            "points": both(one.points),
        },
        "kpi2": {
            "rank": None if two.place is None else rational(two.place.mean),
            "n": two.ranked,
            "points": both(two.points),
            "default": "first_month" if two.newcomer_default else None,
        },
        "kpi3": {
            "numerator": whole(three.figure.numerator),
            "denominator": whole(three.figure.denominator),
            "value": both(three.figure.value),
            **place(three),
            "points": both(three.points),
        },
        "kpi4": completion(four.figure) | {"points": both(four.points)},
    }


def composition(score: PersonScore) -> dict[str, Any]:
    assert score.place is not None
    return {
        "deductions": [occurrence(line) for line in score.lines if line.rule in {"deduction", "veto"}],
        "sum_of_kpis": both(score.subtotal),
        "deduction_points": both(score.deducted),
        "total_before_veto": both(score.before_veto),
        "veto": score.veto,
        "total": both(score.total),
        "rank": rational(score.place.mean),
        "n": score.place.n,
        "money": money(score.money),
    }


def occurrence(line: Line) -> dict[str, Any]:
    source, _, identity = (line.cause or "").partition(" ")
    points = None if line.rule == "veto" else both(line.points)
    return {"rule": line.criterion, "unit": line.case, "source": source, "id": identity, "points": points}


def money(found: Money | None) -> dict[str, Any]:
    assert found is not None
    amount = None if found.place_amount is None else str(found.place_amount)
    return {"place_amount": amount, "proposed": str(found.proposed), "remark": found.remark}


def engineer(
    score: PersonScore, scores: ScoreSet, all_types: Indicator, accounts: Accounts, roster: Roster
) -> dict[str, Any]:
    scheme, period = scores.scheme, scores.period
    one, two = score.items
    floored = any(line.rule == "floor" for line in score.lines)
    shown = figure(all_types, accounts, Subject(score.person, Holder.PERSON), period)
    raw = two.figure.value
    found: dict[str, Any] = {
        "name": roster.name_of(score.person, period.last_day),
        "branch": score.branch,
        "visits": whole(accounts.amount(VISITS, score.person, period)),
        "completion_all_types": completion(shown),
        "satisfaction": {
            "satisfied": whole(one.figure.numerator),
            "answered": whole(one.figure.denominator),
            "value": both(one.figure.value),
            "below_minimum_n": "below_minimum_n" in one.figure.marks,
        },
        "kpi1": {"points": both(one.points), "reading": remark(scheme, 0)},
        "kpi2": completion(two.figure)
        | {
            "scaled": both(None if raw is None else raw * Fraction(50, 20)),
            "floor_applied": floored,
            "points": both(two.points),
            "reading": remark(scheme, 1),
        },
        "status": score.status.value,
        "total": both(score.total),
    }
    if score.status is Status.NOT_COMPUTABLE:
        found["reason"] = score.reason.en if score.reason else None
    return found


def remark(scheme: Scheme, index: int) -> str | None:
    words = scheme.criteria[index].remark
    return words.en if words else None


def differences(expected: Any, found: Any, at: str = "") -> Sequence[str]:
    """Every leaf that differs, with its path."""
    if isinstance(expected, dict) and isinstance(found, dict):
        paths = sorted(set(expected) | set(found))
        return [
            line for key in paths for line in differences(expected.get(key, "—"), found.get(key, "—"), f"{at}.{key}")
        ]
    return [] if expected == found else [f"{at}: expected {expected!r}, found {found!r}"]
