"""Whatever the order of arrival, the layout of the buckets and the instant: the API's figures are those of a slow fold of the events."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Any

import pytest
import pytest_asyncio

from services.api.kpis.subjects import Level
from services.api.roster.reading import read_roster
from services.core.kpi.indicators import ON_TIME_MEASURES
from services.core.roster import Roster
from services.core.roster_rows import parse_row
from services.stack.sandbox import Database
from services.store import buckets, upkeep
from tests.examples.loader import event_of
from tests.integration.api.histories import DAY, FIRST, ROSTER, history
from tests.integration.api.oracle import Expected, World, expected
from tests.integration.api.site import JSON, Site, ms, open_site, rfc3339

SEED = 20261001
ROSTER_NOW = Roster.of(parse_row(line.cells) for line in read_roster(ROSTER.encode()))
INSTANTS = tuple(
    ms(local) for local in ("2026-10-01T00:00", "2026-10-12T13:47", "2026-10-20T00:30", "2026-11-02T23:59")
)
QUESTIONS = [
    (level, window, view)
    for level in Level
    for window, view in (
        ("1h", "live"), ("24h", "live"), ("7d", "live"), ("30d", "live"), ("month", "live"), ("month", "settled"),
        ("month", "matured"), ("2026-10", "provisional"), ("2026-09", "settled"), ("30d", "matured"),
    )
]  # fmt: skip


class Told:
    """A site that has counted a history in three parts, with a checkpoint after the second, under moving clocks."""

    def __init__(self, site: Site, arrived: list[JSON], known: int, checkpoint: int) -> None:
        self.site = site
        self.checkpoint = checkpoint
        self.world = World.of([event_of(document) for document in arrived], ROSTER_NOW)
        self.then = World.of([event_of(document) for document in arrived[:known]], ROSTER_NOW)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def told(module_database: Database) -> AsyncIterator[Told]:
    """Late ones come last; between the parts the clock moves and old hours are merged into days, so every layout occurs."""
    arrived = history(SEED)
    random.Random(SEED).shuffle(arrived)
    third = len(arrived) // 3
    async with open_site(module_database) as site:
        await site.roster(ROSTER.encode())
        site.clock.set(INSTANTS[1])
        await site.count(arrived[:third], page=13)
        site.clock.set(INSTANTS[2])
        await compact(site)
        await site.count(arrived[third : 2 * third], page=5)
        checkpoint = await site.checkpoint()
        site.clock.set(ms("2026-11-10T00:00"))
        await site.count(arrived[2 * third :], page=13)
        yield Told(site, arrived, 2 * third, checkpoint)


async def compact(site: Site) -> None:
    async with site.connection() as connection:
        for shard in await upkeep.shards(connection):
            await buckets.compact(connection, shard, "Asia/Shanghai", site.clock.now_ms() - 2 * DAY)


@pytest.mark.parametrize("instant", INSTANTS)
@pytest.mark.parametrize(("level", "window", "view"), QUESTIONS)
async def test_every_figure_is_that_of_the_slow_fold(
    told: Told, level: Level, window: str, view: str, instant: int
) -> None:
    """Numerators, denominators, exact quantiles, who waits and since when, what is pending and what it can bring."""
    found = await told.site.kpis(level=level, window=window, view=view, at=rfc3339(instant), exact=True)
    same(found, expected(told.world, level, window, view, instant))


@pytest.mark.parametrize("instant", INSTANTS[1:])
@pytest.mark.parametrize(
    ("window", "view"), [("24h", "live"), ("7d", "live"), ("month", "matured"), ("2026-09", "settled")]
)
async def test_a_figure_as_of_a_checkpoint_is_that_of_the_events_known_then(
    told: Told, window: str, view: str, instant: int
) -> None:
    """Later arrivals leave it as it was."""
    found = await told.site.kpis(
        level="branch", window=window, view=view, at=rfc3339(instant), exact=True, as_of=told.checkpoint
    )
    same(found, expected(told.then, Level.BRANCH, window, view, instant))


@pytest.mark.parametrize("window", ["24h", "30d", "month"])
async def test_a_quantile_from_the_histogram_says_a_range_that_holds_the_exact_one(told: Told, window: str) -> None:
    """And the range is no wider than a sixteenth of its lower bound."""
    for instant in INSTANTS:
        exact = await told.site.kpis(level="branch", window=window, at=rfc3339(instant), exact=True)
        rough = await told.site.kpis(level="branch", window=window, at=rfc3339(instant))
        for key, kpi in rough.items():
            for share in ("median", "p90") if kpi["durations"] else ():
                bounds, value = kpi["durations"][share], exact[key]["durations"][share]
                assert (bounds is None) == (value is None), key
                if bounds is not None:
                    assert bounds["lower_ms"] <= value["lower_ms"] < bounds["upper_ms"], key
                    assert 16 * (bounds["upper_ms"] - bounds["lower_ms"]) <= max(16, bounds["lower_ms"]), key
                    assert (bounds["exact"], value["exact"]) == (False, True)


COUNTED = {
    "dispatch.on_time_score": ON_TIME_MEASURES,
    "ticket.first_response_engineer": ("ticket.engineer_response",),
    "dispatch.overdue_7_rate": ("dispatch.open",),
    "followup.done_rate": ("followup.due",),
}


@pytest.mark.parametrize("indicator", COUNTED)
@pytest.mark.parametrize("window", ["7d", "month"])
async def test_the_cases_behind_a_figure_sum_to_it(told: Told, indicator: str, window: str) -> None:
    """Over all pages, for everybody, and each case once."""
    at = rfc3339(INSTANTS[2])
    figures = await told.site.kpis(level="engineer", window=window, indicator=indicator, at=at)
    for (_, subject), kpi in figures.items():
        who = {"unattributed": True} if subject is None else {"id": subject}
        nets = await behind(told.site, indicator, level="engineer", window=window, at=at, **who)
        assert sum(nets.get(measure, 0) for measure in COUNTED[indicator]) == kpi["n"], subject


async def behind(site: Site, indicator: str, **parameters: Any) -> dict[str, int]:
    """Nets by measure over all pages."""
    nets: dict[str, int] = {}
    cases: set[str] = set()
    cursor = None
    while True:
        page = await site.get(
            f"/v1/kpis/{indicator}/postings", 200, limit=3, **parameters, **({"cursor": cursor} if cursor else {})
        )
        for item in page["items"]:
            assert item["case"] not in cases
            cases.add(item["case"])
            for net in item["net"]:
                nets[net["measure"]] = nets.get(net["measure"], 0) + net["n"]
                lines = [line for line in item["postings"] if line["measure"] == net["measure"]]
                assert sum(line["n"] for line in lines) == net["n"]
                assert sum(line["n"] * line["value"] for line in lines) == net["value"]
        cursor = page["next_cursor"]
        if cursor is None:
            return nets


async def test_no_posting_acts_before_the_instant_it_is_booked_on(told: Told) -> None:
    """The law that lets the edge of a window be read by the index on `at`; figures booked on the end of a day are the exception."""
    async with told.site.pool.acquire() as connection:
        assert not await connection.fetch(
            "SELECT * FROM journal WHERE at_ms < book_ms AND measure NOT LIKE 'attendance.%' AND measure NOT LIKE 'measure.%'"
        )


def same(found: dict[tuple[str, str | None], JSON], wanted: dict[tuple[str, str | None], Expected]) -> None:
    """Every figure with postings is answered as the oracle says, every other one is empty."""
    for key, want in wanted.items():
        got = found.get(key)
        if got is None:
            assert want.n == want.numerator == want.unanswered == want.pending[0] == 0, (key, want)
            continue
        assert (got["numerator"], got["denominator"], got["n"]) == (want.numerator, want.denominator, want.n), key
        assert got["value"] == fraction(want.value), key
        if got["pending"]:
            pending = got["pending"]
            best, worst = (pending[name] and pending[name]["value"] for name in ("best", "worst"))
            assert (pending["count"], best, worst) == (want.pending[0], *map(fraction, want.pending[1:])), key
        if got["durations"]:
            durations = got["durations"]
            quantiles = tuple(durations[share] and durations[share]["lower_ms"] for share in ("median", "p90"))
            assert quantiles == (want.median, want.p90), key
        if got["waiting"]:
            assert (got["waiting"]["unanswered"], got["waiting"]["oldest_ms"]) == (want.unanswered, want.oldest_ms), key
    for key in found.keys() - wanted.keys():
        assert found[key]["n"] == 0, key


def fraction(value: Fraction | None) -> str | None:
    return None if value is None else f"{value.numerator}/{value.denominator}"


def test_the_history_holds_what_the_test_is_about() -> None:
    """Late arrivals, corrections, people nobody knows: a history without them would prove nothing."""
    names = {document["type"] for document in history(SEED)}
    assert {"kaohe.event.amended.v1", "kaohe.event.withdrawn.v1", "kaohe.dispatch.reopened.v1"} <= names
    assert INSTANTS[0] > FIRST
