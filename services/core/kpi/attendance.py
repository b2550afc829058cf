"""出勤 (rule 27): days present and days of leave, in millionths of a day, booked on the last instant of the last day; rows add up."""

from __future__ import annotations

from typing import Final

from services.core.kpi.contribution import Line
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import AttendanceFacts, Event, actor
from services.core.kpi.exact import millionths
from services.core.kpi.localday import day_of, local_days

_PRESENT: Final = (None, "present")


def step(event: Event, definitions: Definitions, lines: list[Line], notes: list[str]) -> None:
    """One row of attendance, of the engineer it names, else of the person that the case is. Zero days are a fact too and make a line.

    Days of another kind than present are leave (personal_leave, sick_leave …), absences without leave are neither.
    """
    facts = event.facts
    if event.verb != "recorded" or not isinstance(facts, AttendanceFacts):
        return
    last_day = day_of(facts.to_day or facts.from_day or "")
    if last_day is None:
        notes.append("recorded without a day")
        return
    person = actor(event.source, event.engineer or event.case)
    book = local_days(definitions.zone).start_ms(last_day + 1) - 1
    days = millionths(facts.days)
    leave = millionths(facts.leave)
    if days is not None and facts.kind in _PRESENT:
        lines.append((person, "attendance.present", "", event.time_ms, book, days, 1))
    elif days is not None and leave is None and facts.kind != "absent":
        leave = days
    if leave is not None:
        lines.append((person, "attendance.leave", "", event.time_ms, book, leave, 1))
