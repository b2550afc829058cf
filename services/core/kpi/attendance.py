"""出勤 (rule 27): days present and days of leave, in millionths of a day, booked on the last instant of the last day; rows add up."""

from __future__ import annotations

from services.core.kpi.contribution import Line
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import AttendanceFacts, Event, actor
from services.core.kpi.exact import millionths
from services.core.kpi.localday import day_of, local_days


def step(event: Event, definitions: Definitions, lines: list[Line], notes: list[str]) -> None:
    """One row of attendance: of the engineer it names, else of the person that the case is. Zero days are a fact too and make a line."""
    facts = event.facts
    if event.verb != "recorded" or not isinstance(facts, AttendanceFacts):
        return
    last_day = day_of(facts.to_day or facts.from_day or "")
    if last_day is None:
        notes.append("recorded without a day")
        return
    person = actor(event.source, event.engineer or event.case)
    book = local_days(definitions.zone).start_ms(last_day + 1) - 1
    for measure, amount in (("attendance.present", facts.days), ("attendance.leave", facts.leave)):
        days = millionths(amount)
        if days is not None:
            lines.append((person, measure, "", event.time_ms, book, days, 1))
