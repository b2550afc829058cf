"""A correction finds the case of the event that it names."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from schemas.codec import Decoded
from services.runtime.partition import shard_of
from services.store.ledger_lookup import find_case
from tests.integration.ingest.running import Running, event


def withdrawal(target: str, **changed: Any) -> dict[str, Any]:
    return event(type="kaohe.event.withdrawn.v1", subject=..., data={"target": target}) | changed


async def record(gateway: Running, source: str, identity: str, case: str) -> None:
    """As a worker records an event: here only what the lookup reads matters."""
    connection = await asyncpg.connect(gateway.database.app_url)
    try:
        await connection.execute(
            """INSERT INTO ledger VALUES ($1, $2, $3, $4, 'kaohe.dispatch.accepted.v1', 0, 1, 0, 0, 't', 0, '', '')""",
            shard_of(case, 8), source, identity, case,
        )  # fmt: skip
        assert case in await find_case(connection, source, identity, 8)
    finally:
        await connection.close()


async def cases(gateway: Running) -> dict[str, str]:
    return {read.id: read.partitionkey for _, _, read in await gateway.records() if isinstance(read, Decoded)}


async def test_the_case_comes_from_the_ledger(gateway: Running) -> None:
    await record(gateway, "crm", "1001", "PG-42")
    await record(gateway, "hq", "1001", "PG-43")
    answer = await gateway.post([withdrawal("1001", id="w")])
    assert answer.status_code == 202
    assert await cases(gateway) == {"w": "PG-42"}


async def test_the_case_comes_from_what_was_sent_a_moment_ago(gateway: Running) -> None:
    await gateway.post(event(id="first", subject="PG-5"))
    amendment = event(
        id="a", type="kaohe.event.amended.v1", subject=..., data={"target": "first", "changes": {"engineer": "GC02"}}
    )
    assert (await gateway.post(amendment)).status_code == 202
    in_one = await gateway.post([event(id="second", subject="PG-6"), withdrawal("second", id="w")])
    assert in_one.json()["accepted"] == 2
    assert await cases(gateway) == {"first": "PG-5", "a": "PG-5", "second": "PG-6", "w": "PG-6"}


async def test_an_unknown_target_is_rejected_with_the_way_out(gateway: Running) -> None:
    answer = await gateway.post([withdrawal("nobody"), withdrawal("nobody", partitionkey="PG-9", id="explicit")])
    rejected, accepted = answer.json()["verdicts"]
    assert rejected["errors"] == [
        {
            "pointer": "/partitionkey",
            "reason": "the event that it names is not recorded: send it first, or send its partitionkey with the correction",
        }
    ]
    assert accepted["status"] == "accepted"


async def test_a_target_recorded_twice_needs_an_explicit_case(gateway: Running) -> None:
    await record(gateway, "crm", "2001", "PG-1")
    await record(gateway, "crm", "2001", "PG-2")
    answer = await gateway.post(withdrawal("2001"))
    assert "several cases" in answer.json()["verdicts"][0]["errors"][0]["reason"]


@pytest.mark.parametrize("target", [..., 17, "", "a\0b", None])
async def test_a_target_that_cannot_be_read_is_a_rejection_like_any_other(gateway: Running, target: Any) -> None:
    data = {} if target is ... else {"target": target}
    answer = await gateway.post(event(type="kaohe.event.withdrawn.v1", subject=..., data=data))
    assert answer.status_code == 422


async def test_a_correction_of_another_source_is_rejected(gateway: Running) -> None:
    told = withdrawal("1", partitionkey="PG-1")
    told["data"]["target_source"] = "hr"
    answer = await gateway.post(told)
    assert answer.json()["verdicts"][0]["errors"][0]["pointer"] == "/data/target_source"
