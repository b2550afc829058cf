"""One simulated month: the truth of it, and the stream in which it reaches us. Pure: the same plan gives the same bytes.

Owns: what happens, when, to whom, and how the stream is disturbed. Does not own: sending (`delivery`), pacing (`pace`).
Time semantics: local to the plan's zone; orders carried over from before are accepted before the month and arrive at its beginning;
what happens at or after `until` is left out, so that a run about the current month stays in the past.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from services.simulator.disturbances import Arrival, Blunder, Rates, arrivals, blunders
from services.simulator.occurrence import Event, Occurrence, Registry
from services.simulator.orders import order_life
from services.simulator.organisation import Organisation, build
from services.simulator.records import records
from services.simulator.tickets import ticket_life
from services.simulator.world import World

AFTERMATH_DAYS = 3  # completions, answers and corrections that come after the month
_CARRIED_OVER_DAYS = 6
_STALE_DAYS = (24, 44)
_ORDERS_A_DAY = 0.62  # for each engineer, besides those that come from tickets
_TICKETS_A_DAY = 0.5
_WEEKEND = 0.6
_OUTSIDERS = ("TMP01", "TMP02", "TMP03")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate. `scale` multiplies the volume; `until` (default: three days after the month) ends the story."""

    month: str
    seed: int = 7
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))
    engineers: int = 60
    representatives: int = 8
    scale: float = 1.0
    rates: Rates = field(default_factory=Rates)
    until: datetime | None = None

    @property
    def start(self) -> datetime:
        """The month's first instant."""
        return datetime.fromisoformat(f"{self.month}-01").replace(tzinfo=self.zone)

    @property
    def end(self) -> datetime:
        """The first instant after the month."""
        return (self.start + timedelta(days=32)).replace(day=1)

    @property
    def usual_last(self) -> datetime:
        """When the story ends if nothing stops it."""
        return self.end + timedelta(days=AFTERMATH_DAYS)

    @property
    def last(self) -> datetime:
        """The first instant that is no longer told."""
        return min(self.usual_last, self.until) if self.until else self.usual_last


@dataclass(frozen=True, slots=True)
class Month:
    """A simulated month. `truth`: what happened, in order of time, as if nobody had erred; `arrivals`: what reaches us and when."""

    plan: Plan
    organisation: Organisation
    truth: tuple[Event, ...]
    arrivals: tuple[Arrival, ...]

    @property
    def identities(self) -> int:
        """How many distinct events (source and id) the stream carries: what a ledger must hold afterwards."""
        return len({(arrival.event["source"], arrival.event["id"]) for arrival in self.arrivals})

    @property
    def units(self) -> int:
        """How many units of work (cases) the stream is about."""
        return len({arrival.event["partitionkey"] for arrival in self.arrivals})


def previous_month(day: date) -> str:
    """The month before a day's, YYYY-MM."""
    return f"{day.replace(day=1) - timedelta(days=1):%Y-%m}"


def simulate(plan: Plan) -> Month:
    """The month of a plan. Raises ValueError for an organisation that cannot work or a scale that is not positive."""
    if not 0 < plan.scale <= 1000:
        raise ValueError("the scale must lie above 0 and not above 1000")
    organisation = organisation_of(plan)
    registry = Registry(_series(plan))
    happened = sorted(_occurrences(plan, organisation), key=lambda what: what.time)
    # All is decided as if the month were over: a run that stops at `until` is the beginning of the run that does not.
    truth = [event for event in registry.events(happened) if _time(event) < plan.usual_last]
    mistakes = list(blunders(_chance(plan, "blunders"), truth, registry, organisation, plan.rates))
    sent = _sent(truth, mistakes, plan.usual_last)
    stream = arrivals(_chance(plan, "arrivals"), sent, plan.rates, earliest=plan.start, latest=plan.last)
    told = (arrival for arrival in stream if _time(arrival.event) < plan.last)
    return Month(plan, organisation, tuple(event for event in truth if _time(event) < plan.last), tuple(told))


def organisation_of(plan: Plan) -> Organisation:
    """Only the organisation of a plan."""
    return build(
        _chance(plan, "organisation"),
        engineers=plan.engineers,
        representatives=plan.representatives,
        first_day=plan.start.date(),
    )


def _series(plan: Plan) -> str:
    """Tells runs apart: other options make other events, which must not come under the same ids."""
    series = f"{plan.start:%y%m}-{plan.seed}"
    if _options(plan) == _options(Plan(plan.month)):
        return series
    return f"{series}-{hashlib.sha256(repr(_options(plan)).encode()).hexdigest()[:6]}"


def _options(plan: Plan) -> tuple[object, ...]:
    return plan.zone.key, plan.engineers, plan.representatives, plan.scale, plan.rates


def _time(event: Event) -> datetime:
    return datetime.fromisoformat(event["time"])


def _chance(plan: Plan, stage: str) -> Random:
    """Chance for one stage, so that a changed rate in one leaves the others as they were."""
    return Random(f"{plan.month}:{plan.seed}:{stage}")  # noqa: S311 - a simulation must repeat


def _sent(truth: list[Event], mistakes: list[Blunder], last: datetime) -> list[Event]:
    """The truth with its mistakes and their corrections, in order of time. A mistake whose correction would come too late is not made."""
    made = [one for one in mistakes if _time(one.correction) < last]
    wrong = {id(one.truth): one.wrong for one in made if one.truth is not None}
    sent = [wrong.get(id(event), event) for event in truth]
    sent += [event for one in made for event in _extra(one)]
    sent.sort(key=_time)
    return sent


def _extra(mistake: Blunder) -> Iterator[Event]:
    if mistake.truth is None:
        yield mistake.wrong
    yield mistake.correction


def _occurrences(plan: Plan, organisation: Organisation) -> Iterator[Occurrence]:
    world = World(_chance(plan, "world"), organisation, plan.start, plan.end, _series(plan))
    yield from records(world)
    yield from _carried_over(world, plan)
    for day in _days(plan.start.date(), plan.end.date()):
        for region in organisation.regions:
            hands = len(organisation.engineers_of(region.id, day)) * plan.scale
            for asked in _asked(world, day, hands * _TICKETS_A_DAY):
                yield from ticket_life(world, asked, region.id)
            for asked in _asked(world, day, hands * _ORDERS_A_DAY):
                yield from order_life(world, asked, region.id, outsider=_outsider(world, plan))


def _carried_over(world: World, plan: Plan) -> Iterator[Occurrence]:
    """Orders of before that are still open when the month begins: recent ones, and a few that have waited long."""
    for region in world.organisation.regions:
        for back in range(1, _CARRIED_OVER_DAYS + 1):
            day = plan.start.date() - timedelta(days=back)
            hands = len(world.organisation.engineers_of(region.id, day)) * plan.scale
            for asked in _asked(world, day, hands * _ORDERS_A_DAY):
                yield from _still_open(list(order_life(world, asked, region.id)), plan.start)
        day = plan.start.date() - timedelta(days=world.rng.randint(*_STALE_DAYS))
        yield from _stuck(list(order_life(world, world.on_day(day, 10), region.id)), plan.start, world)


def _still_open(life: list[Occurrence], start: datetime) -> list[Occurrence]:
    ended = [what.time for what in life if what.family == "dispatch" and what.verb in {"completed", "cancelled"}]
    return life if not ended or min(ended) >= start else []


def _stuck(life: list[Occurrence], start: datetime, world: World) -> Iterator[Occurrence]:
    """An order that stood still for weeks: all that follows its dispatch moves into the month or past it."""
    rest = timedelta(days=world.rng.randint(3, 60))
    dispatched = next((what.time for what in life if what.verb == "dispatched"), start)
    shift = max(timedelta(), start + rest - dispatched)
    for what in life:
        if what.time <= dispatched:
            yield what
        elif what.verb not in {"scheduled", "rescheduled"}:  # they would name days of before
            yield Occurrence(what.time + shift, what.source, what.family, what.verb, what.unit, what.data, what.ordered)


def _asked(world: World, day: date, expected: float) -> Iterator[datetime]:
    """When customers ask on a day: few at night and at the weekend."""
    mean = expected * (_WEEKEND if day.weekday() >= 5 else 1.0)
    count = int(mean) + (world.rng.random() < mean % 1)
    for _ in range(count):
        yield world.on_day(day, min(23.5, max(6.5, world.rng.gauss(13, 3.5))))


def _outsider(world: World, plan: Plan) -> str | None:
    return world.rng.choice(_OUTSIDERS) if world.chance(plan.rates.unknown_engineers) else None


def _days(first: date, end: date) -> Iterator[date]:
    while first < end:
        yield first
        first += timedelta(days=1)
