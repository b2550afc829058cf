"""回访: asking a customer, dealer or service provider afterwards."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, with_config

from schemas.definition import DATA, Acts, EventType
from schemas.values import Instant, Label, Reference


@with_config(DATA)
class FollowupData(Acts, total=False):
    """Facts of a follow-up. Its case is the unit that it asks about, or a unit of its own."""

    target: Annotated[Literal["customer", "dealer", "provider"], Field(description="客户, 经销商 or 服务商.")]
    satisfied: Annotated[bool, Field(description="The customer says so.")]
    customer: Reference
    customer_class: Annotated[Label, Field(description="客户类别 A, B, C: the cadence follows from it.")]
    customer_confirmed: Annotated[bool, Field(description="The customer confirmed that the follow-up took place.")]
    form_complete: Annotated[bool, Field(description="回访表 is complete.")]
    channel: Label
    reason: Annotated[Label, Field(description="Why an attempt failed: no answer, wrong number …")]
    due: Annotated[Instant, Field(description="Until when it is scheduled.")]
    dispatch: Reference
    ticket: Reference


def _event(verb: str, zh: str, meaning: str) -> EventType:
    return EventType("followup", verb, zh, meaning, FollowupData)


EVENTS: Final = (
    _event("scheduled", "计划回访", "A follow-up is planned."),
    _event("attempted", "回访未成", "It was tried without success: that is not done."),
    _event("done", "回访", "The follow-up took place."),
)
