"""Seeded histories of orders, tickets, follow-ups, attendance and figures: late, amended, withdrawn, handed over, of known and unknown people."""

from __future__ import annotations

import random
from typing import Any

from tests.integration.api.site import JSON, ms, rfc3339

FIRST = ms("2026-09-20T00:00")
DAY = 86_400_000
PEOPLE = ("A1", "A2", "A3", "B1", "B2", "K1", "Z9")
ROSTER = """record,id,name,post,branch,region,from,to,source,source_id
branch,N,North,,N,,2020-01-01,,,
branch,S,South,,S,,2020-01-01,,,
region,N1,north one,,N,N1,2020-01-01,,,
region,N2,north two,,N,N2,2020-01-01,,,
region,S1,south one,,S,S1,2020-01-01,,,
person,A1,Ann,上门服务工程师,N,,2020-01-01,,,
person,A2,Ben,上门服务工程师,N,,2020-01-01,2026-10-10,,
person,A2,Ben,上门服务工程师,S,,2026-10-10,,,
person,A3,Cai,上门服务工程师,N,,2020-01-01,,,
person,B1,Dan,上门服务工程师,S,,2020-01-01,2026-10-20,,
person,B2,Eva,上门服务工程师,S,,2020-01-01,,,
person,K1,Kim,客服代表,N,,2020-01-01,,,
person,K2,Lin,客服代表,S,,2020-01-01,,,
region_engineer,A1,,,N,N1,2020-01-01,2026-10-05,,
region_engineer,A1,,,N,N2,2026-10-05,,,
region_engineer,A2,,,N,N1,2020-01-01,2026-10-10,,
region_engineer,A2,,,S,S1,2026-10-10,,,
region_engineer,A3,,,N,N2,2020-01-01,,,
region_engineer,B2,,,S,S1,2020-01-01,,,
region_rep,K1,,,N,N1,2020-01-01,,,
region_rep,K1,,,N,N2,2026-10-15,,,
region_rep,K2,,,S,S1,2020-01-01,,,
person_id,A3,,,,,2020-01-01,2026-10-12,crm,x-77
person_id,B1,,,,,2026-10-12,,crm,x-77
"""


def history(seed: int, cases: int = 120, days: int = 45) -> list[JSON]:
    """CloudEvents in the order of their making; shuffle them for the order of arrival."""
    dice = random.Random(seed)
    events: list[JSON] = []
    for number in range(cases):
        kind = dice.choice((_order, _order, _order, _ticket, _ticket, _person, _figure))
        made = kind(dice, f"u{number}", FIRST + dice.randrange(days * DAY // 1000) * 1000)
        events += made + _corrections(dice, made)
    return events


def _who(dice: random.Random) -> str:
    return dice.choice((*PEOPLE, "x-77"))


def _event(unit: str, number: int, name: str, time_ms: int, /, **data: Any) -> JSON:
    return {
        "specversion": "1.0",
        "id": f"{unit}-{number}",
        "source": "crm",
        "type": f"kaohe.{name}.v1",
        "subject": unit,
        "partitionkey": unit,
        "time": rfc3339(time_ms),
        "data": {key: value for key, value in data.items() if value is not None},
    }


def _steps(dice: random.Random, start: int, most: int) -> list[int]:
    """Instants from the start on, minutes to days apart; some on the full hour or at midnight, where edges lie."""
    times = [start]
    for _ in range(dice.randrange(1, most)):
        step = dice.choice((60_000, 3_600_000, DAY)) * dice.randrange(1, 12) + dice.randrange(1000)
        instant = times[-1] + step
        times.append(
            dice.choice((instant, instant, instant // 3_600_000 * 3_600_000, instant // DAY * DAY + 16 * 3_600_000))
        )
    return sorted(times)


def _order(dice: random.Random, unit: str, start: int) -> list[JSON]:
    times = _steps(dice, start, 8)
    verbs = [
        "accepted",
        *dice.choices(
            ("dispatched", "arrived", "completed", "reopened", "rescheduled", "cancelled", "reported"),
            (3, 2, 4, 1, 1, 0.4, 1),
            k=len(times) - 1,
        ),
    ]
    made = []
    for number, (verb, time_ms) in enumerate(zip(verbs, times, strict=True)):
        data: JSON = {"engineer": _who(dice) if dice.random() < 0.8 else None}
        if verb == "accepted":
            data["order_type"] = "上门维修"
            data["performed_by"] = dice.choice(("K1", "K2"))
        if verb == "rescheduled":
            data |= {"reason": dice.choice(("customer", "parts")), "agreed": rfc3339(time_ms + 4 * DAY)[:10]}
        made.append(_event(unit, number, f"dispatch.{verb}", time_ms, **data))
    if dice.random() < 0.5:
        late = times[-1] + dice.randrange(4 * DAY)
        made.append(_event(unit, len(made), "followup.done", late, target="customer", satisfied=dice.random() < 0.7))
    return made


def _ticket(dice: random.Random, unit: str, start: int) -> list[JSON]:
    times = _steps(dice, start, 7)
    verbs = [
        "opened",
        *dice.choices(("assigned", "replied", "resolved", "reopened", "closed"), (3, 4, 2, 1, 0.5), k=len(times) - 1),
    ]
    return [
        _event(unit, number, f"ticket.{verb}", time_ms, engineer=_who(dice) if dice.random() < 0.8 else None)
        for number, (verb, time_ms) in enumerate(zip(verbs, times, strict=True))
    ]


def _person(dice: random.Random, unit: str, start: int) -> list[JSON]:
    day = rfc3339(start)[:10]
    leave = dice.choice(("0", "0.5"))
    return [
        _event(
            unit, 0, "attendance.recorded", start, engineer=_who(dice), from_day=day, to_day=day, days="1", leave=leave
        )
    ]


def _figure(dice: random.Random, unit: str, start: int) -> list[JSON]:
    region = dice.choice(("N1", "S1"))
    return [
        _event(
            unit, 0, "survey.answered", start, survey="s", score=dice.randrange(1, 6), scale="1-5", engineer=_who(dice)
        ),
        _event(unit, 1, "complaint.registered", start + 1, complaint="c", complaint_class="general"),
        _event(
            unit, 2, "complaint.judged", start + DAY, complaint="c", upheld=True, person=_who(dice), engineer=region
        ),
    ][: dice.randrange(1, 4)]


def _corrections(dice: random.Random, made: list[JSON]) -> list[JSON]:
    if dice.random() > 0.3:
        return []
    target = dice.choice(made)
    correction: JSON = {
        "specversion": "1.0",
        "id": f"{target['id']}-c",
        "source": "crm",
        "partitionkey": target["partitionkey"],
        "time": rfc3339(FIRST + dice.randrange(50 * DAY)),
    }
    if dice.random() < 0.4:
        return [{**correction, "type": "kaohe.event.withdrawn.v1", "data": {"target": target["id"]}}]
    changes: JSON = {"engineer": _who(dice)}
    if dice.random() < 0.7:
        changes = {"time": rfc3339(FIRST + dice.randrange(45 * DAY))}
    return [{**correction, "type": "kaohe.event.amended.v1", "data": {"target": target["id"], "changes": changes}}]
