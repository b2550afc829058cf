"""The plain way, as Faust's tutorial teaches it: count the events of each engineer in a table.

`python -m tests.chaos.plain_faust_app BROKERS TOPIC APP FOLDER`. The control of the chaos test: the same load, a kill and a
scale-out, and the table no longer says how many events there were.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import faust

BROKERS, TOPIC, NAME, FOLDER = sys.argv[1:5]

app = faust.App(
    NAME,
    broker=f"kafka://{BROKERS}",
    store="memory://",
    topic_partitions=8,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    broker_session_timeout=6.0,
    web_enabled=False,
    worker_redirect_stdouts=False,
    datadir=FOLDER,
)


class Event(faust.Record):  # type: ignore[misc]
    """An event of the log, as far as the app reads it."""

    id: str
    data: dict[str, Any]


events = app.topic(TOPIC, key_type=bytes, value_type=Event)
events_by_engineer = app.Table("events_by_engineer", default=int, partitions=8, key_type=str, value_type=int)


@app.agent(events)  # type: ignore[untyped-decorator]
async def count(stream: Any) -> None:
    """Each event is one more of its engineer."""
    async for event in stream:
        events_by_engineer[event.data["engineer"]] += 1


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "--loglevel", "ERROR"]
    faust.Worker(app, loglevel="ERROR", loop=asyncio.new_event_loop()).execute_from_commandline()
