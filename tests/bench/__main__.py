"""`make bench`: how fast, beside what limits us and what others reach, in one run on one machine.

Three repeats; in each, every peer runs once, alone, on the same preloaded topic. Ratios are taken within a repeat,
medians and spreads over repeats: these machines are noisy, ratios are not. Writes build/bench.json.

    python -m tests.bench [--events N] [--repeats N] [--latency-seconds S] [--memory]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import asyncpg
import psutil
from rich.console import Console
from rich.table import Table

from services.stack.sandbox import Database, Sandbox
from tests.bench.copy_limit import copy_limit
from tests.bench.latency import Latency, measure
from tests.bench.load import preload

PARTITIONS = 8
TUTORIAL_EVENTS = 10_000
PEER_TRIES = 4
PEER_SECONDS = 60
WORKERS = 2  # as many as `kaohe up` runs
BUILD = Path("build")
console = Console()


@dataclass(slots=True)
class Repeat:
    """The figures of one round, events or rows per second."""

    ours: float
    one_worker: float
    tutorial: float
    copy: float
    handloop: float
    postings_per_event: float
    bucket_rows_per_event: float
    worker_cpu_us_per_event: float


@dataclass(slots=True)
class Worker:
    """A metrics worker as a child process, alone on the topic."""

    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Self:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.metrics"],
            env=os.environ | self.environment,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_seconds(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def rss_mb(self) -> float:
        return float(psutil.Process(self.process.pid).memory_info().rss) / 2**20


def environment(sandbox: Sandbox, database: Database, topic: str, **more: str) -> dict[str, str]:
    return {
        "KAOHE_KAFKA_BROKERS": sandbox.kafka.brokers,
        "KAOHE_DATABASE_URL": database.app_url,
        "KAOHE_EVENTS_TOPIC": topic,
        "KAOHE_PARTITIONS": str(PARTITIONS),
        "KAOHE_CONSUMER_GROUP": f"bench-{database.name}",
        "KAOHE_METRICS_PORT": "0",
        "KAOHE_LOG_LEVEL": "WARNING",
        **more,
    }


async def applied(connection: asyncpg.Connection) -> int:
    count: int = await connection.fetchval("SELECT coalesce(sum(events + duplicates), 0) FROM commits")
    return count


async def drain(workers: list[Worker], url: str, events: int) -> tuple[float, float]:
    """Wait until the workers have committed all events; returns (events/s, CPU µs per event of all of them).

    The clock runs from the first committed batch to the last one, and the first one's events are left out:
    starting the process and joining the group are not throughput.
    """
    connection = await asyncpg.connect(url)
    try:
        deadline = time.perf_counter() + 600
        while (first := await applied(connection)) == 0:
            check(workers, deadline)
            await asyncio.sleep(0.01)
        started, cpu = time.perf_counter(), sum(worker.cpu_seconds() for worker in workers)
        while await applied(connection) < events:
            check(workers, deadline)
            await asyncio.sleep(0.02)
        seconds, used = time.perf_counter() - started, sum(worker.cpu_seconds() for worker in workers) - cpu
        return (events - first) / seconds, used / (events - first) * 1e6
    finally:
        await connection.close()


def check(workers: list[Worker], deadline: float) -> None:
    for worker in workers:
        if worker.process.poll() is not None:
            raise RuntimeError(f"the worker ended with {worker.process.returncode}: see {worker.log}")
    if time.perf_counter() > deadline:
        raise TimeoutError("the worker did not apply the backlog within ten minutes")


async def peer(*command: str, **variables: str) -> float:
    """Run a peer that prints `events_per_second X`. Stock Faust sometimes never gets its first records: then it is run anew."""
    errors = b""
    for _ in range(PEER_TRIES):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            output, errors = await asyncio.wait_for(process.communicate(), PEER_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
            continue
        for line in output.decode().splitlines():
            if line.startswith("events_per_second "):
                return float(line.split()[1])
    raise RuntimeError(f"{command[0]} printed no figure in {PEER_TRIES} tries: {errors.decode()[-2000:]}")


async def one_repeat(sandbox: Sandbox, topic: str, events: int, number: int) -> Repeat:
    alone = await sandbox.database()
    with Worker(environment(sandbox, alone, topic), BUILD / f"bench-one-{number}.log") as worker:
        one_worker, _ = await drain([worker], alone.app_url, events)
    await sandbox.drop(alone)
    database = await sandbox.database()
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(environment(sandbox, database, topic), BUILD / f"bench-worker-{number}-{n}.log"))
            for n in range(WORKERS)
        ]
        ours, cpu = await drain(workers, database.app_url, events)
    connection = await asyncpg.connect(database.app_url)
    postings = await connection.fetchval("SELECT count(*) FROM journal")
    rows = await connection.fetchval("SELECT count(*) FROM bucket")
    await connection.close()
    empty = await sandbox.database()
    copy = await copy_limit(database.app_url, empty.app_url)
    await sandbox.drop(empty)
    by_hand = await sandbox.database()
    handloop = await peer("tests.bench.handloop", topic, str(events), **environment(sandbox, by_hand, topic))
    await sandbox.drop(by_hand)
    await sandbox.drop(database)
    tutorial = await peer(
        "tests.bench.tutorial_app", sandbox.kafka.brokers, topic, str(PARTITIONS), str(min(TUTORIAL_EVENTS, events))
    )
    return Repeat(ours, one_worker, tutorial, copy, handloop, postings / events, rows / events, cpu)


async def latency(sandbox: Sandbox, seconds: float, number: int) -> Latency:
    topic = await sandbox.topic(PARTITIONS)
    database = await sandbox.database()
    with Worker(environment(sandbox, database, topic), BUILD / f"bench-latency-{number}.log") as worker:
        await ready(worker, database.app_url, topic)
        result = await measure(
            sandbox.kafka.brokers,
            database.app_url,
            topic,
            partitions=PARTITIONS,
            rate=1_000,
            seconds=seconds,
            warm_seconds=3,
            seed=number,
        )
    await sandbox.drop(database)
    return result


async def ready(worker: Worker, url: str, topic: str) -> None:
    """Wait until every partition was seen by the worker."""
    connection = await asyncpg.connect(url)
    deadline = time.perf_counter() + 60
    while await connection.fetchval("SELECT count(*) FROM shard_position WHERE topic = $1", topic) < PARTITIONS:
        check([worker], deadline)
        await asyncio.sleep(0.05)
    await connection.close()


async def memory(sandbox: Sandbox) -> dict[str, float]:
    """Resident memory of one worker after 100,000 and after 1,000,000 events."""
    topic = await sandbox.topic(PARTITIONS)
    await preload(sandbox.kafka.brokers, topic, 1_000_000, partitions=PARTITIONS, seed=99)
    database = await sandbox.database()
    sizes: dict[str, float] = {}
    with Worker(environment(sandbox, database, topic), BUILD / "bench-memory.log") as worker:
        connection = await asyncpg.connect(database.app_url)
        deadline = time.perf_counter() + 600
        for mark in (100_000, 1_000_000):
            while await applied(connection) < mark:
                check([worker], deadline)
                await asyncio.sleep(0.05)
            sizes[f"rss_mb_{mark}"] = round(worker.rss_mb(), 1)
        await connection.close()
    await sandbox.drop(database)
    sizes["ratio"] = round(sizes["rss_mb_1000000"] / sizes["rss_mb_100000"], 3)
    return sizes


def summary(repeats: list[Repeat], latencies: list[Latency]) -> dict[str, object]:
    def middle(values: list[float], digits: int = 1) -> float:
        return round(statistics.median(values), digits)

    def spread(values: list[float], digits: int = 1) -> list[float]:
        return [round(min(values), digits), round(max(values), digits)]

    tutorial = [r.ours / r.tutorial for r in repeats]
    copy = [r.ours / r.copy for r in repeats]
    return {
        "ours_eps": middle([r.ours for r in repeats]),
        "ours_eps_spread": spread([r.ours for r in repeats]),
        "one_worker_eps": middle([r.one_worker for r in repeats]),
        "tutorial_faust_eps": middle([r.tutorial for r in repeats]),
        "copy_eps": middle([r.copy for r in repeats]),
        "handloop_eps": middle([r.handloop for r in repeats]),
        "ratio_tutorial": middle(tutorial, 2),
        "ratio_tutorial_spread": spread(tutorial, 2),
        "ratio_copy": middle(copy, 3),
        "ratio_copy_spread": spread(copy, 3),
        "ratio_handloop": middle([r.one_worker / r.handloop for r in repeats], 2),
        "postings_per_event": middle([r.postings_per_event for r in repeats], 2),
        "bucket_rows_per_event": middle([r.bucket_rows_per_event for r in repeats], 3),
        "worker_cpu_us_per_event": middle([r.worker_cpu_us_per_event for r in repeats]),
        "latency_p50_ms": middle([x.p50_ms for x in latencies]),
        "latency_p99_ms": middle([x.p99_ms for x in latencies]),
        "latency_worst_ms": middle([x.worst_ms for x in latencies]),
        "latency_rate_eps": middle([x.rate for x in latencies]),
        "repeats": len(repeats),
    }


def show(pipeline: dict[str, object]) -> None:
    table = Table(title="Pipeline: real Kafka, real PostgreSQL", title_justify="left")
    table.add_column("figure")
    table.add_column("median", justify="right")
    table.add_column("spread", justify="right")
    words = {
        "ours_eps": f"Kaohe, {WORKERS} workers, backlog to committed, events/s",
        "one_worker_eps": "Kaohe, one worker, events/s",
        "tutorial_faust_eps": "Faust as its tutorial writes it, events/s",
        "copy_eps": "bare COPY of the same ledger rows, rows/s",
        "handloop_eps": "hand-written aiokafka loop, same processor, events/s",
        "ratio_tutorial": "Kaohe ÷ tutorial Faust (goal ≥ 10)",
        "ratio_copy": "Kaohe ÷ COPY (goal ≥ 0.25)",
        "ratio_handloop": "one worker ÷ hand loop (what Faust costs)",
        "postings_per_event": "journal postings per event",
        "bucket_rows_per_event": "bucket rows per event",
        "worker_cpu_us_per_event": "worker CPU µs per event",
        "latency_p50_ms": "event → visible at 1,000/s, p50 ms",
        "latency_p99_ms": "event → visible at 1,000/s, p99 ms (goal ≤ 500)",
    }
    for key, text in words.items():
        spread = pipeline.get(f"{key}_spread")
        table.add_row(
            text, f"{pipeline[key]:,}", "–".join(f"{x:,}" for x in spread) if isinstance(spread, list) else ""
        )
    console.print(table)


def keep(name: str, figures: dict[str, object]) -> None:
    """Write figures under their name; what other benchmarks wrote stays."""
    path = BUILD / "bench.json"
    whole = json.loads(path.read_text()) if path.exists() else {}
    whole[name] = figures
    path.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    console.print(f"written to {path}")


async def run(events: int, repeats: int, latency_seconds: float, *, with_memory: bool) -> None:

    with Sandbox(kafka_heap_mb=768) as sandbox:
        console.print(f"Preloading {events:,} events on {PARTITIONS} partitions …")
        topic = await sandbox.topic(PARTITIONS)
        size = await preload(sandbox.kafka.brokers, topic, events, partitions=PARTITIONS, seed=1)
        console.print(f"{size / events:.0f} bytes an event")
        rounds: list[Repeat] = []
        for number in range(repeats):
            rounds.append(await one_repeat(sandbox, topic, events, number))
            r = rounds[-1]
            console.print(
                f"repeat {number + 1}: ours {r.ours:,.0f}/s · one worker {r.one_worker:,.0f}/s · tutorial {r.tutorial:,.0f}/s · copy {r.copy:,.0f}/s · "
                f"hand loop {r.handloop:,.0f}/s · {r.worker_cpu_us_per_event:.0f} µs CPU an event"
            )
        latencies = [await latency(sandbox, latency_seconds, number) for number in range(repeats)]
        pipeline = summary(rounds, latencies)
        if with_memory:
            pipeline["memory"] = await memory(sandbox)
            console.print(f"memory of a worker: {pipeline['memory']}")
    keep("pipeline", pipeline)
    show(pipeline)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description="Throughput and latency beside their limits.")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--latency-seconds", type=float, default=12.0)
    parser.add_argument("--no-memory", action="store_true", help="leave out the run over 1,000,000 events")
    chosen = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    asyncio.run(run(chosen.events, chosen.repeats, chosen.latency_seconds, with_memory=not chosen.no_memory))


if __name__ == "__main__":
    main()
