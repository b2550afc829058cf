"""投诉 (rule 24): pending from registration to judgement; upheld in the period of the latest judgement, for the person judged (O19)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.core.kpi.contribution import Line
from services.core.kpi.event import ComplaintFacts, Event, actor


@dataclass(frozen=True, slots=True)
class Complaint:
    """One complaint. `upheld` = (instant, person, class) of the judgement that stands, None when pending or not upheld."""

    name: str
    registered: bool
    registered_class: str
    judged: bool
    upheld: tuple[int, str, str] | None


@dataclass(frozen=True, slots=True)
class ComplaintState:
    """The complaints about a unit."""

    complaints: tuple[Complaint, ...]


def step(state: ComplaintState | None, event: Event, lines: list[Line], notes: list[str]) -> ComplaintState | None:
    """A registration or a judgement; a judgement needs no registration before it."""
    facts = event.facts
    if event.verb not in ("registered", "judged") or not isinstance(facts, ComplaintFacts):
        return state
    name = facts.complaint or ""
    complaints = state.complaints if state is not None else ()
    known = next((complaint for complaint in complaints if complaint.name == name), None)
    before = known or Complaint(name, registered=False, registered_class="", judged=False, upheld=None)
    after = (_register if event.verb == "registered" else _judge)(before, event, facts, lines, notes)
    if known is None:
        return ComplaintState((*complaints, after))
    return ComplaintState(tuple(after if complaint is known else complaint for complaint in complaints))


def _register(known: Complaint, event: Event, facts: ComplaintFacts, lines: list[Line], notes: list[str]) -> Complaint:
    if known.registered or known.judged:
        notes.append("registered after judgement" if known.judged else "registered twice")
        return known
    at = event.time_ms
    lines.append(("", "complaint.pending", facts.complaint_class or "", at, at, 1, 1))
    return replace(known, registered=True, registered_class=facts.complaint_class or "")


def _judge(known: Complaint, event: Event, facts: ComplaintFacts, lines: list[Line], _notes: list[str]) -> Complaint:
    at = event.time_ms
    if known.registered and not known.judged:
        lines.append(("", "complaint.pending", known.registered_class, at, at, 1, -1))
    if known.upheld is not None:
        _stand(known.upheld, -1, lines)
    upheld = None
    if facts.upheld:
        person = actor(event.source, facts.person) or event.holder()
        upheld = (at, person, facts.complaint_class or known.registered_class)
        _stand(upheld, 1, lines)
    return replace(known, judged=True, upheld=upheld)


def _stand(upheld: tuple[int, str, str], n: int, lines: list[Line]) -> None:
    at, person, complaint_class = upheld
    lines.append((person, "complaint.upheld", complaint_class, at, at, 1, n))
