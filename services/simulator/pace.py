"""How quickly a month goes by: at once, or some times as fast as it was."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from services.simulator.disturbances import Arrival
from services.simulator.occurrence import Event

_TICK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Speed:
    """`times` as fast as reality; None = as fast as it can be sent."""

    times: float | None

    @classmethod
    def parse(cls, text: str) -> Speed:
        """Read `max`, `60x` or `1.5x`. Raises ValueError."""
        if text == "max":
            return cls(None)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)x", text)
        if match is None or float(match[1]) <= 0:
            raise ValueError(f"{text!r} is no speed: write max, 1x, 60x, 3600x …")
        return cls(float(match[1]))


async def paced(arrivals: Sequence[Arrival], speed: Speed, *, batch: int) -> AsyncIterator[list[Event]]:
    """Batches of events, each when it is due; batches grow when sending falls behind, up to `batch` events."""
    if not arrivals:
        return
    began, first = time.monotonic(), arrivals[0].at
    at = 0
    while at < len(arrivals):
        if speed.times is None:
            due = at + batch
        else:
            elapsed = (time.monotonic() - began) * speed.times
            due = at
            while due < min(len(arrivals), at + batch) and (arrivals[due].at - first).total_seconds() <= elapsed:
                due += 1
            if due == at:
                missing = (arrivals[at].at - first).total_seconds() - elapsed
                await asyncio.sleep(min(max(missing / speed.times, _TICK_SECONDS), 60))
                continue
        yield [arrival.event for arrival in arrivals[at:due]]
        at = due
