"""The real incidents through the real stack: gateway, Kafka, workers, PostgreSQL, API — twice, counted once, equal to a count by hand."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from services.ingest.connectors.audit import read_audit
from services.ingest.connectors.servicenow import Event, translate
from services.runtime.clock import SystemClock
from services.simulator.delivery.gateway import Gateway
from services.simulator.delivery.receipt import Receipt
from services.stack.sandbox import Sandbox
from tests.chaos.audit import Sent, audit
from tests.e2e.stack import Stack, running
from tests.integration.connectors.by_hand import LOCAL, Row, held_at, read_by_hand, resolution

MONTHS = ("2016-02", "2016-03", "2016-04", "2016-05")


@dataclass(frozen=True)
class Imported:
    """The stack after the import, what was sent, and the file by hand."""

    stack: Stack
    events: tuple[Event, ...]
    incidents: dict[str, list[Row]]

    async def figures(self, indicator: str, window: str) -> Counter[str]:
        """A count by engineer, "" = what belongs to nobody."""
        page = await self.stack.get("/v1/kpis", indicator=indicator, window=window, level="engineer", limit=1000)
        assert page["next_cursor"] is None
        return +Counter({item["subject"]["id"] or "": item["numerator"] for item in page["items"]})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def imported(
    sandbox: Sandbox, incidents_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Imported]:
    """The file, sent twice through the gateway."""
    with incidents_file.open(encoding="utf-8-sig", newline="") as lines:
        events = translate(read_audit(lines, zone=ZoneInfo("Asia/Shanghai"))).events
    async with running(sandbox, tmp_path_factory.mktemp("stack"), SystemClock()) as stack:
        await name_everybody(stack, events)
        way = Gateway(stack.gateway, batch=1000, attempts=8)
        for _ in range(2):
            for at in range(0, len(events), way.batch):
                batch = events[at : at + way.batch]
                assert await way.send(batch) == Receipt(len(batch))
        await heard(stack, 2 * len(events))
        yield Imported(stack, events, read_by_hand(incidents_file))


async def name_everybody(stack: Stack, events: tuple[Event, ...]) -> None:
    """A roster in which every resolver is a person, so that figures have somebody to belong to."""
    names = {event["data"].get("engineer") for event in events} - {None}
    rows = [
        "record,id,name,post,branch,region,from,to",
        "branch,SD,Service desk,,SD,,2016-01-01,",
        *(f"person,{name},{name},resolver,SD,,2016-01-01," for name in sorted(names)),
    ]
    answer = await stack.api.post(
        "/v1/roster/imports", content="\n".join(rows).encode(), headers={"content-type": "text/csv"}
    )
    assert answer.status_code == 200, answer.text


async def heard(stack: Stack, records: int) -> None:
    """Wait until the workers have committed so many records."""
    async with asyncio.timeout(240):
        while True:
            sources: Any = await stack.get("/v1/sources")
            if sum(source["events"] for source in sources["items"]) == records:
                return
            await asyncio.sleep(0.2)


def people(counts: Counter[str]) -> Counter[str]:
    """By the ids that the file uses."""
    return Counter({actor.removeprefix("servicenow "): n for actor, n in counts.items()})


async def test_importing_twice_counts_once_and_the_books_balance(imported: Imported) -> None:
    sent = Sent()
    for event in imported.events:
        sent.add(event)
    assert await audit(imported.stack.database.app_url, sent) == []


@pytest.mark.parametrize("month", MONTHS)
async def test_resolved_in_a_month_by_engineer(imported: Imported, month: str) -> None:
    by_hand = Counter(
        row.engineer for rows in imported.incidents.values() if (row := resolution(rows)) and f"{row.at:%Y-%m}" == month
    )
    assert await imported.figures("ticket.resolved", month) == people(by_hand)


@pytest.mark.parametrize("month", MONTHS)
async def test_open_at_the_end_of_a_month_by_engineer(imported: Imported, month: str) -> None:
    year, number = map(int, month.split("-"))
    end = datetime(year, number + 1, 1, tzinfo=LOCAL)
    assert await imported.figures("ticket.open", month) == people(+held_at(imported.incidents, end))
