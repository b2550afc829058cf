"""A slow, second reading of rules 7–16 for one dispatch order without corrections: replay to an instant, then ask by definition.

It shares nothing with the core: days from the standard library, ages by searching, credits by replaying to the limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.core.kpi.event import DispatchFacts, Event

ZONE = ZoneInfo("Asia/Shanghai")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400_000
FAR = 200 * DAY


def local_date(ms: int) -> date:
    return (EPOCH + timedelta(milliseconds=ms)).astimezone(ZONE).date()


def midnight(day: date) -> int:
    return (datetime(day.year, day.month, day.day, tzinfo=ZONE) - EPOCH) // timedelta(milliseconds=1)


@dataclass
class Replayed:
    """An order after some events."""

    accepted: int | None = None
    status: str = "none"
    holder: str = ""
    order_type: str = ""
    out: set[date] = field(default_factory=set)
    openings: list[list[int]] = field(default_factory=list)
    done: tuple[int, str] | None = None
    visits: list[tuple[int, str]] = field(default_factory=list)
    cancelled: tuple[int, str] | None = None

    def take(self, event: Event) -> None:
        assert isinstance(event.facts, DispatchFacts)
        named = f"{event.source} {event.engineer}" if event.engineer else ""
        verb, at = event.verb, event.time_ms
        if self.accepted is None:
            if verb == "accepted":
                self.accepted, self.status, self.holder = at, "open", named
                self.order_type = event.facts.order_type or ""
                self.openings.append([at, at + FAR])
        elif verb == "reopened" and self.status == "done":
            self.status, self.done = "open", None
            self.openings.append([at, at + FAR])
        elif self.status == "open" and verb in ("dispatched", "confirmed"):
            self.holder = named or self.holder
        elif self.status == "open" and verb == "completed":
            self.status, self.holder = "done", named or self.holder
            self.done = (at, self.holder)
            self.openings[-1][1] = at
        elif self.status == "open" and verb == "cancelled":
            self.status, self.cancelled = "cancelled", (at, self.holder)
            self.openings[-1][1] = at
        elif self.status == "open" and verb == "arrived":
            self.visits.append((at, named or self.holder))
        elif self.status == "open" and verb == "rescheduled":
            self._reschedule(event.facts, at)

    def _reschedule(self, facts: DispatchFacts, at: int) -> None:
        if facts.reason != "customer" or not facts.agreed or facts.agreed == "2026-02-30":
            return
        day = local_date(at) + timedelta(days=1)
        while day < date.fromisoformat(facts.agreed):
            self.out.add(day)
            day += timedelta(days=1)

    def age(self, at: int) -> int:
        """The age at T: elapsed since acceptance, less the time of days out."""
        assert self.accepted is not None
        out = sum(max(0, min(at, midnight(d + timedelta(days=1))) - midnight(d)) for d in self.out if midnight(d) < at)
        return at - self.accepted - out

    def day_k(self, at: int) -> int:
        assert self.accepted is not None
        first, day = local_date(self.accepted), local_date(at)
        return (day - first).days + 1 - len([d for d in self.out if first <= d < day])


def replay(events: Sequence[Event], before: Callable[[Event], bool]) -> Replayed:
    order = Replayed()
    for event in sorted(events, key=Event.order):
        if event.family == "dispatch" and before(event):
            order.take(event)
    return order


def until(events: Sequence[Event], at: int) -> Replayed:
    """The order after the events before T."""
    return replay(events, lambda event: event.time_ms < at)


def first_instant(order: Replayed, holds: Callable[[int], bool]) -> int:
    """The first T at which something that stays true once it is true holds, by halving."""
    assert order.accepted is not None
    low, high = order.accepted, order.accepted + FAR
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def gauge(events: Sequence[Event], at: int) -> Counter[tuple[str, str]]:
    """Every stock of the order at T, by engineer and measure."""
    order = until(events, at)
    held: Counter[tuple[str, str]] = Counter()
    if order.status != "open":
        return held
    held[order.holder, "dispatch.open"] = 1
    for limit in (7, 30):
        if order.age(at) > limit * DAY:
            held[order.holder, f"dispatch.overdue_{limit}"] = 1
    if order.day_k(at) > 7:
        held[holder_when(events, order, lambda t: order.day_k(t) > 7), "dispatch.past_day_7"] = 1
    if order.age(at) > 30 * DAY:
        held[holder_when(events, order, lambda t: order.age(t + 1) > 30 * DAY), "dispatch.stale_30"] = 1
    return held


def holder_when(events: Sequence[Event], order: Replayed, ran_out: Callable[[int], bool]) -> str:
    """Who held the order when a limit ran out: after the events before that instant."""
    return until(events, first_instant(order, ran_out)).holder


def flows(events: Sequence[Event]) -> Counter[tuple[str, str, int]]:
    """Every settled flow of the order, by engineer, measure and book."""
    order = replay(events, lambda _: True)
    found: Counter[tuple[str, str, int]] = Counter()
    if order.accepted is None:
        return found
    found[_acceptor(events), "dispatch.accepted", order.accepted] += 1
    for at, who in order.visits:
        found[who, "dispatch.visited", at] += 1
    if order.cancelled is not None:
        at, who = order.cancelled
        found[who, "dispatch.cancelled", at] += 1
        if order.day_k(at) > 7:
            found[who, "dispatch.cancelled_after_day_7", at] += 1
    if order.done is not None:
        at, who = order.done
        k = order.day_k(at)
        if k > 7:
            who = holder_when(events, order, lambda t: order.day_k(t) > 7)
        found[who, "dispatch.completed.later" if k > 7 else f"dispatch.completed.day_{k}", at] += 1
    for days in (7, 30):
        _crossing(events, order, days, found)
    return found


def _acceptor(events: Sequence[Event]) -> str:
    accepted = next(e for e in sorted(events, key=Event.order) if (e.family, e.verb) == ("dispatch", "accepted"))
    return f"{accepted.source} {accepted.engineer}" if accepted.engineer else ""


def _crossing(events: Sequence[Event], order: Replayed, days: int, found: Counter[tuple[str, str, int]]) -> None:
    """Once, at the first instant at which the stock holds the order: the limit, or a reopen beyond it."""
    limit = first_instant(order, lambda t: order.age(t + 1) > days * DAY)
    for begin, end in order.openings:
        if end > max(begin, limit):
            who = holder_when(events, order, lambda t: order.age(t + 1) > days * DAY)
            found[who, f"dispatch.crossed_{days}", max(begin, limit)] += 1
            return
