"""Ways to PostgreSQL: an asyncpg pool for bulk and hot paths, an SQLAlchemy engine for the API's reads.

Both take the address that settings give (`postgresql://…`, a Unix socket as `?host=/directory`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

STATEMENT_TIMEOUT_SECONDS = 30
# A frozen process must not hold a shard's lock: PostgreSQL ends its transaction, and the next worker goes on.
LOCK_TIMEOUTS = {"idle_in_transaction_session_timeout": "10s", "lock_timeout": "15s", "tcp_keepalives_idle": "10"}


async def create_pool(
    url: str, *, size: int = 10, statement_timeout_seconds: float = STATEMENT_TIMEOUT_SECONDS
) -> asyncpg.Pool:
    """Open a pool of at most `size` connections. Raises OSError or asyncpg.PostgresError when nobody answers.

    Instants travel as epoch milliseconds or timestamptz, so the session's zone is pinned to UTC.
    """
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        command_timeout=statement_timeout_seconds,
        server_settings={"timezone": "UTC", "application_name": "kaohe", **LOCK_TIMEOUTS},
        init=_let_go_when_severed,
    )


async def _let_go_when_severed(connection: asyncpg.Connection) -> None:
    """Make a COPY fail when its connection is cut.

    asyncpg 0.31 waits in COPY, without a limit, for a socket that takes more bytes; when the connection is lost meanwhile
    nobody wakes it (measured: four of four COPY of 5 MB hung for good under pg_terminate_backend). Woken, it finds out.
    """
    protocol = connection._protocol  # type: ignore[attr-defined]  # noqa: SLF001 - the public way would be to cancel the task
    connection.add_termination_listener(lambda _: protocol.resume_writing())


def create_engine(url: str, *, size: int = 10) -> AsyncEngine:
    """An engine over asyncpg; connections open on first use."""
    return create_async_engine(
        engine_url(url),
        pool_size=size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={
            "command_timeout": STATEMENT_TIMEOUT_SECONDS,
            "server_settings": {"timezone": "UTC", "application_name": "kaohe-api"},
        },
    )


def engine_url(url: str) -> URL:
    """The same address in SQLAlchemy's words.

    >>> engine_url("postgresql://app@/kaohe?host=/run/pg&port=5433").render_as_string()
    'postgresql+asyncpg://app@/kaohe?host=%2Frun%2Fpg&port=5433'
    """
    parts = urlsplit(url)
    return URL.create(
        "postgresql+asyncpg",
        username=_unquoted(parts.username),
        password=_unquoted(parts.password),
        host=parts.hostname,
        port=parts.port,
        database=parts.path.lstrip("/") or None,
        query=dict(parse_qsl(parts.query)),
    )


def _unquoted(text: str | None) -> str | None:
    return unquote(text) if text else None


@asynccontextmanager
async def one_view(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A short read-only transaction in which every statement sees one state of the database."""
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with connection.begin():
            yield connection
