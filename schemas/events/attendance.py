"""考勤: days attended and days of leave."""

from __future__ import annotations

from typing import Annotated, Final, Required

from pydantic import AfterValidator, Field, with_config
from pydantic_core import PydanticCustomError

from schemas.definition import DATA, Acts, EventType
from schemas.values import Count, Day, Days, Label


@with_config(DATA)
class AttendanceFacts(Acts, total=False):
    """Facts of a span of days of one person, both days included."""

    from_day: Required[Day]
    to_day: Required[Day]
    days: Annotated[Days, Field(description="实际上班天数, decimal: a half day is 0.5.")]
    leave: Annotated[Days, Field(description="Days of leave.")]
    kind: Annotated[Label, Field(description="present, personal_leave, sick_leave, absent …")]
    late: Annotated[Count, Field(description="How often late.")]
    early: Annotated[Count, Field(description="How often gone early.")]
    working_days: Annotated[Days, Field(description="Days that were to be worked.")]


def _in_order(facts: AttendanceFacts) -> AttendanceFacts:
    if facts["to_day"] < facts["from_day"]:
        raise PydanticCustomError("span", "to_day lies before from_day")
    return facts


AttendanceData = Annotated[AttendanceFacts, AfterValidator(_in_order)]

EVENTS: Final = (EventType("attendance", "recorded", "考勤记录", "Days were attended or taken off.", AttendanceData),)
