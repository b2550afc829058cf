"""Take one guard away and the same audit must find what it guards against; else the chaos test proves nothing."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.runtime.clock import SystemClock
from services.runtime.partition import shard_of
from services.stack.child import Child, Command
from services.stack.sandbox import Sandbox
from tests.chaos.audit_log import log_ends
from tests.chaos.faults import BATCH_LOST
from tests.chaos.fleet import Fleet
from tests.chaos.histories import CloudEvent, histories
from tests.chaos.load import Channel, Delivery, Load, Mix, make_load
from tests.chaos.senders import Senders
from tests.chaos.site import PARTITIONS, Site

EVENTS = 4_000
PER_ROUND = 250
SEED = 20261031
READY_SECONDS = 60.0
RUN_AHEAD_SECONDS = 30.0

# Which topics a fleet reads: both of them as one group, or one of them each. Small transactions meet more often.
BOTH: Mapping[str, str] = {}
AGAIN: Mapping[str, str] = {"CONSUMER_GROUP": "again"}
MAIN: Mapping[str, str] = {"CONSUMER_GROUP": "main-only", "INPUT_TOPICS": "", "BATCH_EVENTS": "40"}
SECOND: Mapping[str, str] = {
    "CONSUMER_GROUP": "second-only",
    "EVENTS_TOPIC": "<second>",
    "INPUT_TOPICS": "",
    "BATCH_EVENTS": "40",
}
SECOND_AGAIN: Mapping[str, str] = {**SECOND, "CONSUMER_GROUP": "second-again"}


@dataclass(frozen=True, slots=True)
class Scene:
    """What meets the missing guard, how the verdict has to say it, and how long to wait for positions that may never arrive."""

    says: str
    fleets: tuple[Mapping[str, str], ...] = (BOTH,)
    lose: int = 0
    at_once: bool = False  # freeze the workers while the load is sent: they begin at one moment, on all of it
    run_ahead: bool = False  # wait until Kafka's committed offsets are past the lost batch
    patience: float = 60.0


SCENES = {
    "dedup": Scene("ledger against the events sent: * too many"),
    "hole_check": Scene("ledger against the events sent: * missing", lose=3),
    "skip": Scene("records that the commits account for against the log", fleets=(BOTH, AGAIN), patience=10.0),
    "shard_lock": Scene("ended by themselves: InvariantBroken", fleets=(MAIN, SECOND), at_once=True),
    "seek": Scene("stands at", lose=1, run_ahead=True, patience=10.0),
}


async def play(scene: Scene, sandbox: Sandbox, folder: Path, **removed: str) -> list[str]:
    """Play a scene on a fresh site; every difference and every worker that ended by itself."""
    chance = random.Random(SEED)
    events = histories(EVENTS, chance, now_ms=SystemClock().now_ms())
    load = make_load(events, chance, partitions=PARTITIONS, per_round=PER_ROUND, mix=Mix(burst=1.0, second_topic=0.5))
    site = await Site.on(sandbox, folder)
    async with AsyncExitStack() as stack:
        senders = await stack.enter_async_context(Senders(site.brokers, site.channels, chance, partitions=PARTITIONS))
        fleets = [
            await stack.enter_async_context(
                Fleet(folder, fleet_environment(site, extra, removed), size=1, name=f"worker{number}")
            )
            for number, extra in enumerate(scene.fleets)
        ]
        await asyncio.gather(*map(working, fleets))
        if scene.at_once:
            await meet(load, senders, fleets)
        else:
            await perform(scene, load, senders, site, fleets[0])
        differences = await site.converge(scene.patience)
        for fleet in fleets:
            differences += fleet.ends.beside()
    differences += await site.audit(load.sent)
    await sandbox.drop(site.database)
    return differences


def fleet_environment(site: Site, extra: Mapping[str, str], removed: Mapping[str, str]) -> dict[str, str]:
    """The environment of a fleet's workers; a group's name is made unique by the site's."""
    own = {name: value.replace("<second>", site.second) for name, value in extra.items()}
    if "CONSUMER_GROUP" in own:
        own["CONSUMER_GROUP"] = f"{site.main}-{own['CONSUMER_GROUP']}"
    return site.environment(**{"TEST_FAULTS": "drop_batch", **own, **removed})


async def working(fleet: Fleet) -> None:
    """Wait until the fleet's worker has its partitions."""
    give_up = time.monotonic() + READY_SECONDS
    while not fleet.working():
        assert time.monotonic() < give_up, f"no worker after {READY_SECONDS:.0f} s: {fleet.ends}"
        await asyncio.sleep(0.1)


async def perform(scene: Scene, load: Load, senders: Senders, site: Site, fleet: Fleet) -> None:
    """Send the load; let the fleet lose batches on the way, each of one record, the last of its partition for the moment."""
    rounds = iter(load.rounds)
    await senders.play(list(islice(rounds, 2)), 0.1)
    for _ in range(scene.lose):
        round_ = list(next(rounds))
        record = next(delivery for delivery in round_ if delivery.channel is Channel.PLAIN)
        round_.remove(record)
        await lose(record, senders, site, fleet)
        if scene.run_ahead:
            await run_ahead(site)
        await senders.play([round_], 0.5)
    await senders.play(list(rounds), 0.1)


async def meet(load: Load, senders: Senders, fleets: Sequence[Fleet]) -> None:
    """Send the load while the workers are frozen, for less than their session, then let all of them go."""
    frozen = [(fleet, worker) for fleet in fleets for worker in fleet.working()]
    for fleet, worker in frozen:
        fleet.send(worker, signal.SIGSTOP)
    await senders.play(load.rounds, 0.0)
    for fleet, worker in frozen:
        fleet.send(worker, signal.SIGCONT)


async def lose(delivery: Delivery, senders: Senders, site: Site, fleet: Fleet) -> None:
    """Send a record whose batch the fleet's worker loses; when the worker ended before, another record and worker."""
    lost = fleet.words(BATCH_LOST)
    while True:
        await working(fleet)
        await site.converge(READY_SECONDS)
        fleet.send(fleet.working()[0], signal.SIGUSR1)
        await senders.send([delivery])
        for _ in range(30):
            if fleet.words(BATCH_LOST) > lost:
                return
            await asyncio.sleep(0.1)


async def run_ahead(site: Site) -> None:
    """Wait until the group has committed to Kafka what was lost, as Faust does after a while with whatever it handed out."""
    give_up = time.monotonic() + RUN_AHEAD_SECONDS
    while await committed(site.brokers, site.main, site.main) < sum(
        (await log_ends(site.brokers, [site.main])).values()
    ):
        assert time.monotonic() < give_up, "Kafka's offsets did not run ahead"
        await asyncio.sleep(0.5)


@pytest.mark.chaos
@pytest.mark.parametrize("guard", SCENES)
async def test_without_a_guard_the_audit_finds_what_it_guards_against(
    sandbox: Sandbox, tmp_path: Path, say: Callable[[str], None], guard: str
) -> None:
    differences = await play(SCENES[guard], sandbox, tmp_path, TEST_DISABLE=guard)
    say(f"without {guard}: {len(differences)} differences, e.g. {differences[0][:160] if differences else None}")
    before, _, after = SCENES[guard].says.partition("*")
    assert any(before in line and after in line for line in differences), differences


@pytest.mark.chaos
async def test_with_every_guard_in_place_all_of_it_together_leaves_no_difference(
    sandbox: Sandbox, tmp_path: Path, say: Callable[[str], None]
) -> None:
    """Duplicates, lost batches, one group a topic and a second one over one of them: else the controls control nothing."""
    together = Scene("", fleets=(MAIN, SECOND, SECOND_AGAIN), lose=2)
    differences = await play(together, sandbox, tmp_path)
    say(f"with every guard: {differences}")
    assert [line for line in differences if "ended by themselves: Hole" not in line] == []
    assert differences, "the lost batches were not even noticed"


class PlainFaust:
    """The tutorial's app as child processes."""

    def __init__(self, brokers: str, topic: str, folder: Path) -> None:
        self._name = f"plain-{topic}"
        self._arguments = (brokers, topic, self._name)
        self._changelog = f"{self._name}-events_by_engineer-changelog"
        self._folder = folder
        self._children: list[Child] = []

    def start(self) -> Child:
        """One worker more."""
        number = len(self._children)
        argv = [
            sys.executable,
            "-m",
            "tests.chaos.plain_faust_app",
            *self._arguments,
            str(self._folder / f"faust-{number}"),
        ]
        self._children.append(Child.start(Command(argv, dict(os.environ), self._folder / f"faust-{number}.log")))
        return self._children[-1]

    def end(self) -> None:
        """Kill what is left."""
        for child in self._children:
            child.kill()

    async def begun(self, brokers: str) -> None:
        """Wait until the table has counted something."""
        give_up = time.monotonic() + 60
        while not await latest(brokers, self._changelog):
            assert time.monotonic() < give_up, "the app counted nothing"
            await asyncio.sleep(0.5)

    async def counted(self, brokers: str, topic: str) -> Counter[str]:
        """What the table holds, the last value of each key in its changelog, once the app has read the log to its end."""
        give_up = time.monotonic() + 120
        while await committed(brokers, self._name, topic) < sum((await log_ends(brokers, [topic])).values()):
            assert time.monotonic() < give_up, "the app did not read the log to its end"
            await asyncio.sleep(1.0)
        before = await latest(brokers, self._changelog)
        await asyncio.sleep(5.0)
        while before != (now := await latest(brokers, self._changelog)):
            before = now
            await asyncio.sleep(2.0)
        return now


async def committed(brokers: str, group: str, topic: str) -> int:
    """How far a group has come, by Kafka's own offsets, over all partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
        return sum(max(0, found.offset) for partition, found in offsets.items() if partition.topic == topic)
    finally:
        await admin.close()


async def latest(brokers: str, topic: str) -> Counter[str]:
    """The last value of each key of a topic; empty while there is no such topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, group_id=None, auto_offset_reset="earliest")
    await consumer.start()
    found: Counter[str] = Counter()
    try:
        cluster = await consumer._client.fetch_all_metadata()
        partitions = [TopicPartition(topic, number) for number in cluster.partitions_for_topic(topic) or ()]
        if not partitions:
            return found
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        for partition, end in ends.items():
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        found[record.key.decode()] = int(record.value)
        return found
    finally:
        await consumer.stop()


def keyed(event: CloudEvent) -> Delivery:
    """An event in the partition of its engineer."""
    engineer = str(event["data"]["engineer"])
    return Delivery(Channel.PLAIN, shard_of(engineer, PARTITIONS), engineer.encode(), orjson.dumps(event))


@pytest.mark.chaos
async def test_a_plain_faust_table_miscounts_the_same_load_after_a_kill_and_a_scale_out(
    sandbox: Sandbox, tmp_path: Path, say: Callable[[str], None]
) -> None:
    """Nothing is wrong with the input: each event once, keyed by its engineer as a table wants it. So the table miscounts."""
    chance = random.Random(SEED)
    events = [event for event in histories(9_000, chance, now_ms=SystemClock().now_ms()) if "engineer" in event["data"]]
    distinct = Counter(str(event["data"]["engineer"]) for event in events)
    rounds = [[keyed(event) for event in events[first : first + 200]] for first in range(0, len(events), 200)]
    site = await Site.on(sandbox, tmp_path)
    app = PlainFaust(site.brokers, site.main, tmp_path)
    third = len(rounds) // 3
    try:
        first = app.start()
        async with Senders(site.brokers, site.channels, chance, partitions=PARTITIONS) as senders:
            await senders.play(rounds[:third], 0.5)
            await app.begun(site.brokers)
            first.kill()
            app.start()
            await senders.play(rounds[third : 2 * third], 0.5)
            app.start()
            await senders.play(rounds[2 * third :], 0.5)
        counted = await app.counted(site.brokers, site.main)
    finally:
        app.end()
    wrong = sum(1 for engineer in distinct if counted[engineer] != distinct[engineer])
    say(
        f"plain Faust: {distinct.total()} events, {counted.total()} counted, {wrong} of {len(distinct)} engineers wrong"
    )
    assert counted.total() != distinct.total()
