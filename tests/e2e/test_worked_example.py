"""The worked month through the real stack: posted to the gateway, counted by workers, asked from the API — to the digit.

Twice: as the file has it, in batches; and shuffled, repeated and split into single posts, in a database of its own.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.runtime.clock import FixedClock
from services.stack.sandbox import Sandbox
from tests.chaos.audit import Sent, audit
from tests.e2e.shown import JSON, alike, engineer, representative
from tests.e2e.stack import Stack, running
from tests.examples.loader import S01_EVENTS, S01_EXPECTED, S01_ROSTER, milliseconds, rows_as_cloudevents

EXPECTED: JSON = json.loads(S01_EXPECTED.read_text(encoding="utf-8"))
NOW_MS = milliseconds("2026-11-10T08:00:00+08:00")
VIEWS = ("settled", "provisional")
FREEZES: dict[str, JSON] = {
    "s01": {"scheme": "s01", "parameters": EXPECTED["parameters"]},
    "s02": {"scheme": "s02", "excuse": [{"person": "GC09", "reason": "no survey came back", "by": "张敏, 人事"}]},
}
LEVELS = {"engineer": "engineers", "team": "regions", "representative": "representatives", "branch": "branches"}
GAUGES = ("open", "overdue_7", "overdue_30")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Month:
    """The month, told to a stack; how S02 was refused without an excuse; the four snapshots by (scheme, view)."""

    stack: Stack
    refused: JSON
    snapshots: dict[tuple[str, str], JSON]

    async def statement(self, scheme: str, view: str, person: str) -> JSON:
        """One person's statement."""
        snapshot = self.snapshots[scheme, view]["id"]
        statement: JSON = await self.stack.get(f"/v1/snapshots/{snapshot}/people/{person}/statement")
        return statement

    async def figures(self, **question: Any) -> dict[tuple[str, str | None], JSON]:
        """Figures by (indicator, subject)."""
        page = await self.stack.get("/v1/kpis", limit=1000, **question)
        assert page["next_cursor"] is None
        return {(item["indicator"], item["subject"]["id"]): item for item in page["items"]}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Servers of this module."""
    with Sandbox() as servers:
        yield servers


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["as written", "shuffled, repeated and split"])
async def month(
    request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Month]:
    """The month as one arrival order tells it, frozen."""
    async with told(sandbox, tmp_path_factory.mktemp("stack"), shuffled=request.param != "as written") as made:
        yield made


@asynccontextmanager
async def told(sandbox: Sandbox, folder: Path, *, shuffled: bool) -> AsyncIterator[Month]:
    """Tell the month to a fresh stack and freeze it."""
    async with running(sandbox, folder, FixedClock(NOW_MS)) as stack:
        answer = await stack.api.post(
            "/v1/roster/imports", content=S01_ROSTER.read_bytes(), headers={"content-type": "text/csv"}
        )
        assert answer.status_code == 200, answer.text
        rows = rows_as_cloudevents(S01_EVENTS)
        if shuffled:
            await post_one_by_one(stack, random.Random(20261031).sample(rows * 2, 2 * len(rows)))
        else:
            for first in range(0, len(rows), 50):
                await post(stack, rows[first : first + 50])
        refused = await asked(stack, {"scheme": "s02"}, "without an excuse")
        assert refused.status_code == 409, refused.text
        snapshots = {(scheme, view): await freeze(stack, scheme, view) for scheme in FREEZES for view in VIEWS}
        yield Month(stack, refused.json(), snapshots)


async def post(stack: Stack, rows: list[JSON]) -> None:
    """Post a batch; every event of it is accepted."""
    headers = {"content-type": "application/cloudevents-batch+json"}
    answer = await stack.gateway.post("/v1/events", content=json.dumps(rows).encode(), headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == len(rows)


async def post_one_by_one(stack: Stack, rows: list[JSON]) -> None:
    """A request for each event, several at a time, so that they overtake one another."""
    headers = {"content-type": "application/cloudevents+json"}
    free = asyncio.Semaphore(8)

    async def one(row: JSON) -> None:
        async with free:
            answer = await stack.gateway.post("/v1/events", content=json.dumps(row).encode(), headers=headers)
            assert answer.status_code == 202, answer.text

    await asyncio.gather(*map(one, rows))


async def asked(stack: Stack, body: JSON, key: str) -> httpx.Response:
    """Ask for a freeze; while the workers are still counting the API says so, and one asks again."""
    for _ in range(30):
        answer = await stack.api.post("/v1/periods/2026-10/snapshots", json=body, headers={"Idempotency-Key": key})
        if answer.status_code != 503:
            break
        await asyncio.sleep(1.0)
    return answer


async def freeze(stack: Stack, scheme: str, view: str) -> JSON:
    """Freeze, and nothing is in the way."""
    answer = await asked(stack, FREEZES[scheme] | {"view": view}, f"{scheme} {view}")
    assert answer.status_code == 201, answer.text
    snapshot: JSON = answer.json()
    return snapshot


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("person", EXPECTED["settled"]["S01"]["persons"])
async def test_every_representatives_statement_is_the_one_worked_by_hand(month: Month, view: str, person: str) -> None:
    shown = representative(await month.statement("s01", view, person))
    assert shown == alike(shown, EXPECTED[view]["S01"]["persons"][person])


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("person", EXPECTED["settled"]["S02"]["persons"])
async def test_every_engineers_statement_is_the_one_worked_by_hand(month: Month, view: str, person: str) -> None:
    shown = engineer(await month.statement("s02", view, person))
    assert shown == alike(shown, EXPECTED[view]["S02"]["persons"][person])


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("scheme", FREEZES)
async def test_the_snapshots_hold_exactly_the_people_of_the_example(month: Month, scheme: str, view: str) -> None:
    people = await month.stack.get(f"/v1/snapshots/{month.snapshots[scheme, view]['id']}/people")
    assert {item["person"] for item in people["items"]} == set(EXPECTED[view][scheme.upper()]["persons"])


async def test_each_score_is_the_sum_of_its_lines(month: Month) -> None:
    for (scheme, view), people in ((pair, EXPECTED[pair[1]][pair[0].upper()]["persons"]) for pair in month.snapshots):
        for person in people:
            statement = await month.statement(scheme, view, person)
            if statement["person"]["total"] is not None:
                points = sum(Fraction(line["points"]["fraction"]) for line in statement["lines"])
                assert points == Fraction(statement["person"]["total"]["fraction"]), (scheme, view, person)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("level", "group"), [("team", "regions"), ("branch", "branches")])
async def test_the_months_figures_are_those_worked_by_hand(month: Month, view: str, level: str, group: str) -> None:
    found = await month.figures(level=level, window="2026-10", view=view)
    for subject, wanted in EXPECTED[view]["S01"][group].items():
        completion = wanted["completion"]
        assert found["dispatch.due", subject]["numerator"] == completion["due"], subject
        assert found["dispatch.visits", subject]["numerator"] == wanted["visits"], subject
        rates = {f"day_{k}_rate": completion["rates"][f"d{k}"] for k in range(1, 8)} | {
            "on_time_score": completion["series"],
            "later_than_7_rate": completion["rates"]["later"],
            "open_over_30_rate": completion["rates"]["open30"],
        }
        shown = {name: exact(found[f"dispatch.{name}", subject]) for name in rates}
        assert shown == rates, subject


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("instant", EXPECTED["gauges"])
async def test_the_gauges_are_those_worked_by_hand(month: Month, instant: str, level: str) -> None:
    gauges = EXPECTED["gauges"][instant]
    found = await month.figures(level=level, window="24h", at=gauges["at"])
    for subject, wanted in gauges[LEVELS[level]].items():
        stocks = {name: found.get((f"dispatch.{name}", subject)) for name in GAUGES}
        assert {name: stock["numerator"] if stock else 0 for name, stock in stocks.items()} == {
            name: wanted[name] for name in GAUGES
        }, subject
        for name in ("overdue_7_rate", "overdue_30_rate"):
            assert exact(found.get((f"dispatch.{name}", subject))) == wanted[name], (subject, name)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("scheme", FREEZES)
async def test_verifying_says_the_same(month: Month, scheme: str, view: str) -> None:
    answer = await month.stack.api.post(f"/v1/snapshots/{month.snapshots[scheme, view]['id']}/verify")
    assert answer.status_code == 200, answer.text
    assert answer.json()["same"] is True, answer.text


async def test_the_books_hold_the_months_events_once_and_nothing_else(month: Month) -> None:
    sent = Sent()
    for row in rows_as_cloudevents(S01_EVENTS):
        sent.add(row)
    assert await audit(month.stack.database.superuser_url, sent) == []


async def test_without_an_excuse_the_engineer_who_has_no_survey_blocks_the_freeze(month: Month) -> None:
    assert [item["person"] for item in month.refused["people"]] == EXPECTED["freeze"]["S02"]["blocked_by"]


def exact(item: JSON | None) -> JSON | None:
    """A figure's value as the example writes it."""
    if item is None or item["value"] is None:
        return None
    return {"fraction": item["value"], "decimal": item["decimal"]}
