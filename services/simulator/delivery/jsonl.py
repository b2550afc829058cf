"""Into a file: one event a line, in the order of arrival. The same events give the same bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import orjson

from services.simulator.delivery.receipt import Receipt
from services.simulator.occurrence import Event


class JsonLines:
    """An open file. Use `jsonl(…)`."""

    batch = 2000

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    async def send(self, events: Sequence[Event]) -> Receipt:
        """Append events. Raises OSError."""
        self._file.write(b"".join(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE) for event in events))
        return Receipt(len(events))


@asynccontextmanager
async def jsonl(path: Path) -> AsyncIterator[JsonLines]:
    """A new file; it takes its name only when it is complete, so that half a file is never mistaken for one."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        yield JsonLines(file)
    unfinished.replace(path)
