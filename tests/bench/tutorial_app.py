"""The peer: the same job as the Faust tutorial teaches it — one event at a time, Records, two in-memory tables.

Run as a process by the benchmark: `python -m tests.bench.tutorial_app BROKERS TOPIC PARTITIONS EVENTS`. Prints events/s.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import faust

BROKERS, TOPIC, PARTITIONS, EVENTS = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
RUN = f"tutorial-{os.getpid()}"
Path("build").mkdir(exist_ok=True)

app = faust.App(
    RUN,
    broker=f"kafka://{BROKERS}",
    store="memory://",
    topic_partitions=PARTITIONS,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
    worker_redirect_stdouts=False,
    datadir=f"build/{RUN}",
)


class Ticket(faust.Record):  # type: ignore[misc]
    """What the tutorial would call the model of the topic."""

    id: str
    type: str
    time: str
    partitionkey: str
    data: dict[str, Any]


topic = app.topic(TOPIC, value_type=Ticket, key_type=bytes)
tickets = app.Table(f"{RUN}-tickets", default=dict)
engineers = app.Table(f"{RUN}-engineers", default=dict)
counted = 0
started = 0.0


def milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def apply(event: Ticket) -> None:
    """The same figures as ours, without laws: no dedup, no retraction, no journal."""
    ticket = tickets[event.partitionkey]
    verb = event.type.split(".")[2]
    at = milliseconds(event.time)
    who = event.data.get("engineer", "")
    row = engineers[who]
    row[verb] = row.get(verb, 0) + 1
    if verb == "opened":
        ticket["opened"] = at
    elif verb == "assigned":
        ticket["assigned"] = at
        row["open"] = row.get("open", 0) + 1
    elif verb == "replied" and "replied" not in ticket:
        ticket["replied"] = at
        row["response_ms"] = row.get("response_ms", 0) + at - ticket.get("assigned", at)
        row["responses"] = row.get("responses", 0) + 1
    elif verb == "resolved":
        row["open"] = row.get("open", 0) - 1
    tickets[event.partitionkey] = ticket
    engineers[who] = row


@app.agent(topic)  # type: ignore[untyped-decorator]
async def count(stream: faust.StreamT) -> None:
    global counted, started  # noqa: PLW0603 - a benchmark's two counters
    async for event in stream:
        if not counted:
            started = time.perf_counter()
        apply(event)
        counted += 1
        if counted == EVENTS:
            print(f"events_per_second {EVENTS / (time.perf_counter() - started):.1f}", flush=True)  # noqa: T201
            os._exit(0)


if __name__ == "__main__":
    worker = faust.Worker(app, loglevel="ERROR", loop=asyncio.new_event_loop())
    worker.execute_from_commandline()
