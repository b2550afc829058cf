"""Workers are killed, frozen, scaled and cut off under load; afterwards the books hold what was sent, once."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.runtime.clock import SystemClock
from services.stack.sandbox import Sandbox
from tests.chaos.faults import BATCH_LOST, Faults
from tests.chaos.fleet import Fleet
from tests.chaos.histories import histories
from tests.chaos.load import Load, make_load
from tests.chaos.senders import Senders
from tests.chaos.site import PARTITIONS, Site

SECONDS = int(os.environ.get("KAOHE_CHAOS_SECONDS", "66"))
EVENTS_PER_SECOND = 1_000
SECONDS_PER_ROUND = 0.5
LEAST_FAULTS = 20


async def under_load(senders: Senders, load: Load, faults: Faults, at_least: int) -> None:
    """Send the rounds, a fault after every few of them; each fault falls into the sending of what comes after it.

    A fault waits for its victim to be at work, so that a slow machine makes the test longer and not gentler.
    """
    plan = faults.plan(at_least)
    step = -(-len(load.rounds) // (len(plan) + 1))
    falling: list[asyncio.Task[None]] = []
    for number in range(len(plan) + 1):
        await senders.play(load.rounds[number * step : (number + 1) * step], SECONDS_PER_ROUND)
        await asyncio.gather(*falling)
        if number < len(plan):
            falling = [asyncio.create_task(faults.make(plan[number]))]
    await faults.peace()


@pytest.mark.chaos
@pytest.mark.timeout(420)
async def test_after_twenty_faults_under_load_there_is_no_difference(
    sandbox: Sandbox, tmp_path: Path, say: Callable[[str], None]
) -> None:
    seed = int(os.environ.get("KAOHE_CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
    say(f"KAOHE_CHAOS_SEED={seed}")
    chance = random.Random(seed)
    events = histories(SECONDS * EVENTS_PER_SECOND, chance, now_ms=SystemClock().now_ms())
    load = make_load(events, chance, partitions=PARTITIONS, per_round=round(EVENTS_PER_SECOND * SECONDS_PER_ROUND))
    site = await Site.on(sandbox, tmp_path)
    begun = time.monotonic()
    async with (
        Senders(site.brokers, site.channels, chance, partitions=PARTITIONS) as senders,
        Fleet(tmp_path, site.environment(TEST_FAULTS="drop_batch"), size=2) as fleet,
    ):
        faults = Faults(site, fleet, random.Random(seed))
        await under_load(senders, load, faults, LEAST_FAULTS)
        loaded = time.monotonic()
        differences = await site.converge(90)
        converged = time.monotonic()
        differences += fleet.ends.beside(*faults.excuses)
        lost = fleet.words(BATCH_LOST)
    differences += await site.audit(load.sent)
    say(f"{len(faults.made)} faults {dict(faults.counts)}, {lost} batches lost")
    say(f"{fleet.starts} starts of workers, ended by themselves {dict(fleet.ends.by_reason)}")
    say(f"{len(load.sent.events)} events, {dict(senders.counts)}")
    took = (
        f"load {loaded - begun:.0f} s, caught up {converged - loaded:.0f} s, audit {time.monotonic() - converged:.0f} s"
    )
    say(f"{took}: {len(differences)} differences")
    assert len(faults.made) >= LEAST_FAULTS
    assert lost, "no batch was lost: the hole check was not tried"
    assert differences == [], f"seed {seed}, faults {faults.made}"
