"""派工单: an order to visit a customer, from its acceptance to its completion."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, with_config

from schemas.definition import DATA, Acts, EventType
from schemas.values import Day, DecimalText, Instant, Label, Reference


@with_config(DATA)
class DispatchData(Acts, total=False):
    """Facts of a dispatch order; each event states those that it sets or changes."""

    order_type: Annotated[Label, Field(description="订单类型: 上门维修, 用户机内修, 上门安装, 上门调试 …")]
    region: Annotated[Label, Field(description="辖区 in which the order lies.")]
    reason: Annotated[
        Label,
        Field(description="Why: of a reschedule customer, company, parts …; of a cancellation the source's word."),
    ]
    agreed: Annotated[Day, Field(description="Day agreed with the customer.")]
    window_start: Annotated[Instant, Field(description="Agreed window, its beginning.")]
    window_end: Annotated[Instant, Field(description="Agreed window, its end: an arrival up to it is in time.")]
    customer: Reference
    customer_class: Annotated[Label, Field(description="客户类别 A, B, C.")]
    product: Reference
    asset: Annotated[Reference, Field(description="The machine that is served: repeat visits are found by it.")]
    ticket: Annotated[Reference, Field(description="受理单 from which the order came.")]
    registered_late: Annotated[bool, Field(description="上门后补单: the order was written after the visit.")]
    false_completion: Annotated[bool, Field(description="虚假完单, as the source flags it; a finding decides.")]
    violation: Annotated[bool, Field(description="违规, as the source flags it; a finding decides.")]
    rework: Annotated[bool, Field(description="返修.")]
    customer_accepted: Annotated[bool, Field(description="The customer signed the acceptance record.")]
    parts_shipped_at: Instant
    delivery_due: Instant
    delivered_at: Instant
    accident_value: Annotated[DecimalText, Field(description="Damage in the currency of the source.")]


def _event(verb: str, zh: str, meaning: str) -> EventType:
    return EventType("dispatch", verb, zh, meaning, DispatchData)


EVENTS: Final = (
    _event("accepted", "受理", "The order exists; performed_by took it in."),
    _event("dispatched", "派工", "The order is given to an engineer, or to another one."),
    _event("confirmed", "接单", "The engineer takes the order on."),
    _event("scheduled", "预约", "A day or window is agreed with the customer."),
    _event("rescheduled", "改约", "Another day or window is agreed; the reason says at whose wish."),
    _event("parts_ordered", "订件", "A part has to be ordered before the work can go on."),
    _event("arrived", "到达", "The engineer is at the customer's: a visit."),
    _event("completed", "完工", "The work is done."),
    _event("reported", "反馈完单", "The completion is reported back."),
    _event("cancelled", "取消", "The order will not be done."),
    _event("reopened", "返单", "The completed order is open again."),
)
