"""指标数据: a figure that somebody else measured, such as headquarters' satisfaction."""

from __future__ import annotations

from typing import Annotated, Final, Required

from pydantic import Field, with_config

from schemas.definition import DATA, Acts, EventType
from schemas.values import DecimalText, Label, Month, Slug


@with_config(DATA)
class MeasureData(Acts, total=False):
    """A figure of the subject for a month: a ratio, or a value. A later record of the same subject, measure and month replaces it."""

    measure: Required[Annotated[Slug, Field(description="Its name, such as hq_satisfaction or opening_workload.")]]
    month: Required[Annotated[Month, Field(description="YYYY-MM")]]
    numerator: DecimalText
    denominator: DecimalText
    value: DecimalText
    unit: Annotated[Label, Field(description="Unit of the value.")]


EVENTS: Final = (EventType("measure", "recorded", "指标录入", "A figure was delivered.", MeasureData),)
