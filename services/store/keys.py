"""API keys as they are kept: by prefix, with the hash of the secret. Repositories never commit: the transaction is the caller's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import asyncpg

from services.runtime.security import ANY_SOURCE, ApiKey, KeysUnavailable, NewKey, Scope, new_key

TOUCH_EVERY: Final = timedelta(minutes=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BOOTSTRAP_LOCK: Final = 0x6B616F6865  # "kaohe": two processes must not both find the table empty


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key as a list shows it."""

    key: ApiKey
    created_at: datetime
    last_used_at: datetime | None


async def create(
    connection: asyncpg.Connection,
    *,
    label: str,
    scopes: Sequence[Scope],
    sources: Sequence[str],
    expires_at: datetime | None = None,
) -> NewKey:
    """Store a fresh key; its plain form is in the answer and nowhere else."""
    made = new_key()
    await connection.execute(
        """INSERT INTO api_key (key_id, prefix, secret_hash, label, scopes, sources, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        made.key_id,
        made.prefix,
        made.secret_hash,
        label,
        [scope.value for scope in scopes],
        list(sources),
        expires_at,
    )
    return made


async def find(connection: asyncpg.Connection, prefix: str) -> ApiKey | None:
    """Return the key with this prefix, whether in force or not."""
    row = await connection.fetchrow("SELECT * FROM api_key WHERE prefix = $1", prefix)
    return None if row is None else _key(row)


async def touch(connection: asyncpg.Connection, key_id: str) -> None:
    """Note that the key is in use, at most once a minute."""
    await connection.execute(
        """UPDATE api_key SET last_used_at = clock_timestamp()
           WHERE key_id = $1 AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - $2::interval)""",
        key_id,
        TOUCH_EVERY,
    )


async def listed(connection: asyncpg.Connection) -> list[ListedKey]:
    """All keys, the oldest first."""
    rows = await connection.fetch("SELECT * FROM api_key ORDER BY created_at, key_id")
    return [ListedKey(_key(row), row["created_at"], row["last_used_at"]) for row in rows]


async def revoke(connection: asyncpg.Connection, key_or_prefix: str) -> ApiKey | None:
    """End a key for good; returns it, or None when there is none by this id or prefix. A second time changes nothing."""
    row = await connection.fetchrow(
        """UPDATE api_key SET revoked_at = coalesce(revoked_at, clock_timestamp())
           WHERE key_id = $1 OR prefix = $1 RETURNING *""",
        key_or_prefix,
    )
    return None if row is None else _key(row)


async def ensure_bootstrap_key(connection: asyncpg.Connection) -> str | None:
    """Make the first key, with all scopes and all sources; returns its plain form once, None when there are keys already.

    Call it inside a transaction: the lock that keeps a second process from making another lasts until its end.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _BOOTSTRAP_LOCK)
    if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM api_key)"):
        return None
    made = await create(connection, label="bootstrap", scopes=list(Scope), sources=[ANY_SOURCE])
    return made.plain


# The last one is what asyncpg says when the server ends the connection in the very moment of a query.
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class KeyTable:
    """Looks keys up through a pool, for a Keyring; notes their use on the way."""

    def __init__(self, pool: asyncpg.Pool, *, timeout_seconds: float = 3.0) -> None:
        self._pool = pool
        self._timeout = timeout_seconds

    async def find(self, prefix: str) -> ApiKey | None:
        """Return the key with this prefix. Raises KeysUnavailable when the database does not answer in time."""
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._pool.acquire() as proxy,
                proxy.transaction(),
            ):
                connection = cast("asyncpg.Connection", proxy)
                key = await find(connection, prefix)
                if key is not None:
                    await touch(connection, key.key_id)
                return key
        except AWAY as fault:
            raise KeysUnavailable(f"{type(fault).__name__}: {fault}") from fault


def _key(row: Any) -> ApiKey:
    return ApiKey(
        key_id=row["key_id"],
        prefix=row["prefix"],
        secret_hash=row["secret_hash"],
        label=row["label"],
        scopes=frozenset(row["scopes"]),
        sources=tuple(row["sources"]),
        expires_ms=_epoch_ms(row["expires_at"]),
        revoked_ms=_epoch_ms(row["revoked_at"]),
    )


def _epoch_ms(instant: datetime | None) -> int | None:
    return None if instant is None else (instant - _EPOCH) // timedelta(milliseconds=1)
