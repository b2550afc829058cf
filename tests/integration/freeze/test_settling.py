"""Somebody named settles what is open, once and with a trail, and the period can be frozen."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.freeze.month import S01, Site, example_events

QUARANTINE, CONFLICTS = "/v1/quarantine/transitions", "/v1/conflicts/transitions"
DECISION = {"state": "waived", "by": "HR Zhang", "reason": "noise"}


async def settle(site: Site, path: str, body: dict[str, Any]) -> tuple[int, str]:
    answer = await site.client.post(path, json=body)
    return answer.status_code, str(answer.json().get("type", "")).removeprefix("urn:kaohe:problem:")


async def only(site: Site, query: str) -> dict[str, Any]:
    """The one row of a query."""
    (row,) = await site.pool.fetch(query)
    return dict(row)


async def test_settled_items_do_not_block_the_freeze(counted_site: Site) -> None:
    conflicting = next(event for event in example_events() if event["id"] == "1004")
    await counted_site.publish([conflicting | {"time": "2026-10-09T16:30:00+08:00"}])
    await counted_site.publish([b"no event at all"], key="PG-01")
    await counted_site.work()
    refused = (await counted_site.freeze(S01)).json()["detail"]
    assert QUARANTINE in refused
    assert CONFLICTS in refused

    record = await only(counted_site, "SELECT shard, topic, kafka_offset FROM quarantine")
    conflict = await only(counted_site, "SELECT shard, seq, ordinal FROM conflict")
    assert await settle(counted_site, QUARANTINE, record | DECISION) == (201, "")
    assert [each["kind"] for each in (await counted_site.freeze(S01)).json()["open"]] == ["conflict"]
    assert await settle(counted_site, CONFLICTS, conflict | DECISION | {"state": "resolved"}) == (201, "")
    assert (await counted_site.freeze(S01)).status_code == 201

    assert await settle(counted_site, QUARANTINE, record | DECISION) == (409, "settled-already")
    assert await settle(counted_site, CONFLICTS, conflict | DECISION) == (409, "settled-already")
    trail = await counted_site.pool.fetch(
        "SELECT actor, action, body::text AS body FROM audit WHERE action NOT LIKE 'snapshot%' ORDER BY audit_id"
    )
    assert [row["action"] for row in trail][-2:] == ["quarantine.waived", "conflict.resolved"]
    assert json.loads(trail[-2]["body"]) == record | DECISION
    assert trail[-1]["actor"] == await counted_site.pool.fetchval("SELECT key_id FROM api_key")


async def test_only_what_is_listed_can_be_settled(shared_site: Site) -> None:
    nowhere = {"shard": 0, "topic": "events", "kafka_offset": 99} | DECISION
    assert await settle(shared_site, QUARANTINE, nowhere) == (404, "not-quarantined")
    assert await settle(shared_site, QUARANTINE, nowhere | {"state": "fixed"}) == (422, "invalid-request")
    assert await settle(shared_site, QUARANTINE, nowhere | {"by": " "}) == (422, "invalid-request")
    assert await settle(shared_site, CONFLICTS, {"shard": 0, "seq": 1, "ordinal": 0} | DECISION) == (404, "no-conflict")
    assert await shared_site.pool.fetchval("SELECT count(*) FROM quarantine_transition") == 0
