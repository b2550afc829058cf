"""What a request may use: the ways to PostgreSQL, the clock, the definitions in force. Built once by the app's lifespan."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, cast

import asyncpg
from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.kpis.rosters import Rosters
from services.core.kpi.definitions import Definitions
from services.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Context:
    """One process's means. `pool` serves figures and commands, `engine` the listings.

    A pool hands out proxies that behave as connections without being of their type: hence the casts.
    """

    pool: asyncpg.Pool
    engine: AsyncEngine
    clock: Clock
    definitions: Definitions
    rosters: Rosters = field(default_factory=Rosters)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[asyncpg.Connection]:
        """A short transaction in which every statement sees one state of the database and none may write."""
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield cast("asyncpg.Connection", connection)

    @staticmethod
    def plain(pooled: object) -> asyncpg.Connection:
        """A pool's proxy as the connection that it behaves as."""
        return cast("asyncpg.Connection", pooled)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[asyncpg.Connection]:
        """One request, one transaction: everything is written or nothing."""
        async with self.pool.acquire() as connection, connection.transaction():
            yield cast("asyncpg.Connection", connection)


def context_of(request: Request) -> Context:
    """The context of the app that serves this request."""
    return cast("Context", request.app.state.context)


Ctx = Annotated[Context, Depends(context_of)]
