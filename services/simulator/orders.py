"""The life of a dispatch order 派工单: 受理 → 派工 → 接单 → 预约 → 到达 → 完工 → 反馈完单, with what goes wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from services.simulator.aftercare import Job, aftercare, finding
from services.simulator.occurrence import Occurrence, happened
from services.simulator.shifts import on_duty
from services.simulator.world import PRODUCTS

if TYPE_CHECKING:
    from services.simulator.world import World

_ORDER_TYPES: Final = {"上门维修": 50, "上门安装": 22, "上门调试": 8, "用户机内修": 8, "送修": 12}
_CLASSES: Final = {"A": 15, "B": 35, "C": 50}
CANCELLED: Final = 0.04
HANDED_OVER: Final = 0.04
PUT_OFF_BY_CUSTOMER: Final = 0.07
WAITS_FOR_PARTS: Final = 0.05
NEVER_DONE: Final = 0.008
REOPENED: Final = 0.025
REPORTED: Final = 0.7
REGISTERED_AFTER_VISIT: Final = 0.003  # 上门后补单: the visit precedes the order


def order_life(
    world: World, asked_at: datetime, region: str, *, outsider: str | None = None, ticket: str | None = None
) -> Iterator[Occurrence]:
    """All that happens to one order accepted about `asked_at`; not sorted. `ticket`: the ticket that it came from."""
    representative = world.organisation.representative_of(region)
    accepted = world.at_work(representative, asked_at, median_minutes=4)
    engineer = world.rng.choice(world.organisation.engineers_of(region, accepted.date()))
    order = Job(world.unit("PG"), region, representative, engineer, outsider)
    yield _accepted(world, order, accepted, ticket)
    if world.chance(REGISTERED_AFTER_VISIT):
        yield happened(accepted - timedelta(hours=2), "dispatch", "arrived", order.unit, engineer=order.worker)
        yield finding(order, representative.id, accepted + timedelta(days=1), "registered_after_visit")
    yield from _dispatched(world, order, accepted)


def _accepted(world: World, order: Job, at: datetime, ticket: str | None) -> Occurrence:
    return happened(
        at,
        "dispatch",
        "accepted",
        order.unit,
        performed_by=order.representative.id,
        order_type=_weighted(world, _ORDER_TYPES),
        region=order.region,
        customer=world.customer(),
        product=world.rng.choice(PRODUCTS),
        asset=f"SN{world.rng.randrange(10**8):08d}",
        customer_class=_weighted(world, _CLASSES),
        ticket=ticket,
    )


def _dispatched(world: World, order: Job, accepted: datetime) -> Iterator[Occurrence]:
    at = world.at_work(order.representative, accepted, median_minutes=12)
    yield _by_the_desk(order, "dispatched", at)
    if world.chance(CANCELLED):
        gone = world.at_work(order.representative, at, median_minutes=60 * 20)
        yield happened(
            gone, "dispatch", "cancelled", order.unit, performed_by=order.representative.id, reason="customer"
        )
        return
    if world.chance(HANDED_OVER) and order.outsider is None:
        at = world.at_work(order.representative, at, median_minutes=60 * 14)
        order = _to_a_colleague(world, order, at)
        yield _by_the_desk(order, "dispatched", at)
    confirmed = world.at_work(order.engineer, at, median_minutes=18)
    yield happened(confirmed, "dispatch", "confirmed", order.unit, engineer=order.worker)
    if world.chance(NEVER_DONE):
        return
    yield from _visited(world, order, confirmed)


def _to_a_colleague(world: World, order: Job, at: datetime) -> Job:
    team = [one for one in world.organisation.engineers_of(order.region, at.date()) if one != order.engineer]
    engineer = world.rng.choice(team) if team else order.engineer
    return replace(order, engineer=engineer)


def _visited(world: World, order: Job, confirmed: datetime) -> Iterator[Occurrence]:
    begin = _window(world, order, confirmed)
    yield _agreed(order, "scheduled", confirmed + timedelta(minutes=5), begin)
    if world.chance(PUT_OFF_BY_CUSTOMER):
        wished = world.at_work(order.representative, confirmed, median_minutes=60 * 3)
        begin = _window(world, order, max(wished, begin) + timedelta(days=world.rng.randint(1, 6)))
        yield _agreed(order, "rescheduled", wished, begin, reason="customer", performed_by=order.representative.id)
    arrived = begin + timedelta(minutes=round(world.rng.gauss(70 + 60 * (1 - order.engineer.care), 45)))
    arrived = max(arrived, confirmed + timedelta(minutes=10))
    yield happened(arrived, "dispatch", "arrived", order.unit, engineer=order.worker)
    if world.chance(WAITS_FOR_PARTS):
        known = arrived + timedelta(minutes=40)
        begin = _window(world, order, known + timedelta(days=world.rng.randint(3, 12)))
        yield _agreed(order, "rescheduled", known, begin, reason="parts")
        arrived = begin + timedelta(minutes=world.rng.randint(0, 120))
        yield happened(arrived, "dispatch", "arrived", order.unit, engineer=order.worker)
    yield from _completed(world, order, arrived)


def _window(world: World, order: Job, earliest: datetime) -> datetime:
    """Begin of an agreed window: the next free slot of the engineer, sooner for quick ones."""
    wait = world.after(earliest, median_minutes=60 * 15 * order.engineer.pace, spread=0.9)
    return on_duty(order.engineer, wait).replace(minute=0, second=0) + timedelta(hours=1)


def _agreed(
    order: Job,
    verb: str,
    at: datetime,
    begin: datetime,
    *,
    reason: str | None = None,
    performed_by: str | None = None,
) -> Occurrence:
    return happened(
        at,
        "dispatch",
        verb,
        order.unit,
        engineer=order.worker,
        performed_by=performed_by,
        reason=reason,
        agreed=begin.date().isoformat(),
        window_start=begin.isoformat(),
        window_end=(begin + timedelta(hours=2)).isoformat(),
    )


def _completed(world: World, order: Job, arrived: datetime) -> Iterator[Occurrence]:
    done = world.after(arrived, median_minutes=55 * order.engineer.pace, spread=0.5)
    yield happened(done, "dispatch", "completed", order.unit, engineer=order.worker)
    if world.chance(REPORTED):
        yield _by_the_desk(order, "reported", world.at_work(order.representative, done, median_minutes=30))
    if world.chance(REOPENED):
        again = world.at_work(order.representative, done, median_minutes=60 * 40)
        yield _by_the_desk(order, "reopened", again)
        arrived = _window(world, order, again)
        yield happened(arrived, "dispatch", "arrived", order.unit, engineer=order.worker)
        done = world.after(arrived, median_minutes=70 * order.engineer.pace, spread=0.5)
        yield happened(done, "dispatch", "completed", order.unit, engineer=order.worker)
    yield from aftercare(world, order, done)


def _by_the_desk(order: Job, verb: str, at: datetime) -> Occurrence:
    return happened(at, "dispatch", verb, order.unit, engineer=order.worker, performed_by=order.representative.id)


def _weighted(world: World, shares: dict[str, int]) -> str:
    return world.rng.choices(list(shares), list(shares.values()))[0]
