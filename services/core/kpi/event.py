"""The event as the core sees it: identity, order, people, and the facts of its family under their names on the wire.

Facts are primitives as they were sent: days as YYYY-MM-DD, decimals as text. What cannot be read counts as not given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from services.core.kpi.quick import quick

Scalar: TypeAlias = str | int | float | bool | None
OrderKey: TypeAlias = tuple[int, str, tuple[int, int], str]
Identity: TypeAlias = tuple[str, str]

CORRECTION: Final = "event"
"""The family of `event.amended` and `event.withdrawn`."""


@quick
@dataclass(frozen=True, slots=True)
class DispatchFacts:
    """派工单: accepted dispatched confirmed scheduled rescheduled arrived completed reported cancelled reopened."""

    order_type: str | None = None
    region: str | None = None
    reason: str | None = None
    agreed: str | None = None
    window_start: str | None = None
    window_end: str | None = None
    customer: str | None = None
    product: str | None = None
    asset: str | None = None
    customer_class: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class TicketFacts:
    """受理单: opened accepted assigned replied messaged paused resumed resolved reopened closed."""

    queue: str | None = None
    channel: str | None = None
    severity: str | None = None
    priority: str | None = None
    ticket_type: str | None = None
    customer: str | None = None
    public: bool = True
    actor: str = "person"
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CallFacts:
    """电话: kept in the ledger, no postings yet."""

    direction: str | None = None
    queue: str | None = None
    customer: str | None = None
    purpose: str | None = None


@dataclass(frozen=True, slots=True)
class FollowupFacts:
    """回访: scheduled attempted done. `target` = customer, dealer or provider."""

    target: str | None = None
    satisfied: bool | None = None
    customer_class: str | None = None
    form_complete: bool | None = None


@dataclass(frozen=True, slots=True)
class SurveyFacts:
    """满意度: sent answered. `scale` = label, 1-5 or 0-10; the score a number or its text."""

    survey: str | None = None
    label: str | None = None
    score: str | int | float | None = None
    scale: str | None = None
    valid: bool = True


@dataclass(frozen=True, slots=True)
class ComplaintFacts:
    """投诉: registered judged. `complaint` tells several complaints about one unit apart; `person` = who was judged."""

    complaint: str | None = None
    complaint_class: str | None = None
    upheld: bool | None = None
    person: str | None = None


@dataclass(frozen=True, slots=True)
class InspectionFacts:
    """检查: found. `kind` becomes part of the measure's name, `problem` its dimension; `count` = how many at once."""

    kind: str | None = None
    problem: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class AttendanceFacts:
    """出勤: recorded. Both days included; days and leave are decimals as text. `kind` = what the days are: present, …_leave, absent."""

    from_day: str | None = None
    to_day: str | None = None
    days: str | None = None
    leave: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class MeasureFacts:
    """A figure delivered for a unit and a month (YYYY-MM); the numbers are decimals as text."""

    measure: str | None = None
    month: str | None = None
    numerator: str | None = None
    denominator: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class RosterFacts:
    """One roster record: the roster reads it, no case does."""


@dataclass(frozen=True, slots=True)
class CorrectionFacts:
    """event.amended and event.withdrawn. `target_source` is honoured from the source `kaohe` only.

    `changes` are (field, new value): time (RFC 3339), engineer, performed_by, or a field of the target's facts.
    """

    target: str
    target_source: str | None = None
    changes: tuple[tuple[str, Scalar], ...] = ()


@dataclass(frozen=True, slots=True)
class OtherFacts:
    """The facts of a family that this release keeps and does not read."""


Facts: TypeAlias = (
    DispatchFacts
    | TicketFacts
    | CallFacts
    | FollowupFacts
    | SurveyFacts
    | ComplaintFacts
    | InspectionFacts
    | AttendanceFacts
    | MeasureFacts
    | RosterFacts
    | CorrectionFacts
    | OtherFacts
)

FACTS: Final[dict[str, type[Facts]]] = {
    "dispatch": DispatchFacts,
    "ticket": TicketFacts,
    "call": CallFacts,
    "followup": FollowupFacts,
    "survey": SurveyFacts,
    "complaint": ComplaintFacts,
    "inspection": InspectionFacts,
    "attendance": AttendanceFacts,
    "measure": MeasureFacts,
    "roster": RosterFacts,
    CORRECTION: CorrectionFacts,
}
"""The facts of each family, for the borders that read them from the wire."""


@quick
@dataclass(frozen=True, slots=True)
class Event:
    """One distinct event. `engineer` and `performed_by` are ids as the source writes them; `time_ms` is epoch milliseconds."""

    source: str
    id: str
    family: str
    verb: str
    case: str
    time_ms: int
    sequence: int | None
    engineer: str | None
    performed_by: str | None
    facts: Facts

    def order(self) -> OrderKey:
        """The total order in a case; events without a sequence come before those of the same instant and source with one."""
        sequence = self.sequence
        return self.time_ms, self.source, (0, 0) if sequence is None else (1, sequence), self.id

    def identity(self) -> Identity:
        """What makes the event the same one when it comes again."""
        return self.source, self.id

    def holder(self) -> str:
        """Who holds or does the work after it, as an actor; "" when it names nobody."""
        return f"{self.source} {self.engineer}" if self.engineer else ""

    def doer(self) -> str:
        """Who did this act: performed_by, else the engineer, as an actor; "" when it names nobody."""
        person = self.performed_by or self.engineer
        return f"{self.source} {person}" if person else ""


def actor(source: str, person: str | None) -> str:
    """An id qualified by its source; "" for nobody.

    >>> actor("crm", "GC01"), actor("crm", None)
    ('crm GC01', '')
    """
    return f"{source} {person}" if person else ""
