"""What offices deliver: attendance, headquarters' satisfaction, the year's workload before the month, calls to dealers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from services.simulator.occurrence import ATTENDANCE, HEADQUARTERS, OPENING, Occurrence, happened
from services.simulator.shifts import attended, on_duty

if TYPE_CHECKING:
    from services.simulator.organisation import Worker
    from services.simulator.world import World


def records(world: World) -> Iterator[Occurrence]:
    """Everything of the month that is not a case; not sorted."""
    organisation = world.organisation
    for worker in (*organisation.representatives, *organisation.engineers):
        yield from _attendance(world, worker)
    for region in organisation.regions:
        yield _satisfaction(world, region.id)
    for worker in organisation.representatives:
        yield from _opening_workload(world, worker)
        yield from _calls(world, worker)


def _attendance(world: World, worker: Worker) -> Iterator[Occurrence]:
    """One sheet a calendar week, cut at the month's ends."""
    first, last = max(worker.since, world.start.date()), world.end.date() - timedelta(days=1)
    while first <= last:
        until = min(last, first + timedelta(days=6 - first.weekday()))
        present, leave = attended(worker, first, until)
        yield happened(
            world.on_day(until, 18),
            "attendance",
            "recorded",
            worker.id,
            source=ATTENDANCE,
            from_day=first.isoformat(),
            to_day=until.isoformat(),
            days=_text(present),
            leave=_text(leave),
        )
        first = until + timedelta(days=1)


def _satisfaction(world: World, region: str) -> Occurrence:
    asked = world.rng.randint(40, 120)
    content = sum(world.chance(0.88) for _ in range(asked))
    return happened(
        world.end - timedelta(hours=4),
        "measure",
        "recorded",
        region,
        source=HEADQUARTERS,
        measure="hq_satisfaction",
        month=f"{world.start:%Y-%m}",
        numerator=str(content),
        denominator=str(asked),
    )


def _opening_workload(world: World, worker: Worker) -> Iterator[Occurrence]:
    """Months of the year before the simulated one: the own highest of the year needs them."""
    for month in range(1, world.start.month):
        days = world.rng.randint(20, 25)
        after = date(world.start.year, month + 1, 1)
        yield happened(
            world.on_day(after, 9),
            "measure",
            "recorded",
            worker.id,
            source=OPENING,
            measure="workload",
            month=f"{world.start.year}-{month:02d}",
            numerator=str(days * world.rng.randint(18, 27)),
            denominator=str(days),
        )


def _calls(world: World, worker: Worker) -> Iterator[Occurrence]:
    """回访 of dealers and service providers: no order behind them, each counts."""
    for target, prefix in (("dealer", "DL"), ("provider", "SP")):
        for _ in range(world.rng.randint(2, 5)):
            day = world.start.date() + timedelta(days=world.rng.randrange((world.end - world.start).days))
            at = on_duty(worker, world.on_day(day, world.rng.uniform(9, 16)))
            unit = f"{prefix}-{worker.branch}-{world.rng.randint(1, 12):02d}"
            yield happened(at, "followup", "done", unit, performed_by=worker.id, target=target, form_complete=True)


def _text(days: Decimal) -> str:
    return format(days.normalize() if days else Decimal(0), "f")
