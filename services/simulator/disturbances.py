"""What reality does to a clean stream: mistakes that are corrected later, repetition, delay, disorder, contradiction.

`blunders` changes what is *sent* so that corrections restore the truth: an amended event was sent with a wrong value first, a withdrawn one
never happened. So the settled figures of the disturbed stream are those of the truth: a test relies on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from services.simulator.occurrence import Event, Registry

if TYPE_CHECKING:
    from services.simulator.organisation import Organisation

_LATENCY_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of events (0 … 1) that a disturbance hits; `unknown_engineers` is a share of the orders."""

    duplicates: float = 0.02
    late: float = 0.03
    out_of_order: float = 0.05
    amended: float = 0.01
    withdrawn: float = 0.004
    unknown_engineers: float = 0.005
    conflicts: float = 0.0

    @classmethod
    def none(cls) -> Rates:
        """A clean stream."""
        return cls(0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event and when it reaches us. The same event may arrive several times."""

    at: datetime
    event: Event


@dataclass(frozen=True, slots=True)
class Blunder:
    """A correction and, for a withdrawal, the event that it takes back. `wrong` replaces the true event in the stream, None = adds to it."""

    truth: Event | None
    wrong: Event
    correction: Event


def blunders(
    rng: Random, truth: Sequence[Event], registry: Registry, organisation: Organisation, rates: Rates
) -> Iterator[Blunder]:
    """Mistakes among true events (in order of time) and their corrections, which come hours or days later."""
    colleagues = [worker.id for worker in organisation.engineers]
    for event in truth:
        kind = event["type"]
        if kind in _AMENDABLE and rng.random() < rates.amended * _SHARE_AMENDABLE:
            yield _amended(rng, event, registry, colleagues)
        elif kind in _REPEATABLE and rng.random() < rates.withdrawn * _SHARE_REPEATABLE:
            yield _withdrawn(rng, event, registry)


# Rates are shares of all events; these types are about a third and a fifth of them.
_SHARE_AMENDABLE = 3
_SHARE_REPEATABLE = 5
_AMENDABLE = frozenset({"kaohe.dispatch.completed.v1", "kaohe.dispatch.dispatched.v1", "kaohe.survey.answered.v1"})
_REPEATABLE = frozenset(
    {
        "kaohe.dispatch.rescheduled.v1",
        "kaohe.inspection.found.v1",
        "kaohe.followup.done.v1",
        "kaohe.dispatch.arrived.v1",
    }
)


def _amended(rng: Random, event: Event, registry: Registry, colleagues: Sequence[str]) -> Blunder:
    wrong = dict(event)
    changes: dict[str, str]
    if event["type"] == "kaohe.dispatch.completed.v1":
        # Written down later than it was: the amendment sets the clock back.
        wrong["time"] = (_time(event) + timedelta(minutes=rng.randint(30, 60 * 20))).isoformat()
        changes = {"time": event["time"]}
    elif event["type"] == "kaohe.dispatch.dispatched.v1":
        wrong["data"] = event["data"] | {"engineer": rng.choice(colleagues)}
        changes = {"engineer": event["data"]["engineer"]}
    else:
        wrong["data"] = event["data"] | {"label": "一般"}
        changes = {"label": event["data"]["label"]}
    at = _time(wrong) + timedelta(minutes=rng.randint(60, 60 * 60))
    return Blunder(event, wrong, registry.correction("amended", event, at, changes=changes))


def _withdrawn(rng: Random, event: Event, registry: Registry) -> Blunder:
    at = _time(event) + timedelta(minutes=rng.randint(3, 40))
    wrong = event | {"time": at.isoformat(), "id": event["id"] + "-x"}  # entered a second time by mistake
    later = at + timedelta(minutes=rng.randint(30, 60 * 50))
    return Blunder(None, wrong, registry.correction("withdrawn", wrong, later))


def arrivals(
    rng: Random, events: Iterable[Event], rates: Rates, *, earliest: datetime, latest: datetime
) -> list[Arrival]:
    """Events in the order in which they reach us, each at least once, between `earliest` and `latest`."""
    found: list[Arrival] = []
    for event in events:
        at = _time(event) + timedelta(seconds=rng.expovariate(1 / _LATENCY_SECONDS))
        if rng.random() < rates.late:
            at += timedelta(hours=rng.uniform(1, 72))
        elif rng.random() < rates.out_of_order:
            at += timedelta(minutes=rng.uniform(1, 45))
        found.append(Arrival(at, event))
        if rng.random() < rates.duplicates:
            found.append(Arrival(at + timedelta(seconds=rng.expovariate(1 / 3600)), event))
        if rng.random() < rates.conflicts:
            found.append(Arrival(at + timedelta(minutes=1), _contradicted(event)))
    kept = [Arrival(min(max(arrival.at, earliest), latest), arrival.event) for arrival in found]
    kept.sort(key=lambda arrival: arrival.at)  # stable: what arrives together keeps its order
    return kept


def _contradicted(event: Event) -> Event:
    """The same identity with another content: the recorded one counts, this one is shown as a conflict."""
    return event | {"data": event["data"] | {"performed_by": "somebody-else"}}


def _time(event: Event) -> datetime:
    return datetime.fromisoformat(event["time"])
