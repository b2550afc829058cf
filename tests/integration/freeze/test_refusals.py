"""A freeze is refused with the reason, and a refusal leaves nothing behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.api.periods import service
from services.runtime.log_ends import KafkaLogEnds
from tests.examples.loader import milliseconds
from tests.integration.freeze.month import PARTITIONS, S01, S02, Site, example_events


def slug(answer: Any) -> str:
    return str(answer.json()["type"]).removeprefix("urn:kaohe:problem:")


async def snapshots(site: Site) -> list[Any]:
    return list((await site.get("/v1/periods/2026-10/snapshots"))["items"])


async def test_without_an_idempotency_key_nothing_is_frozen(shared_site: Site) -> None:
    answer = await shared_site.freeze(S01, key=None)
    assert (answer.status_code, slug(answer)) == (400, "idempotency-key-missing")


async def test_the_same_key_gets_the_same_answer_and_another_request_under_it_is_refused(counted_site: Site) -> None:
    first = await counted_site.freeze(S01)
    again = await counted_site.freeze(S01)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    other = await counted_site.freeze(S01 | {"view": "provisional"})
    assert (other.status_code, slug(other)) == (422, "idempotency-key-reused")
    assert len(await snapshots(counted_site)) == 1


async def test_the_same_thing_under_another_key_is_refused_and_names_the_snapshot(counted_site: Site) -> None:
    first = await counted_site.frozen(S01)
    for body in (S01, S01 | {"branch": "SZ"}):
        again = await counted_site.freeze(body, key=f"k-{body.get('branch')}")
        assert (again.status_code, slug(again)) == (409, "already-frozen")
        assert again.json()["snapshot"] == first["id"]
    assert (await counted_site.freeze(S01 | {"view": "provisional"}, key="k3")).status_code == 201


async def test_two_freezes_at_once_make_one_snapshot(counted_site: Site) -> None:
    answers = await asyncio.gather(*(counted_site.freeze(S01, key=f"k{number}") for number in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert {slug(answer) for answer in answers if answer.status_code == 409} <= {"freeze-under-way", "already-frozen"}
    assert len(await snapshots(counted_site)) == 1


async def test_the_same_request_twice_at_once_is_one_freeze(counted_site: Site) -> None:
    answers = await asyncio.gather(*(counted_site.freeze(S01) for _ in range(4)))
    made = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    assert len(set(made)) == 1
    assert {slug(answer) for answer in answers if answer.status_code != 201} <= {"request-under-way"}
    assert len(await snapshots(counted_site)) == 1


async def test_people_who_cannot_be_computed_block_until_somebody_named_excuses_them(counted_site: Site) -> None:
    blocked = await counted_site.freeze(S02 | {"excuse": []})
    assert (blocked.status_code, slug(blocked)) == (409, "not-computable")
    assert [each["person"] for each in blocked.json()["people"]] == ["GC09"]
    assert blocked.json()["people"][0]["reason"]["en"] == "KPI-1: no answered survey in the month"
    # A refused request left no trace under its key: corrected, it may come again.
    assert (await counted_site.freeze(S02)).status_code == 201


@pytest.mark.parametrize("people", [["GC08"], ["XX"], ["GC09", "GC09"]])
async def test_nobody_else_can_be_excused(shared_site: Site, people: list[str]) -> None:
    excuses = [{"person": person, "reason": "r", "by": "b"} for person in ["GC09", *people]]
    answer = await shared_site.freeze(S02 | {"excuse": excuses})
    assert (answer.status_code, slug(answer)) == (422, "needless-excuse")


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"scheme": "s99"}, 404, "unknown-scheme"),
        ({"parameters": {}}, 422, "wrong-parameters"),
        ({"parameters": {"problem_points": {"attitude": 2}}}, 422, "price-missing"),
        ({"parameters": {"problem_points": {"attitude": 0.5}}}, 422, "invalid-request"),
        ({"branch": "NJ"}, 422, "unknown-branch"),
        ({"view": "final"}, 422, "invalid-request"),
        ({"colour": "red"}, 422, "invalid-request"),
    ],
)
async def test_a_request_that_does_not_fit_is_refused(
    shared_site: Site, change: dict[str, Any], status: int, says: str
) -> None:
    answer = await shared_site.freeze(S01 | change)
    assert (answer.status_code, slug(answer)) == (status, says), answer.text
    assert await snapshots(shared_site) == []


async def test_a_month_without_inputs_names_everybody_who_lacks_something(shared_site: Site) -> None:
    answer = await shared_site.freeze(S01, period="2026-06")
    assert (answer.status_code, slug(answer)) == (409, "not-computable")
    assert [each["person"] for each in answer.json()["people"]] == [
        "KF01",
        "KF02",
        "KF03",
        "KF05",
        "KF06",
        "KF07",
        "KF08",
    ]


async def test_a_month_that_has_not_ended_needs_early_and_a_future_one_is_refused(counted_site: Site) -> None:
    counted_site.clock.set(milliseconds("2026-10-31T23:59:59.999+08:00"))
    early = await counted_site.freeze(S01)
    assert (early.status_code, slug(early)) == (409, "period-not-ended")
    future = await counted_site.freeze(S01 | {"early": True}, key="k2", period="2026-11")
    assert (future.status_code, slug(future)) == (409, "period-in-future")
    assert (await counted_site.freeze(S01 | {"early": True}, key="k3")).status_code == 201


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Until undone, a freeze waits for a blink only."""

    async def soon(*arguments: Any, **options: Any) -> Any:
        return await real(*arguments, **options | {"wait_seconds": 0.3})

    real = service.freeze
    monkeypatch.setattr(service, "freeze", soon)
    return monkeypatch


async def test_events_in_the_log_that_nobody_counted_yet_are_waited_for(
    counted_site: Site, impatient: pytest.MonkeyPatch
) -> None:
    await counted_site.publish([example_events()[0] | {"id": "late-1", "time": "2026-11-09T08:00:00+08:00"}])
    answer = await counted_site.freeze(S01)
    assert (answer.status_code, slug(answer)) == (503, "not-caught-up")
    assert answer.headers["retry-after"] == "5"
    assert f"{counted_site.topic}[" in answer.json()["waiting_for"][0]
    impatient.undo()
    working = asyncio.create_task(counted_site.work())
    assert (await counted_site.freeze(S01)).status_code == 201
    await working


async def test_an_event_recorded_under_two_keys_is_withdrawn_once_before_the_cut(
    counted_site: Site, impatient: pytest.MonkeyPatch
) -> None:
    arrival = next(event for event in example_events() if event["id"] == "1003")
    accepted = next(event for event in example_events() if event["id"] == "1001")
    other = {"partitionkey": "ZZ-1", "subject": "ZZ-1"}
    await counted_site.publish([accepted | other, arrival | other])
    await counted_site.work(sweep=False)
    answer = await counted_site.freeze(S01)
    assert (answer.status_code, slug(answer)) == (503, "not-caught-up")
    assert "the search for doubles has not passed shard" in answer.json()["detail"]
    impatient.undo()
    await counted_site.work()
    made = await counted_site.frozen(S01)
    found = await counted_site.get(f"/v1/snapshots/{made['id']}/people/KF01/statement")
    assert found["person"]["total"]["fraction"] == "49/10"
    visits = next(row for row in found["indicators"] if row["indicator"] == "kpi1")
    assert visits["denominator"]["fraction"] == "3/1"


async def test_a_broker_that_does_not_answer_is_said_and_nothing_is_frozen(counted_site: Site) -> None:
    counted_site.app.state.log_ends = KafkaLogEnds("127.0.0.1:1", [counted_site.topic], PARTITIONS)
    answer = await counted_site.freeze(S01)
    assert (answer.status_code, slug(answer)) == (503, "broker-away")
    assert await snapshots(counted_site) == []


async def test_open_quarantine_and_conflicts_block_until_they_are_settled_or_somebody_named_forces(
    counted_site: Site,
) -> None:
    conflicting = next(event for event in example_events() if event["id"] == "1004")
    await counted_site.publish([conflicting | {"time": "2026-10-09T16:30:00+08:00"}])
    await counted_site.publish([b"no event at all"], key="PG-01")
    await counted_site.work()
    answer = await counted_site.freeze(S01)
    assert (answer.status_code, slug(answer)) == (409, "open-items")
    assert {each["kind"]: each["count"] for each in answer.json()["open"]} == {"quarantine": 1, "conflict": 1}
    assert "crm 1004" in answer.json()["detail"]
    await counted_site.pool.execute(
        """INSERT INTO quarantine_transition (shard, topic, kafka_offset, state, actor, reason)
           SELECT shard, topic, kafka_offset, 'waived', 'Li', 'noise' FROM quarantine"""
    )
    assert [each["kind"] for each in (await counted_site.freeze(S01)).json()["open"]] == ["conflict"]
    force = {"by": "Director Wu", "reason": "the recorded one is right"}
    forced = await counted_site.frozen(S01 | {"force": force})
    assert forced["parameters"]["force"] == force


async def test_a_key_without_the_scope_cannot_freeze(counted_site: Site) -> None:
    counted_site.client.headers.pop("Authorization")
    assert (await counted_site.freeze(S01)).status_code == 401
