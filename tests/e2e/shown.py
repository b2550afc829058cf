"""What clients read, said again in the words of the worked example, so that the two can be compared whole."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

JSON = dict[str, Any]


def number(value: Fraction) -> JSON:
    """An exact number as the example writes it: the fraction, and 12 digits rounded half away from zero."""
    units, rest = divmod(abs(value.numerator) * 10**12, value.denominator)
    units += 2 * rest >= value.denominator
    sign = "-" if value < 0 and units else ""
    return {
        "fraction": f"{value.numerator}/{value.denominator}",
        "decimal": f"{sign}{units // 10**12}.{units % 10**12:012d}",
    }


def whole(exact: JSON) -> int:
    """An exact number that has to be a whole one."""
    value = Fraction(exact["fraction"])
    assert value.denominator == 1, exact
    return value.numerator


def representative(statement: JSON) -> JSON:
    """An S01 statement as a person of the example."""
    person = statement["person"]
    told = {name: person[name] for name in ("name", "branch", "regions", "status")}
    if person["status"] != "scored":
        return told | {"reason": person["reason"]["en"]}
    kpi1, kpi2, kpi3, kpi4 = _indicators(statement)
    return told | _workload(kpi2) | {
        "newcomer": person["newcomer"],
        "kpi1": {
            "problem_points": whole(kpi1["numerator"]),
            "visits": whole(kpi1["denominator"]),
            "ratio": kpi1["value"],
            **_place(kpi1),
        },
        "kpi2": {**_place(kpi2), "default": "first_month" if kpi2["newcomer_default"] else None},
        "kpi3": {
            "numerator": whole(kpi3["numerator"]),
            "denominator": whole(kpi3["denominator"]),
            "value": kpi3["value"],
            **_place(kpi3),
        },
        "kpi4": _series(kpi4) | {"points": kpi4["points"]},
        "deductions": [_deduction(line) for line in statement["lines"] if line["case"]],
        "sum_of_kpis": statement["subtotal"],
        "deduction_points": statement["deducted"],
        "total_before_veto": statement["before_veto"],
        "veto": statement["veto"],
        "total": person["total"],
        "rank": person["rank"],
        "n": person["ranked"],
        "money": {name: person["money"][name] for name in ("place_amount", "proposed", "remark")},
    }  # fmt: skip


def engineer(statement: JSON) -> JSON:
    """An S02 statement as a person of the example."""
    person = statement["person"]
    kpi1, kpi2 = _indicators(statement)
    line = next(line for line in statement["lines"] if line["criterion"] == "kpi2")
    told = {
        "name": person["name"],
        "branch": person["branch"],
        "status": person["status"],
        "total": person["total"],
        "satisfaction": {
            "satisfied": whole(kpi1["numerator"]),
            "answered": whole(kpi1["denominator"]),
            "value": kpi1["value"],
            "below_minimum_n": "below_minimum_n" in kpi1["marks"],
        },
        "kpi1": {"points": kpi1["points"]},
        "kpi2": _series(kpi2)
        | {
            "points": kpi2["points"],
            "scaled": line["points"],
            "floor_applied": any(line["rule"] == "floor" for line in statement["lines"]),
        },
    }
    return told | ({"reason": person["reason"]["en"]} if person["reason"] else {})


def alike(told: Mapping[str, Any], wanted: Mapping[str, Any]) -> JSON:
    """The part of the example that `told` speaks of, to be compared with it."""
    return {
        name: alike(value, wanted[name]) if isinstance(value, dict) and isinstance(wanted[name], dict) else wanted[name]
        for name, value in told.items()
    }


def _indicators(statement: JSON) -> list[JSON]:
    rows = sorted(statement["indicators"], key=lambda row: str(row["indicator"]))
    assert [row["indicator"] for row in rows] == [f"kpi{number}" for number in range(1, len(rows) + 1)]
    return rows


def _place(row: JSON) -> JSON:
    return {"rank": row["rank"], "n": row["ranked"], "points": row["points"]}


def _workload(kpi2: JSON) -> JSON:
    parts = {part["id"]: Fraction(part["amount"]) for part in kpi2["parts"]}
    own = kpi2["own_maximum"]
    total, days = Fraction(kpi2["numerator"]["fraction"]), Fraction(kpi2["denominator"]["fraction"])
    return {
        "workload": {**parts, "total": total},
        "attendance_days": kpi2["denominator"],
        "workload_per_day": number(total / days),
        "own_maximum": {
            "month": own["month"],
            "value": number(Fraction(own["numerator"]) / Fraction(own["denominator"])),
        },
        "saturation": kpi2["value"],
    }


def _series(row: JSON) -> JSON:
    counts = {part["id"]: Fraction(part["amount"]) for part in row["parts"]}
    due = whole(row["denominator"])
    assert sum(counts.values()) == due
    return {
        **counts,
        "due": due,
        "series": row["value"],
        "rates": {name: number(count / due) for name, count in counts.items()},
    }


def _deduction(line: JSON) -> JSON:
    source, event_id = line["cause"].split(" ")
    points = None if line["rule"] == "veto" else line["points"]
    return {"rule": line["criterion"], "unit": line["case"], "source": source, "id": event_id, "points": points}
