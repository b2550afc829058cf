"""Frozen is frozen: the application cannot touch sealed rows, a broken-off freeze is invisible, verification names what was changed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.store import snapshots
from tests.integration.freeze.conftest import Frozen, Harm
from tests.integration.freeze.month import S01, Site, example_events

TABLES = ["snapshot_person", "snapshot_line", "snapshot_indicator", "snapshot_evidence"]


@pytest.mark.parametrize("table", [*TABLES, "snapshot", "snapshot_seal"])
@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM {table}", "TRUNCATE {table} CASCADE", "UPDATE {table} SET snapshot_id = snapshot_id"],
)
async def test_the_application_cannot_change_delete_or_truncate(
    shared_site: Site, frozen: Frozen, table: str, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await shared_site.pool.execute(statement.format(table=table))


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_cannot_add_to_a_sealed_snapshot(shared_site: Site, frozen: Frozen, table: str) -> None:
    columns = await shared_site.pool.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position", table
    )
    chosen = ", ".join("'KF99'" if row["column_name"] == "person" else str(row["column_name"]) for row in columns)
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="sealed"):
        await shared_site.pool.execute(f"INSERT INTO {table} SELECT {chosen} FROM {table} LIMIT 1")


async def test_a_second_seal_of_a_snapshot_is_refused(shared_site: Site, frozen: Frozen) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await shared_site.pool.execute(
            "INSERT INTO snapshot_seal (snapshot_id, content_hash, counts) VALUES ($1, '', '{}')",
            UUID(frozen["s01", "settled"]["id"]),
        )


async def test_a_freeze_broken_off_before_its_seal_is_invisible_and_its_request_can_be_repeated(
    counted_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(snapshots, "seal", killed)
    with pytest.raises(KeyboardInterrupt):
        await counted_site.freeze(S01)
    monkeypatch.undo()
    written = await counted_site.pool.fetchval("SELECT count(*) FROM snapshot_line")
    assert written > 0
    broken = await counted_site.pool.fetchval("SELECT snapshot_id FROM snapshot")
    assert (await counted_site.get("/v1/periods/2026-10/snapshots"))["items"] == []
    assert (await counted_site.client.get(f"/v1/snapshots/{broken}")).status_code == 404
    assert (await counted_site.client.get(f"/v1/snapshots/{broken}/people/KF01/statement")).status_code == 404
    frozen = await counted_site.frozen(S01)
    assert frozen["id"] != str(broken)
    assert (await counted_site.verify(frozen["id"]))["same"] is True


async def test_verification_of_an_untouched_snapshot_says_same(shared_site: Site, frozen: Frozen) -> None:
    for made in frozen.values():
        found = await shared_site.verify(made["id"])
        assert found["same"] is True
        assert found["cases"] == len({event["partitionkey"] for event in example_events()})
        assert found["differing_cases"] == found["differing_sections"] == found["tampered_sections"] == []


async def test_what_arrives_after_the_cut_changes_nothing_in_it(counted_site: Site) -> None:
    frozen = await counted_site.frozen(S01)
    withdrawn = {
        "specversion": "1.0",
        "id": "w-1",
        "source": "crm",
        "type": "kaohe.event.withdrawn.v1",
        "time": "2026-11-09T08:00:00+08:00",
        "partitionkey": "PG-01",
        "data": {"target": "1004"},
    }
    await counted_site.publish([withdrawn])
    await counted_site.work()
    assert (await counted_site.verify(frozen["id"]))["same"] is True
    provisional = await counted_site.frozen(S01 | {"view": "provisional"}, "k2")
    assert provisional["cutoff"] != frozen["cutoff"]


async def test_a_changed_journal_row_is_named_by_its_case(shared_site: Site, frozen: Frozen, harm: Harm) -> None:
    change = "UPDATE journal SET engineer = 'crm GC04' WHERE case_id = 'PG-05' AND measure = 'dispatch.completed.later'"
    async with harm("journal", change):
        found = await shared_site.verify(frozen["s01", "settled"]["id"])
    assert found["same"] is False
    assert [case["case"] for case in found["differing_cases"]] == ["PG-05"]
    postings = found["differing_cases"][0]["postings"]
    assert {each["engineer"]: (each["journal"], each["refolded"]) for each in postings} == {
        "crm GC02": (0, 1),
        "crm GC04": (1, 0),
    }
    # Both engineers are the same representative's on that day, so no sealed row moves; the case tells all the same.
    assert found["differing_sections"] == found["tampered_sections"] == []


async def test_a_changed_journal_row_that_moves_a_score_is_named_by_its_sections_too(
    shared_site: Site, frozen: Frozen, harm: Harm
) -> None:
    change = "UPDATE journal SET n = 3 WHERE case_id = 'PG-14' AND measure = 'dispatch.completed.day_1'"
    async with harm("journal", change):
        found = await shared_site.verify(frozen["s01", "settled"]["id"])
    assert [case["case"] for case in found["differing_cases"]] == ["PG-14"]
    assert found["differing_sections"] == ["people", "lines", "indicators", "evidence"]


async def test_a_removed_ledger_row_is_named_by_its_case(shared_site: Site, frozen: Frozen, harm: Harm) -> None:
    async with harm("ledger", "DELETE FROM ledger WHERE source = 'crm' AND id = '1004'"):
        found = await shared_site.verify(frozen["s01", "settled"]["id"])
    assert [case["case"] for case in found["differing_cases"]] == ["PG-01"]


@pytest.mark.parametrize(
    ("statement", "section"),
    [
        ("UPDATE snapshot_person SET total = '100/1' WHERE person = 'KF01'", "people"),
        ("UPDATE snapshot_line SET points = '20/1' WHERE person = 'KF01' AND line_no = 1", "lines"),
        ("UPDATE snapshot_indicator SET numerator = '0/1' WHERE person = 'KF01' AND indicator = 'kpi1'", "indicators"),
        ("UPDATE snapshot_evidence SET n = 2 WHERE case_id = 'PG-05'", "evidence"),
        ("DELETE FROM snapshot_evidence WHERE case_id = 'PG-05'", "evidence"),
        ("UPDATE snapshot SET scheme_version = 2", "header"),
    ],
)
async def test_a_changed_sealed_row_is_named_by_its_section(
    shared_site: Site, frozen: Frozen, harm: Harm, statement: str, section: str
) -> None:
    table = statement.split()[1 if statement.startswith("UPDATE") else 2]
    async with harm(table, statement):
        found = await shared_site.verify(frozen["s01", "settled"]["id"])
    assert found["same"] is False
    assert found["tampered_sections"] == [section]
    assert found["differing_cases"] == []
