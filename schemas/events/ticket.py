"""受理单: a customer's request, from its opening to its resolution."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, with_config

from schemas.definition import DATA, Acts, EventType
from schemas.values import Instant, Label, Reference


@with_config(DATA)
class TicketData(Acts, total=False):
    """Facts of a ticket; each event states those that it sets or changes."""

    queue: Annotated[Label, Field(description="The queue or group that has the ticket while nobody holds it.")]
    channel: Annotated[Label, Field(description="phone, mail, chat, 后台有问必答 …")]
    severity: Annotated[Label, Field(description="特别紧急, 紧急, 一般 …")]
    priority: Label
    ticket_type: Annotated[Label, Field(description="The source's kind of ticket.")]
    complexity: Annotated[Literal["simple", "complex"], Field(description="简单 or 复杂问题.")]
    customer: Reference
    customer_class: Label
    product: Reference
    asset: Reference
    matter: Annotated[
        Reference,
        Field(description="What it is about: contacts about one matter count once for first contact resolution."),
    ]
    dispatch: Annotated[Reference, Field(description="派工单 that the ticket led to.")]
    public: Annotated[bool, Field(description="Whether the customer sees the answer. Default true.")]
    actor: Annotated[Literal["person", "bot", "customer"], Field(description="Who wrote. Default person.")]
    reason: Annotated[Label, Field(description="Why paused, reopened or closed: customer, parts, vendor …")]
    solved: Annotated[bool, Field(description="Whether the source calls the matter solved at its closing.")]
    misoperation: Annotated[bool, Field(description="误操作: caused by a wrong operation of ours.")]
    customer_allowed_until: Annotated[Instant, Field(description="The time that the customer allowed.")]
    sla_met: Annotated[bool, Field(description="The source's own SLA flag: a measure apart, it decides nothing.")]


def _event(verb: str, zh: str, meaning: str) -> EventType:
    return EventType("ticket", verb, zh, meaning, TicketData)


EVENTS: Final = (
    _event("opened", "建单", "The ticket exists, in a queue or with an engineer."),
    _event("accepted", "受理", "The engineer takes the ticket on."),
    _event("assigned", "分派", "The ticket is given to an engineer, or to another one."),
    _event("replied", "答复", "An answer or an internal note of ours."),
    _event("messaged", "客户来信", "The customer wrote."),
    _event("paused", "挂起", "The clock waits, for the reason given."),
    _event("resumed", "恢复", "The clock runs again."),
    _event("resolved", "解决", "The matter is resolved."),
    _event("reopened", "重开", "The resolved ticket is open again."),
    _event("closed", "关闭", "The ticket is closed for good."),
)
