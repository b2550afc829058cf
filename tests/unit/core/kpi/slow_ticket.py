"""A slow, second reading of rules 17–20 for one ticket without corrections: first who held it when, then each figure from the raw events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.core.kpi.event import Event, TicketFacts

FAR = 2**50
WINDOW = 7 * 86_400_000


@dataclass
class Segment:
    """A stretch in which the ticket is open with one holder ("" = the queue); `begins` and `ends` are places in the order of events."""

    holder: str
    from_ms: int
    begins: int
    to_ms: int = FAR
    ends: int = FAR


@dataclass
class Timeline:
    """What became of a ticket: opening, segments, resolutions with the reopen that undid each, endings."""

    opened: int | None = None
    segments: list[Segment] = field(default_factory=list)
    resolutions: list[tuple[int, str, int | None]] = field(default_factory=list)
    takers: list[tuple[int, str]] = field(default_factory=list)
    status: str = "none"


def actor(event: Event, person: str | None) -> str:
    return f"{event.source} {person}" if person else ""


def timeline(events: Sequence[Event]) -> Timeline:
    line = Timeline()
    for place, event in enumerate(_ordered(events)):
        engineer = actor(event, event.engineer)
        if line.status == "none":
            if event.verb in ("opened", "accepted"):
                line.opened = event.time_ms
                _begin(line, engineer, event.time_ms, place)
        elif event.verb == "assigned" or (event.verb == "accepted" and engineer and line.status == "open"):
            _hand(line, engineer, event.time_ms, place)
        elif event.verb == "resolved" and line.status == "open":
            _resolve(line, engineer or line.segments[-1].holder, event.time_ms, place)
        elif event.verb == "closed" and line.status != "closed":
            if line.status == "open":
                _end(line, event.time_ms, place)
                line.takers.append((event.time_ms, ""))
            line.status = "closed"
        elif event.verb == "reopened" and line.status != "open":
            if line.resolutions and line.resolutions[-1][2] is None:
                line.resolutions[-1] = (*line.resolutions[-1][:2], event.time_ms)
            _begin(line, engineer, event.time_ms, place)
    return line


def _begin(line: Timeline, engineer: str, at: int, place: int) -> None:
    line.status = "open"
    line.takers += [(at, engineer)] if engineer else []
    line.segments.append(Segment(engineer, at, place))


def _hand(line: Timeline, engineer: str, at: int, place: int) -> None:
    line.takers += [(at, engineer)] if engineer else []
    if line.status == "open" and engineer != line.segments[-1].holder:
        _end(line, at, place)
        line.segments.append(Segment(engineer, at, place))


def _resolve(line: Timeline, resolver: str, at: int, place: int) -> None:
    _end(line, at, place)
    line.takers.append((at, resolver))
    line.resolutions.append((at, resolver, None))
    line.status = "resolved"
    # Whoever a resolving event names held it, if only for that instant.
    line.segments.append(Segment(resolver, at, place, at, place))


def _end(line: Timeline, at: int, place: int) -> None:
    line.segments[-1].to_ms, line.segments[-1].ends = at, place


def _ordered(events: Sequence[Event]) -> list[Event]:
    return sorted((event for event in events if event.family == "ticket"), key=Event.order)


def _public_answers(events: Sequence[Event]) -> list[tuple[int, int, str]]:
    """(place, instant, answerer or "") of public answers by a person."""
    return [
        (place, event.time_ms, actor(event, event.performed_by or event.engineer))
        for place, event in enumerate(_ordered(events))
        if event.verb == "replied"
        and isinstance(event.facts, TicketFacts)
        and event.facts.public
        and event.facts.actor == "person"
    ]


def _own_answer(events: Sequence[Event], segment: Segment) -> int | None:
    """When the holder of a segment first answered in it; an answer that names nobody is the holder's."""
    return next(
        (
            at
            for place, at, who in _public_answers(events)
            if segment.holder and segment.begins < place < segment.ends and who in ("", segment.holder)
        ),
        None,
    )


def gauge(events: Sequence[Event], at: int) -> Counter[tuple[str, str]]:
    past = [event for event in events if event.time_ms < at]
    line = timeline(past)
    held: Counter[tuple[str, str]] = Counter()
    if line.status == "open":
        segment = line.segments[-1]
        held[segment.holder, "ticket.open"] = 1
        if segment.holder and _own_answer(past, segment) is None:
            held[segment.holder, "ticket.unanswered"] = 1
    return held


def flows(events: Sequence[Event]) -> Counter[tuple[str, str, int, int]]:
    """Every settled flow by engineer, measure, book and value."""
    line = timeline(events)
    found: Counter[tuple[str, str, int, int]] = Counter()
    if line.opened is None:
        return found
    if line.takers:
        at, who = next((taker for taker in line.takers if taker[1]), line.takers[0])
        found[who, "ticket.intake", at, 1] += 1
    _responses(events, line, found)
    if line.resolutions and line.resolutions[-1][2] is None:
        at, resolver, _ = line.resolutions[-1]
        found[resolver, "ticket.resolved", at, 1] += 1
    owner, solved = _owner(line)
    found[owner, "ticket.owned", line.opened, 1] += 1
    if solved:
        found[owner, "ticket.owned_resolved", line.opened, 1] += 1
    return found


def _responses(events: Sequence[Event], line: Timeline, found: Counter[tuple[str, str, int, int]]) -> None:
    opening = line.segments[0].begins
    first = next(((place, at, who) for place, at, who in _public_answers(events) if place > opening), None)
    if first is not None and line.opened is not None:
        place, at, who = first
        holder = next((s.holder for s in line.segments if s.begins < place < s.ends), "")
        found[who or holder, "ticket.first_response", at, at - line.opened] += 1
    for segment in line.segments:
        own = _own_answer(events, segment)
        if own is not None:
            found[segment.holder, "ticket.engineer_response", own, own - segment.from_ms] += 1


def _owner(line: Timeline) -> tuple[str, bool]:
    """Rule 19: who resolved it for good; else the standing resolver, else the last who held it."""
    for at, resolver, undone in line.resolutions:
        if undone is not None and undone - at > WINDOW:
            return resolver, True
    if line.resolutions and line.resolutions[-1][2] is None:
        return line.resolutions[-1][1], True
    return next((segment.holder for segment in reversed(line.segments) if segment.holder), ""), False
