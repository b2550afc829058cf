"""What could not be counted, and how far each source has been heard, is there to see."""

from __future__ import annotations

import base64

import pytest

from services.runtime.partition import shard_of
from tests.examples.loader import S01_EVENTS, rows_as_cloudevents
from tests.integration.api.site import JSON, PARTITIONS, Site, ms
from tests.integration.metrics.partitions import event


async def pages(site: Site, path: str, limit: int = 2, **parameters: object) -> list[JSON]:
    """Every item of a list, by pages; the `Link` header leads to the same place as the cursor."""
    items: list[JSON] = []
    url: str | None = path
    query = {name: str(value) for name, value in (parameters | {"limit": limit}).items()}
    while url is not None:
        answer = await site.client.get(url, params=query if url == path else None)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        url = answer.links["next"]["url"] if "next" in answer.links else None
        assert (url is None) == (answer.json()["next_cursor"] is None)
    return items


async def test_records_that_nobody_understands_are_kept_with_their_bytes(site: Site) -> None:
    """Newest first, and the bytes one by one."""
    partition = site.partitions[0]
    for number in range(5):  # each in a commit of its own
        partition.append(b"not json %d" % number)
        await site.count([])
    items = await pages(site, "/v1/quarantine")
    assert sorted(item["kafka_offset"] for item in items) == [0, 1, 2, 3, 4]
    assert all(item["reason"] and item["decision"] is None for item in items)
    record = await site.get("/v1/quarantine/0/events/3")
    assert base64.b64decode(record["value_base64"]) == b"not json 3"


async def test_one_identity_with_other_content_is_a_visible_conflict(site: Site) -> None:
    """The recorded one counts."""
    await site.count([event("u1", 1, time="2026-10-08T09:00:00+08:00")])
    await site.count([event("u1", 1, time=f"2026-10-08T1{hour}:00:00+08:00") for hour in range(5)])
    items = await pages(site, "/v1/conflicts")
    assert len(items) == 5
    assert {item["counted_time"] for item in items} == {"2026-10-08T01:00:00.000Z"}
    assert len({item["time"] for item in items}) == 5
    async with site.connection() as connection:
        await connection.execute(
            "INSERT INTO conflict_transition (shard, seq, ordinal, state, actor, reason) VALUES ($1, $2, $3, 'waived', 'Li', 'typo')",
            items[0]["shard"], items[0]["seq"], items[0]["ordinal"],
        )  # fmt: skip
    assert len(await pages(site, "/v1/conflicts", unsettled=True)) == 4
    decided = next(item for item in await pages(site, "/v1/conflicts") if item["ordinal"] == items[0]["ordinal"])
    assert decided["decision"] == {"state": "waived", "actor": "Li", "reason": "typo"}


async def test_records_in_a_wrong_partition_are_listed(site: Site) -> None:
    """With the partition to which they were sent on."""
    unit = next(f"u{number}" for number in range(100) if shard_of(f"u{number}", PARTITIONS) == 2)
    site.partitions[0].append(event(unit, 1))
    await site.count([event("other", 1)])
    (item,) = await pages(site, "/v1/misrouted")
    assert (item["shard"], item["target_shard"], item["case_id"]) == (0, 2, unit)


async def test_each_source_says_how_far_it_was_heard(site: Site) -> None:
    """Its newest event time, its records, and how long it has been silent."""
    await site.count(rows_as_cloudevents(S01_EVENTS))
    found = {item["source"]: item for item in await pages(site, "/v1/sources")}
    assert set(found) == {document["source"] for document in rows_as_cloudevents(S01_EVENTS)}
    assert sum(item["events"] for item in found.values()) == 140
    assert all(item["last_event_time"] <= "2026-11-05T16:00" for item in found.values())


async def test_checkpoints_are_listed_and_figures_can_be_asked_as_of_them(site: Site) -> None:
    """By id or by any instant from then on."""
    site.clock.set(ms("2026-10-15T12:00"))
    await site.count([event("u1", 1, "dispatch.accepted", engineer="A")])
    first = await site.checkpoint()
    await site.count([event("u2", 1, "dispatch.accepted", engineer="A")])
    second = await site.checkpoint()
    items = await pages(site, "/v1/checkpoints", limit=1)
    assert [item["checkpoint_id"] for item in items] == [second, first]
    for as_of, accepted in ((first, 1), (second, 2), (items[1]["recorded_at"], 1), (items[0]["recorded_at"], 2)):
        answer = await site.get(
            "/v1/kpis/dispatch.accepted", unattributed=True, window="2026-10", view="live", as_of=as_of
        )
        assert answer["kpi"]["numerator"] == accepted, as_of
        assert answer["as_of"]["checkpoint_id"] in {first, second}


async def test_a_case_shows_its_events_what_it_lists_and_what_stands_posted(site: Site) -> None:
    """PG-06: the engineer arrived before the order was accepted."""
    await site.count(rows_as_cloudevents(S01_EVENTS))
    case = await site.get("/v1/cases/PG-06")
    assert [item["type"] for item in case["events"]][:2] == ["kaohe.dispatch.arrived.v1", "kaohe.dispatch.accepted.v1"]
    assert [item["verb"] for item in case["listed"]] == ["arrived"]
    assert any(line["measure"] == "dispatch.completed.day_1" for line in case["posted"])


async def test_a_case_that_another_release_stored_is_folded_anew(site: Site) -> None:
    """The shape of its state may be another one; the events say the same."""
    await site.count(rows_as_cloudevents(S01_EVENTS))
    before = await site.get("/v1/cases/PG-06")
    async with site.connection() as connection:
        await connection.execute("""UPDATE cases SET core_version = 0, state = '{"old": 1}' WHERE case_id = 'PG-06'""")
    after = await site.get("/v1/cases/PG-06")
    assert after == before | {"core_version": 0}


@pytest.mark.parametrize("path", ["conflicts", "quarantine", "misrouted", "doubles", "sources", "checkpoints"])
async def test_an_empty_organisation_has_empty_lists(empty: Site, path: str) -> None:
    """And no fault."""
    assert await empty.get(f"/v1/{path}") == {"items": [], "next_cursor": None}
    answer = await empty.client.get(f"/v1/{path}", params={"cursor": "WzFd"})
    assert answer.status_code == 400
