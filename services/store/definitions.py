"""The definitions a database was begun with. The zone decides every local day, so it never changes under figures made with it."""

from __future__ import annotations

import inspect

import asyncpg


class ZoneDiffers(Exception):  # noqa: N818 - the condition is its name
    """The database was begun with another zone."""

    def __init__(self, begun: str, wanted: str) -> None:
        message = inspect.cleandoc(type(self).__doc__ or "").rstrip(".")
        super().__init__(
            f"{message}: the database was begun with zone {begun}, this process is set to {wanted}: "
            f"set KAOHE_ZONE={begun}, or begin a new database"
        )


# A newest version that names no zone says nothing that could be contradicted: the next one names it.
_BEGIN = """
INSERT INTO definition_version (version, author, note, body)
SELECT coalesce(max(version), 0) + 1, 'kaohe', 'defaults', jsonb_build_object('zone', $1::text) FROM definition_version
HAVING (array_agg(body->>'zone' ORDER BY version DESC))[1] IS NULL
ON CONFLICT DO NOTHING"""


async def settle(connection: asyncpg.Connection, zone: str) -> int:
    """The version in force; the first process to come writes it down. Raises ZoneDiffers when the database's zone is another."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('kaohe.definitions'))")
        await connection.execute(_BEGIN, zone)
        version = await latest_version(connection)
        begun = await zone_of(connection, version)
    if begun is not None and begun != zone:
        raise ZoneDiffers(begun, zone)
    return version


async def latest_version(connection: asyncpg.Connection) -> int:
    """The newest version; 1, the defaults, before any process has settled it."""
    version: int = await connection.fetchval("SELECT coalesce(max(version), 1) FROM definition_version")
    return version


async def zone_of(connection: asyncpg.Connection, version: int) -> str | None:
    """The zone that a version names, None when it names none or does not exist."""
    zone: str | None = await connection.fetchval(
        "SELECT body->>'zone' FROM definition_version WHERE version = $1", version
    )
    return zone
