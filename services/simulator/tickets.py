"""The life of a ticket 受理单 in the ticket system: opened, assigned, answered, waiting, resolved, closed; and what it leads to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from services.simulator.occurrence import DESK, Occurrence, Value, happened
from services.simulator.orders import order_life
from services.simulator.world import PRODUCTS

if TYPE_CHECKING:
    from services.simulator.organisation import Worker
    from services.simulator.world import World

NEEDS_A_VISIT: Final = 0.3
BOT_ANSWERS_FIRST: Final = 0.15
SECOND_LINE: Final = 0.3  # goes on to a field engineer for advice
NEVER_ANSWERED: Final = 0.02
WAITS_FOR_CUSTOMER: Final = 0.2
REOPENED: Final = 0.05
_CHANNELS: Final = ("phone", "phone", "wechat", "web", "app")
_PRIORITIES: Final = {"urgent": 8, "high": 22, "normal": 70}
_KINDS: Final = ("报修", "咨询", "安装预约", "配件", "保修")


def ticket_life(world: World, opened: datetime, region: str) -> Iterator[Occurrence]:
    """All that happens to one ticket opened at `opened`, its dispatch order included; not sorted."""
    unit = world.unit("TK")
    representative = world.organisation.representative_of(region)
    yield _opened(world, unit, opened, region)
    if world.chance(BOT_ANSWERS_FIRST):
        yield _on(unit, opened + timedelta(seconds=20), "replied", actor="bot", public=True)
    assigned = world.at_work(representative, opened, median_minutes=6)
    yield _on(unit, assigned, "assigned", engineer=representative.desk_id, performed_by=representative.desk_id)
    holder, at = representative, assigned
    if world.chance(SECOND_LINE):
        yield _on(unit, at + timedelta(minutes=3), "replied", engineer=holder.desk_id, public=False)  # a note inside
        holder = world.rng.choice(world.organisation.engineers_of(region, at.date()))
        at = world.after(at, median_minutes=12)
        yield _on(unit, at, "assigned", engineer=holder.desk_id, performed_by=representative.desk_id)
    if world.chance(NEVER_ANSWERED):
        return
    yield from _answered(world, unit, holder, at)
    if world.chance(NEEDS_A_VISIT):
        yield from order_life(world, at + timedelta(minutes=10), region, ticket=unit)


def _opened(world: World, unit: str, at: datetime, region: str) -> Occurrence:
    priorities = world.rng.choices(list(_PRIORITIES), list(_PRIORITIES.values()))
    return _on(
        unit,
        at,
        "opened",
        queue=region,
        channel=world.rng.choice(_CHANNELS),
        priority=priorities[0],
        ticket_type=world.rng.choice(_KINDS),
        customer=world.customer(),
        product=world.rng.choice(PRODUCTS),
    )


def _answered(world: World, unit: str, holder: Worker, at: datetime) -> Iterator[Occurrence]:
    me = holder.desk_id
    at = world.at_work(holder, at, median_minutes=22 * holder.pace)
    yield _on(unit, at, "replied", engineer=me, public=True)
    if world.chance(WAITS_FOR_CUSTOMER):
        at = world.after(at, median_minutes=4)
        yield _on(unit, at, "paused", engineer=me, reason="customer")
        at = world.after(at, median_minutes=60 * 6)
        yield _on(unit, at, "messaged", actor="customer")
        at += timedelta(seconds=1)
        yield _on(unit, at, "resumed", engineer=me)
        at = world.at_work(holder, at, median_minutes=25 * holder.pace)
        yield _on(unit, at, "replied", engineer=me, public=True)
    at = world.at_work(holder, at, median_minutes=100 * holder.pace)
    yield _on(unit, at, "resolved", engineer=me)
    if world.chance(REOPENED):
        at = world.after(at, median_minutes=60 * 20)
        yield _on(unit, at, "reopened", engineer=me, reason="customer")
        at = world.at_work(holder, at, median_minutes=40 * holder.pace)
        yield _on(unit, at, "replied", engineer=me, public=True)
        at = world.at_work(holder, at, median_minutes=120 * holder.pace)
        yield _on(unit, at, "resolved", engineer=me)
    yield _on(unit, at + timedelta(days=5), "closed")


def _on(unit: str, at: datetime, verb: str, **facts: Value | None) -> Occurrence:
    return happened(at, "ticket", verb, unit, source=DESK, **facts)
