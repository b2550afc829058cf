"""ServiceNow incidents → ticket events, from what changed between successive rows of an incident's audit trail.

Owns: which change is which event, its identity and order. Does not own: reading the file (`audit`), sending (the command).
Time semantics: an event happens at its row's `sys_updated_at`; rows of one minute keep the file's order through `sequence`.
Columns that repeat final values on every row (`resolved_at`, `closed_at`, `reopen_count`, `made_sla` …) are never read: at the time
of the row nobody knew them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.ingest.connectors.audit import Audit, Phase, Update

Event = dict[str, Any]  # a CloudEvent as JSON has it

SOURCE: Final = "servicenow"
_SLOTS: Final = 8  # room for the events of one row in `sequence`; a row makes at most four


@dataclass(frozen=True, slots=True)
class Translation:
    """The events of an audit in order of time, and what a reader should know about how they were read."""

    events: tuple[Event, ...]
    incidents: int
    opened_early: int  # incidents with an update before their opened_at: opened at that update


@dataclass(frozen=True, slots=True)
class _Change:
    verb: str
    engineer: str | None = None
    queue: str | None = None
    reason: str | None = None


def translate(audit: Audit, *, source: str = SOURCE) -> Translation:
    """The ticket events of an audit. The same audit gives the same events, so that importing it twice counts once."""
    incidents: defaultdict[str, list[Update]] = defaultdict(list)
    for update in audit.updates:
        incidents[update.number].append(update)
    events: list[Event] = []
    early = 0
    for updates in incidents.values():
        updates.sort(key=lambda update: (update.updated_at, update.position))
        early += updates[0].updated_at < updates[0].opened_at
        events += _incident(updates, source)
    # Stable: ties keep the incident's own order. By instant, for offsets differ where clocks change.
    events.sort(key=lambda event: datetime.fromisoformat(event["time"]))
    return Translation(tuple(events), len(incidents), early)


def _incident(updates: list[Update], source: str) -> Iterator[Event]:
    """`updates` is not empty and in order."""
    occurrences: Counter[tuple[str, str]] = Counter()
    before: Update | None = None
    for update in updates:
        slot = 0
        if before is None:
            yield _opened(update, source)
            slot = 1
        for change in _changes(before, update):
            occurrences[update.revision, change.verb] += 1
            yield _event(change, update, source, slot=slot, occurrence=occurrences[update.revision, change.verb])
            slot += 1
        before = update


def _changes(before: Update | None, after: Update) -> Iterator[_Change]:
    """What happened between two rows, in the order in which it must have happened: resumed or reopened, assigned, stopped."""
    was = before.phase if before else Phase.OPEN
    waits_anew = was is Phase.WAITING is after.phase and before is not None and before.state != after.state
    if was in {Phase.RESOLVED, Phase.CLOSED} and after.phase in {Phase.OPEN, Phase.WAITING}:
        yield _Change("reopened", engineer=after.engineer, queue=after.queue)
    elif (was is Phase.WAITING and after.phase is Phase.OPEN) or waits_anew:
        yield _Change("resumed")
    if _handed_over(before, after):
        yield _Change("assigned", engineer=after.engineer, queue=after.queue)
    match after.phase:
        case Phase.WAITING if was is not Phase.WAITING or waits_anew:
            yield _Change("paused", reason=after.state)
        case Phase.RESOLVED if was in {Phase.OPEN, Phase.WAITING}:
            yield _Change("resolved", engineer=after.engineer)
        case Phase.CLOSED if was is not Phase.CLOSED:
            yield _Change("closed")
        case _:
            pass


def _handed_over(before: Update | None, after: Update) -> bool:
    if before is None:
        return after.engineer is not None
    return (before.engineer, before.queue) != (after.engineer, after.queue)


def _opened(first: Update, source: str) -> Event:
    # An update proves that the incident existed: an opened_at after it is a later correction and cannot be known yet.
    data = _given(
        queue=first.queue,
        channel=first.channel,
        priority=first.priority,
        ticket_type=first.category,
        customer=first.customer,
        performed_by=first.opened_by,
    )
    return _cloud_event(
        source,
        identity=f"{first.number}/opened",
        number=first.number,
        verb="opened",
        time=min(first.opened_at, first.updated_at),
        sequence=first.position * _SLOTS,
        data=data,
    )


def _event(change: _Change, update: Update, source: str, *, slot: int, occurrence: int) -> Event:
    data = _given(engineer=change.engineer, queue=change.queue, reason=change.reason, performed_by=update.updated_by)
    return _cloud_event(
        source,
        identity=f"{update.number}/{update.revision}/{change.verb}/{occurrence}",
        number=update.number,
        verb=change.verb,
        time=update.updated_at,
        sequence=update.position * _SLOTS + slot,
        data=data,
    )


def _cloud_event(
    source: str, *, identity: str, number: str, verb: str, time: datetime, sequence: int, data: dict[str, str]
) -> Event:
    return {
        "specversion": "1.0",
        "id": identity,
        "source": source,
        "type": f"kaohe.ticket.{verb}.v1",
        "subject": number,
        "partitionkey": number,
        "time": time.isoformat(),
        "sequence": str(sequence),
        "datacontenttype": "application/json",
        "data": data,
    }


def _given(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def verbs(events: Iterable[Event]) -> dict[str, int]:
    """How many events of each verb, in the order of a ticket's life."""
    counts = Counter(event["type"].split(".")[2] for event in events)
    life = ("opened", "assigned", "paused", "resumed", "resolved", "reopened", "closed")
    return {verb: counts[verb] for verb in life if counts[verb]}
