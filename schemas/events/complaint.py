"""投诉: a complaint and the judgement on it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, with_config

from schemas.definition import DATA, Acts, EventType
from schemas.values import Instant, Label, PersonId, Reference


@with_config(DATA)
class ComplaintData(Acts, total=False):
    """Facts of a complaint. It counts when it is judged upheld, for the person judged."""

    complaint: Annotated[Reference, Field(description="Which complaint, where a unit has several.")]
    complaint_class: Annotated[
        Literal["general", "major", "media", "internal"], Field(description="一般, 重大, 媒体曝光, 内部受理个人.")
    ]
    upheld: Annotated[bool, Field(description="Whether the judgement upholds it (有效投诉).")]
    person: Annotated[PersonId, Field(description="The person judged.")]
    posts: Annotated[list[Label], Field(max_length=16, description="Posts judged where no person is found.")]
    occurred: Annotated[Instant, Field(description="When that of which is complained happened.")]
    customer: Reference
    channel: Label
    reason: Label
    dispatch: Reference
    ticket: Reference


EVENTS: Final = (
    EventType("complaint", "registered", "登记投诉", "The complaint was received.", ComplaintData),
    EventType(
        "complaint", "judged", "投诉定性", "The complaint was judged; a later judgement replaces it.", ComplaintData
    ),
)
