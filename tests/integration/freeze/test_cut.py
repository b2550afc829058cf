"""What is committed between the waiting and the cut is below the cut: it is checked there, in the same state of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from services.api.periods import service
from services.api.periods.catching_up import catch_up
from services.metrics.doubles import DoubleFinder
from tests.integration.freeze.month import S01, Site, example_events

Meanwhile = Callable[[], Awaitable[None]]
Between = Callable[..., None]


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Between:
    """Let something happen when the waiting is over and the cut is not yet made; the cut then waits as long as is said."""
    freeze = service.freeze

    def happens(meanwhile: Meanwhile, *, wait_seconds: float) -> None:
        async def and_then(*arguments: Any) -> None:
            await catch_up(*arguments)
            await meanwhile()

        async def waiting(*arguments: Any) -> Any:
            return await freeze(*arguments, wait_seconds=wait_seconds)

        monkeypatch.setattr(service, "catch_up", and_then)
        monkeypatch.setattr(service, "freeze", waiting)

    return happens


async def count_a_double(site: Site) -> None:
    """Two events of a counted case come again under another partition key; nobody looks for doubles."""
    again = {"partitionkey": "ZZ-1", "subject": "ZZ-1"}
    twice = [event for event in example_events() if event["source"] == "crm" and event["id"] in {"1001", "1003"}]
    await site.publish([event | again for event in twice])
    await site.work(sweep=False)


async def find_a_double(site: Site) -> None:
    """The same, found, and its withdrawal waits in the outbox."""
    await count_a_double(site)
    await DoubleFinder(site.pool, site.topic).sweep()
    assert await site.pool.fetchval("SELECT count(*) FROM outbox") == 2


@pytest.mark.parametrize("happening", [count_a_double, find_a_double])
async def test_a_double_counted_before_the_cut_is_not_sealed_twice(
    counted_site: Site, between: Between, happening: Callable[[Site], Awaitable[None]]
) -> None:
    between(lambda: happening(counted_site), wait_seconds=0.3)
    answer = await counted_site.freeze(S01)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:kaohe:problem:not-caught-up"), answer.text
    assert set(answer.json()["waiting_for"]) == {
        "crm 1001 stands twice until it is withdrawn",
        "crm 1003 stands twice until it is withdrawn",
    }


async def test_the_cut_waits_until_the_double_is_withdrawn_below_it(counted_site: Site, between: Between) -> None:
    workers: list[asyncio.Task[None]] = []

    async def worked() -> None:
        await count_a_double(counted_site)
        workers.append(asyncio.create_task(counted_site.work()))

    between(worked, wait_seconds=30)
    made = await counted_site.frozen(S01)
    await workers[0]
    found = await counted_site.get(f"/v1/snapshots/{made['id']}/people/KF01/statement")
    assert found["person"]["total"]["fraction"] == "49/10"
    visits = next(row for row in found["indicators"] if row["indicator"] == "kpi1")
    assert visits["denominator"]["fraction"] == "3/1"


async def test_events_that_nobody_has_searched_do_not_hold_the_cut_up(counted_site: Site, between: Between) -> None:
    """While events stream in, the search for doubles is never at the heads."""

    async def streaming() -> None:
        await counted_site.publish([example_events()[0] | {"id": "late-1", "time": "2026-11-09T08:00:00+08:00"}])
        await counted_site.work(sweep=False)

    between(streaming, wait_seconds=0.3)
    made = await counted_site.frozen(S01)
    assert (await counted_site.verify(made["id"]))["same"] is True


async def test_a_conflict_counted_before_the_cut_blocks(counted_site: Site, between: Between) -> None:
    async def conflicting() -> None:
        recorded = next(event for event in example_events() if event["id"] == "1004")
        await counted_site.publish([recorded | {"time": "2026-10-09T16:30:00+08:00"}])
        await counted_site.work(sweep=False)

    between(conflicting, wait_seconds=5)
    answer = await counted_site.freeze(S01)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:kaohe:problem:open-items"), answer.text
