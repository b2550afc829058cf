"""Viewers are told within a second: of events, of deadlines that pass without one, of windows that move on, of the roster."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from services.api.stream import endpoints
from services.runtime.clock import SystemClock
from services.runtime.security import Scope
from services.store import keys
from tests.integration.api.histories import DAY, ROSTER
from tests.integration.api.site import JSON, Site, ms, rfc3339, served

NOW = ms("2026-10-15T12:00")
HOUR = 3_600_000
PATIENCE_SECONDS = 10.0
QUIET_SECONDS = 1.5


Message = tuple[str, str, Any]


@dataclass
class Stream:
    """An open stream: its messages as (event, id, data), None after its end."""

    messages: asyncio.Queue[Message | None]

    async def message(self, seconds: float = PATIENCE_SECONDS) -> Message:
        """The next message that is no comment. Raises TimeoutError, EOFError at the end."""
        async with asyncio.timeout(seconds):
            found = await self.messages.get()
        if found is None:
            raise EOFError
        return found

    async def is_quiet(self) -> None:
        """Fails when something is sent."""
        with pytest.raises(TimeoutError):
            await self.message(QUIET_SECONDS)

    async def figures(self, event: str = "kpi") -> dict[str, JSON]:
        """The next message's figures by indicator."""
        kind, _, data = await self.message()
        assert kind == event
        return {item["indicator"]: item for item in data["items"]}


@pytest_asyncio.fixture(loop_scope="session")
async def live(site: Site) -> AsyncIterator[tuple[Site, str]]:
    """An organisation at noon of 15 October behind a real server, with one order of A3 in it."""
    site.clock.set(NOW)
    await site.roster(ROSTER.encode())
    await site.count([_event("u0", 0, "accepted", NOW - 2 * HOUR, "A3")])
    async with served(site) as address:
        yield site, address


@asynccontextmanager
async def streaming(
    live: tuple[Site, str], headers: dict[str, str] | None = None, **parameters: Any
) -> AsyncIterator[Stream]:
    site, address = live
    known = {"Authorization": f"Bearer {site.keys[Scope.READ]}", **(headers or {})}
    async with (
        httpx.AsyncClient(base_url=address, headers=known, timeout=30) as client,
        client.stream("GET", "/v1/stream", params=parameters) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = Stream(asyncio.Queue())
        reader = asyncio.create_task(_read(answer.aiter_lines(), stream.messages))
        try:
            yield stream
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


async def _read(lines: AsyncIterator[str], messages: asyncio.Queue[Message | None]) -> None:
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(": ")
        if name in {"event", "id", "data"}:
            fields[name] = value
        elif line == "" and "data" in fields:
            await messages.put((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
            fields = {}
    await messages.put(None)


def _event(unit: str, number: int, verb: str, time_ms: int, engineer: str) -> JSON:
    return {
        "specversion": "1.0", "id": f"{unit}-{number}", "source": "crm", "type": f"kaohe.dispatch.{verb}.v1", "subject": unit,
        "partitionkey": unit, "time": rfc3339(time_ms), "data": {"engineer": engineer},
    }  # fmt: skip


async def test_a_viewer_gets_every_figure_and_then_what_an_event_changes(live: tuple[Site, str]) -> None:
    """Only the figures that say something else, within a second of the commit."""
    async with streaming(live, level="engineer", id="A3", window="24h") as stream:
        first = await stream.figures("snapshot")
        assert first["dispatch.open"]["numerator"] == 1
        await live[0].count([_event("u1", 0, "accepted", NOW - HOUR, "A3")])
        moved = await stream.figures()
        assert moved["dispatch.open"]["numerator"] == 2
        assert set(moved) == {
            "dispatch.open", "dispatch.accepted", "dispatch.overdue_7_rate", "dispatch.overdue_30_rate", "workload.accepted",
            "workload.total",
        }  # fmt: skip


async def test_the_push_comes_within_a_second_of_the_event(live: tuple[Site, str]) -> None:
    """From handing the batch to a worker until the viewer has the figure; the middle one of seven."""
    seconds = []
    async with streaming(live, level="branch", id="N", window="24h") as stream:
        await stream.figures("snapshot")
        for number in range(1, 8):
            began = time.monotonic()
            await live[0].count([_event(f"u{number}", 0, "accepted", NOW - HOUR, "A3")])
            assert (await stream.figures())["dispatch.open"]["numerator"] == number + 1
            seconds.append(time.monotonic() - began)
    assert statistics.median(seconds) < 1.0, seconds


@pytest.mark.parametrize(("level", "subject"), [("team", "N2"), ("representative", "K1"), ("branch", "N")])
async def test_a_teams_viewer_hears_of_its_engineers(live: tuple[Site, str], level: str, subject: str) -> None:
    """A3 works in N2, for which K1 answers since today, in branch N."""
    async with streaming(live, level=level, id=subject, window="24h", indicator="dispatch.open") as stream:
        assert (await stream.figures("snapshot"))["dispatch.open"]["numerator"] == 1
        await live[0].count(
            [_event("u1", 0, "completed", NOW - HOUR, "B2"), _event("u0", 1, "completed", NOW - HOUR, "A3")]
        )
        assert (await stream.figures())["dispatch.open"]["numerator"] == 0


async def test_nobody_is_told_of_others(live: tuple[Site, str]) -> None:
    """A change of another team reads and sends nothing."""
    async with streaming(live, level="team", id="S1", window="24h") as stream:
        await stream.figures("snapshot")
        await live[0].count([_event("u0", 1, "completed", NOW - HOUR, "A3")])
        await stream.is_quiet()


async def test_a_deadline_that_passes_without_an_event_is_pushed(live: tuple[Site, str]) -> None:
    """Seven times 24 hours after the acceptance, strictly."""
    site, _ = live
    async with streaming(live, level="engineer", id="A3", window="30d", indicator="dispatch.overdue_7") as stream:
        assert (await stream.figures("snapshot"))["dispatch.overdue_7"]["numerator"] == 0
        site.clock.set(NOW - 2 * HOUR + 7 * DAY)
        await stream.is_quiet()
        site.clock.advance(2)
        assert (await stream.figures())["dispatch.overdue_7"]["numerator"] == 1


async def test_what_leaves_a_rolling_window_is_pushed(live: tuple[Site, str]) -> None:
    """The window is closed at its beginning: what lies on it is still inside."""
    site, _ = live
    async with streaming(live, level="branch", id="N", window="24h", indicator="dispatch.accepted") as stream:
        assert (await stream.figures("snapshot"))["dispatch.accepted"]["numerator"] == 1
        site.clock.set(NOW - 2 * HOUR + DAY)
        await stream.is_quiet()
        site.clock.advance(1)
        assert (await stream.figures())["dispatch.accepted"]["numerator"] == 0


async def test_a_client_that_returns_gets_only_what_changed_since(live: tuple[Site, str]) -> None:
    """By the id of the last message it saw; then the stream goes on."""
    asked: dict[str, Any] = {"level": "engineer", "id": "A3", "window": "24h"}
    async with streaming(live, **asked) as stream:
        _, last, _ = await stream.message()
    await live[0].count([_event("u0", 1, "completed", NOW - HOUR, "A3")])
    async with streaming(live, {"Last-Event-ID": last}, **asked) as stream:
        moved = await stream.figures("kpi")
        assert moved["dispatch.open"]["numerator"] == 0
        assert "dispatch.accepted" not in moved
        await live[0].count([_event("u2", 0, "accepted", NOW - HOUR, "A3")])
        assert (await stream.figures())["dispatch.open"]["numerator"] == 1


@pytest.mark.parametrize("last", ["rubbish", "1-1-0:1", f"{NOW}-99-0:1", f"{NOW + 1}-1-"])
async def test_an_id_that_cannot_be_resumed_from_gets_everything(live: tuple[Site, str], last: str) -> None:
    """Not ours, too old, of a roster never recorded, from the future."""
    async with streaming(live, {"Last-Event-ID": last}, level="engineer", id="A3", indicator="dispatch.open") as stream:
        assert await stream.figures("snapshot")


async def test_a_new_roster_moves_figures_at_once(live: tuple[Site, str]) -> None:
    """An id that nobody knew finds its person, without an event."""
    site, _ = live
    await site.count([_event("u1", 0, "accepted", NOW - HOUR, "x-99")])
    async with streaming(live, level="engineer", id="A3", window="24h", indicator="dispatch.open") as stream:
        assert (await stream.figures("snapshot"))["dispatch.open"]["numerator"] == 1
        header = ROSTER.splitlines()[0]
        await site.roster(
            f"{header}\nperson_id,A3,,,,,2020-01-01,,crm,x-99\nperson_id,A3,,,,,2020-01-01,,crm,A3\n".encode()
        )
        assert (await stream.figures())["dispatch.open"]["numerator"] == 2


async def test_a_key_that_is_revoked_ends_its_stream(live: tuple[Site, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next sign of life."""
    site, _ = live
    monkeypatch.setattr(endpoints, "HEARTBEAT_SECONDS", 0.2)
    async with site.connection() as connection:
        made = await keys.create(connection, label="short", scopes=[Scope.READ], sources=[])
    async with streaming(live, {"Authorization": f"Bearer {made.plain}"}, level="engineer", id="A3") as stream:
        await stream.message()
        async with site.connection() as connection:
            await keys.revoke(connection, made.key_id)
        site.clock.set(SystemClock().now_ms() + 1)  # the database's clock says when it was revoked
        with pytest.raises(EOFError):
            await stream.message()


async def test_a_stream_says_when_the_database_is_away_and_goes_on_after(
    live: tuple[Site, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Viewers learn that their figures are stale; when it is back they get what changed meanwhile."""
    site, _ = live
    monkeypatch.setattr(endpoints, "HEARTBEAT_SECONDS", 0.2)
    async with streaming(live, level="engineer", id="A3", window="24h", indicator="dispatch.open") as stream:
        await stream.message()
        async with away(site):
            kind, _, _ = await stream.message()
            assert kind == "stale"
        await site.count([_event("u1", 0, "accepted", NOW - HOUR, "A3")])
        data: Any = {}
        while kind == "stale":
            kind, _, data = await stream.message()
        assert [item["numerator"] for item in data["items"]] == [2]


@asynccontextmanager
async def away(site: Site) -> AsyncIterator[None]:
    """PostgreSQL drops the application's connections and takes no new ones."""
    name = site.database.name
    superuser = await asyncpg.connect(site.database.superuser_url, database="postgres")
    await superuser.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await superuser.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = 'kaohe_app'", name
    )
    try:
        yield
    finally:
        await superuser.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await superuser.close()
