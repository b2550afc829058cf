"""Rows that another session adds while a snapshot is being sealed do not come under the seal unseen."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import asyncpg
import pytest

from services.store import snapshots
from services.store.snapshots import SealBrokenError
from tests.integration.freeze.month import S01, Site


class BrokenOffError(Exception):
    """The process ends here."""


async def test_a_row_added_while_the_seal_waits_breaks_the_seal(
    counted_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []

    async def broken_off(_: asyncpg.Connection, *arguments: Any) -> Any:
        kept.extend(arguments)
        raise BrokenOffError

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "seal", broken_off)
        with pytest.raises(BrokenOffError):
            await counted_site.freeze(S01)

    async def seal() -> None:
        async with counted_site.pool.acquire() as connection, connection.transaction():
            await snapshots.seal(cast("asyncpg.Connection", connection), *kept)

    async with counted_site.pool.acquire() as adding:
        transaction = adding.transaction()
        await transaction.start()
        await adding.execute(
            """INSERT INTO snapshot_line (snapshot_id, person, line_no, criterion, rule, points, body)
               SELECT snapshot_id, 'KF99', line_no, criterion, rule, points, body FROM snapshot_line LIMIT 1"""
        )
        sealing = asyncio.create_task(seal())
        while not await counted_site.pool.fetchval(  # noqa: ASYNC110 - PostgreSQL tells nobody that it waits
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
        ):
            await asyncio.sleep(0.02)
        await transaction.commit()
        with pytest.raises(SealBrokenError, match="snapshot_line"):
            await sealing
    assert await counted_site.pool.fetchval("SELECT count(*) FROM snapshot_seal") == 0
    assert (await counted_site.get("/v1/periods/2026-10/snapshots"))["items"] == []
