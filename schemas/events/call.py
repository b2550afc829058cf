"""通话: a call, from its reception to its after-call work."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, with_config

from schemas.definition import DATA, Acts, EventType
from schemas.values import Label, PersonId, Reference


@with_config(DATA)
class CallData(Acts, total=False):
    """Facts of a call. The engineer of a leg is the agent; durations follow from the stamps of the events."""

    direction: Annotated[Literal["inbound", "outbound", "internal"], Field(description="呼入, 呼出 or between agents.")]
    queue: Annotated[Label, Field(description="Queue or skill group.")]
    customer: Reference
    purpose: Annotated[Label, Field(description="业务类型: 报修, 咨询, 回访 …")]
    stage: Annotated[
        Literal["ivr", "queue", "ringing", "talk"],
        Field(description="Where the call was when it was abandoned or ended."),
    ]
    to: Annotated[PersonId, Field(description="To whom the call is transferred.")]
    to_queue: Annotated[Label, Field(description="To which queue the call is transferred.")]
    hung_up_by: Literal["agent", "customer", "system"]
    reason: Annotated[Label, Field(description="The source's end status: noSeatOnline, notWorkTime, TIMEOUT …")]
    ticket: Annotated[Reference, Field(description="受理单 that the call belongs to.")]
    dispatch: Annotated[Reference, Field(description="派工单 that the call belongs to.")]


def _event(verb: str, zh: str, meaning: str) -> EventType:
    return EventType("call", verb, zh, meaning, CallData)


EVENTS: Final = (
    _event("received", "来电", "The call reached the system."),
    _event("offered", "排队", "The call entered a queue."),
    _event("answered", "接听", "An agent talks to the customer."),
    _event("missed", "未接", "It rang at an agent who did not take it."),
    _event("held", "保持", "The customer waits on the line."),
    _event("retrieved", "恢复通话", "The talk goes on."),
    _event("wrapped", "话后处理完成", "The agent finished the after-call work."),
    _event("transferred", "转接", "The call goes to another agent or queue."),
    _event("abandoned", "放弃", "The customer hung up before an agent answered."),
    _event("ended", "挂断", "The call is over."),
)
