"""Faults, drawn by a seed: what they do to the workers, to their connections and to the broker."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tests.chaos.fleet import Fleet, Worker
from tests.chaos.site import Site

# Longer than the session: the group gives the partitions of a frozen worker to others before it wakes.
FROZEN_SECONDS: Final = (7.0, 9.0)
WEIGHTS: Final = {
    "kill -9": 5,
    "SIGTERM": 3,
    "SIGSTOP beyond the session, SIGCONT": 3,
    "scale 1, 2 or 3": 4,
    "every PostgreSQL backend killed": 4,
    "lost batch": 3,
}
PATIENCE_SECONDS: Final = 10.0
BATCH_LOST: Final = "sabotage.batch_lost"
BROKER_RESTART: Final = "broker restart"
LOST_BATCH: Final = "lost batch"


class Faults:
    """Makes faults one after the other; `made` says which and when, in seconds since the beginning."""

    # What a worker may rightly end for: a batch that was lost on order (when nothing follows it in its partition, the
    # position stands still instead), and servers that were taken away (a group without its broker assigns nothing).
    excuses: Sequence[str] = ("Hole", "Stalled", "no longer live", "DatabaseUnavailable", "BrokerUnavailable")

    def __init__(self, site: Site, fleet: Fleet, chance: random.Random) -> None:
        self.made: list[str] = []
        self.counts: Counter[str] = Counter()
        self._site = site
        self._fleet = fleet
        self._chance = chance
        self._frozen: list[asyncio.Task[None]] = []
        self._acts: dict[str, Callable[[], Awaitable[None]]] = {
            "kill -9": self._kill,
            "SIGTERM": self._terminate,
            "SIGSTOP beyond the session, SIGCONT": self._freeze,
            "scale 1, 2 or 3": self._scale,
            "every PostgreSQL backend killed": self._cut_database,
            LOST_BATCH: self._lose_batch,
            BROKER_RESTART: self._restart_broker,
        }

    async def make(self, name: str) -> None:
        """Make a fault; returns when it is done (a frozen worker thaws later)."""
        self.made.append(name)
        self.counts[name] += 1
        await self._acts[name]()

    async def peace(self) -> None:
        """Thaw who is frozen and let two workers go on."""
        await asyncio.gather(*self._frozen)
        self._fleet.size = 2

    def plan(self, at_least: int) -> list[str]:
        """Names of at least so many faults, each kind once for certain; no lost batch as the last, for nothing would follow it."""
        names = [*WEIGHTS, LOST_BATCH, BROKER_RESTART]
        drawn = self._chance.choices(list(WEIGHTS), weights=list(WEIGHTS.values()), k=at_least + 2 - len(names))
        plan = names + drawn
        self._chance.shuffle(plan)
        return plan if plan[-1] != LOST_BATCH else [LOST_BATCH, *plan[:-1]]

    async def _victim(self) -> Worker:
        """A worker in the middle of its work; any one that runs when none has got so far for a while."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = self._fleet.working() or (self._fleet.running() if time.monotonic() > give_up else [])
            if found:
                return self._chance.choice(found)
            await asyncio.sleep(0.05)

    async def _kill(self) -> None:
        self._fleet.send(await self._victim(), signal.SIGKILL)

    async def _terminate(self) -> None:
        self._fleet.send(await self._victim(), signal.SIGTERM)

    async def _freeze(self) -> None:
        victim = await self._victim()
        self._fleet.send(victim, signal.SIGSTOP)
        self._frozen.append(asyncio.create_task(self._thaw(victim, self._chance.uniform(*FROZEN_SECONDS))))

    async def _thaw(self, victim: Worker, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._fleet.send(victim, signal.SIGCONT)

    async def _scale(self) -> None:
        self._fleet.size = self._chance.choice([size for size in (1, 2, 3) if size != self._fleet.size])

    async def _cut_database(self) -> None:
        await self._victim()
        await self._site.kill_backends()

    async def _lose_batch(self) -> None:
        """Order a worker to lose a batch; another one when it ended or lost its partitions before there was one to lose."""
        before = self._fleet.words(BATCH_LOST)
        for _ in range(3):
            victim = await self._victim()
            if victim.ready:
                self._fleet.send(victim, signal.SIGUSR1)
            give_up = time.monotonic() + 2.0
            while time.monotonic() < give_up:
                await asyncio.sleep(0.1)
                if self._fleet.words(BATCH_LOST) > before:
                    return

    async def _restart_broker(self) -> None:
        """Stop the broker as an administrator would, and start it again on the same data and port."""
        kafka = self._site.sandbox.kafka
        await asyncio.to_thread(kafka.stop)
        kafka.spawn()  # on the main thread: the kernel ties the child to it
        await asyncio.to_thread(kafka.wait)
