"""检查: a finding."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, with_config

from schemas.definition import DATA, Acts, EventType
from schemas.values import Count, Label, Slug


@with_config(DATA)
class InspectionData(Acts, total=False):
    """Facts of a finding: engineer = the person found at fault, performed_by = who found it."""

    kind: Annotated[
        Slug,
        Field(description="engineer_problem, registered_after_visit, false_completion, violation, five_s, safety …"),
    ]
    problem: Annotated[Label, Field(description="Of an engineer_problem: which problem of the points table.")]
    count: Annotated[Count, Field(description="How many were found at once. Default 1.")]
    accident: bool
    place: Label


EVENTS: Final = (EventType("inspection", "found", "检查发现", "Something was found.", InspectionData),)
