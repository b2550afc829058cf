"""Amendments and withdrawals (rule 3): from the events of a case to the events that count.

An amendment replaces fields of the event it names, a withdrawal means that its target never happened. Only withdrawals may target
corrections. A correction reaches its own source only; the source `kaohe` may name another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, Final

from services.core.kpi.event import CORRECTION, CorrectionFacts, Event, Identity, Scalar
from services.core.kpi.exact import millionths
from services.core.kpi.listed import Listed, listed
from services.core.kpi.localday import day_of, instant_ms, month_of

SYSTEM_SOURCE: Final = "kaohe"


@dataclass(frozen=True, slots=True)
class Effective:
    """The events that count, in order, as amended; what the corrections name; the corrections without effect."""

    events: tuple[Event, ...]
    named: tuple[Identity, ...]
    listed: tuple[Listed, ...]


def target_of(correction: Event) -> Identity | None:
    """The event that a correction names; None for an event that is no correction."""
    facts = correction.facts
    if correction.family != CORRECTION or not isinstance(facts, CorrectionFacts):
        return None
    source = facts.target_source if correction.source == SYSTEM_SOURCE and facts.target_source else correction.source
    return source, facts.target


def effective(events: Sequence[Event]) -> Effective:
    """Apply the corrections among distinct events to the others. The order of the input does not matter."""
    return _Corrections(events).apply()


class _Corrections:
    """The corrections of one case and what becomes of each."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._known = {event.identity(): event for event in events}
        self._targets: dict[Identity, Identity] = {}
        self._amendments: dict[Identity, list[Event]] = {}
        withdrawals: list[Identity] = []
        for identity, event in self._known.items():
            target = target_of(event)
            if target is None:
                continue
            self._targets[identity] = target
            if event.verb == "withdrawn":
                withdrawals.append(identity)
            elif event.verb == "amended":
                self._amendments.setdefault(target, []).append(event)
        self._withdrawn, self._cyclic = self._withdraw(withdrawals)
        self._listed: list[Listed] = []

    def apply(self) -> Effective:
        events = [
            self._amended(event)
            for identity, event in self._known.items()
            if event.family != CORRECTION and identity not in self._withdrawn
        ]
        for identity in self._targets:
            why = self._why_without_effect(identity)
            if why is not None:
                self._listed.append(listed(self._known[identity], why))
        order = sorted(self._listed, key=lambda entry: (self._known[entry.source, entry.id].order(), entry.why))
        return Effective(
            tuple(sorted(events, key=Event.order)), tuple(sorted(set(self._targets.values()))), tuple(order)
        )

    def _withdraw(self, withdrawals: Sequence[Identity]) -> tuple[set[Identity], set[Identity]]:
        """Which events are withdrawn, and which withdrawals form a cycle.

        A withdrawal counts once all that target it are decided. Each has one target, so what is never decided is a cycle.
        """
        undecided = dict.fromkeys(withdrawals, 0)
        for withdrawal in withdrawals:
            target = self._targets[withdrawal]
            if target in undecided:
                undecided[target] += 1
        ready = [withdrawal for withdrawal, awaited in undecided.items() if not awaited]
        withdrawn: set[Identity] = set()
        while ready:
            withdrawal = ready.pop()
            del undecided[withdrawal]
            target = self._targets[withdrawal]
            if withdrawal not in withdrawn:
                withdrawn.add(target)
            if target in undecided:
                undecided[target] -= 1
                if not undecided[target]:
                    ready.append(target)
        return withdrawn, set(undecided)

    def _why_without_effect(self, identity: Identity) -> str | None:
        target = self._targets[identity]
        if target == identity:
            return "correction of itself"
        if identity in self._cyclic:
            return "correction cycle"
        if identity in self._withdrawn:
            return None
        if target not in self._known:
            return "correction target unknown"
        if self._known[identity].verb == "amended" and target in self._targets:
            return "amendment of a correction"
        return None

    def _amended(self, event: Event) -> Event:
        """The event after its amendments, in the order (time, source, id) of the amendments."""
        amendments = self._amendments.get(event.identity(), ())
        for amendment in sorted(amendments, key=lambda one: (one.time_ms, one.source, one.id)):
            if amendment.identity() in self._withdrawn or not isinstance(amendment.facts, CorrectionFacts):
                continue
            for name, value in amendment.facts.changes:
                changed = change(event, name, value)
                if changed is None:
                    self._listed.append(listed(amendment, f"unreadable change of {name}"))
                else:
                    event = changed
        return event


def change(event: Event, name: str, value: Scalar) -> Event | None:
    """The event with one field replaced; None when the value cannot be read. A field that the core does not know changes nothing.

    null takes a field back: it counts as not given.
    """
    if name == "time":
        time_ms = instant_ms(value) if isinstance(value, str) else None
        return None if time_ms is None else replace(event, time_ms=time_ms)
    if name in ("engineer", "performed_by"):
        if value is not None and not isinstance(value, str):
            return None
        return replace(event, engineer=value) if name == "engineer" else replace(event, performed_by=value)
    known = next((field for field in fields(event.facts) if field.name == name), None)
    if known is None:
        return event
    readable = known.default if value is None else _READERS.get(name, _text)(value)
    if readable is None and value is not None:
        return None
    changed: dict[str, Any] = {name: readable}
    return replace(event, facts=replace(event.facts, **changed))


# The contract checks what an amendment brings field by field, but not that the field is one of the target's family: each reader gives the
# value as the facts keep it, None when it cannot be.


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _decimal(value: object) -> str | None:
    """A decimal as text; a number is read by its shortest text, which is what was meant."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = format(Decimal(str(value)), "f")
    return value if isinstance(value, str) and millionths(value) is not None else None


def _day(value: object) -> str | None:
    return value if isinstance(value, str) and day_of(value) is not None else None


def _month(value: object) -> str | None:
    return value if isinstance(value, str) and month_of(value) is not None else None


_READERS: Final[dict[str, Callable[[object], Scalar]]] = {
    **dict.fromkeys(("public", "satisfied", "form_complete", "valid", "upheld"), _boolean),
    **dict.fromkeys(("agreed", "from_day", "to_day"), _day),
    **dict.fromkeys(("days", "leave", "numerator", "denominator", "value", "score"), _decimal),
    "count": _count,
    "month": _month,
}
