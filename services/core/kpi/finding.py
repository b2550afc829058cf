"""Findings of inspections (rule 24): one line each, in the period of the finding; nothing later changes it, so there is no state."""

from __future__ import annotations

from services.core.kpi.contribution import Line
from services.core.kpi.event import Event, InspectionFacts, actor

ENGINEER_PROBLEM = "engineer_problem"
"""Found by a representative at an engineer; it counts for the representative who found it (S01, KPI-1)."""


def step(event: Event, lines: list[Line], notes: list[str]) -> None:
    """A finding counts for the person found at fault, an engineer's problem for the person who found it."""
    facts = event.facts
    if event.verb != "found" or not isinstance(facts, InspectionFacts):
        return
    if not facts.kind:
        notes.append("found without kind")
        return
    if not facts.count:
        return
    at = event.time_ms
    person = actor(event.source, event.performed_by) if facts.kind == ENGINEER_PROBLEM else event.holder()
    lines.append((person, f"finding.{facts.kind}", facts.problem or "", at, at, 1, facts.count))
