"""What a case cannot use and shows instead of dropping it: impossible events, corrections without effect."""

from __future__ import annotations

from dataclasses import dataclass

from services.core.kpi.event import CorrectionFacts, Event


@dataclass(frozen=True, slots=True)
class Listed:
    """One event and why it is listed; `target` is the event that a correction names."""

    unit: str
    family: str
    verb: str
    source: str
    id: str
    why: str
    target: str | None = None


def listed(event: Event, why: str) -> Listed:
    """List an event."""
    target = event.facts.target if isinstance(event.facts, CorrectionFacts) else None
    return Listed(event.case, event.family, event.verb, event.source, event.id, why, target)
