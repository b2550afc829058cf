"""Borrow a connection from the pool."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import asyncpg


@asynccontextmanager
async def borrow(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection of the pool and give it back, clean of locks and settings.

    The pool hands out a proxy that forwards everything; its stubs do not say so, hence the one cast.
    """
    async with pool.acquire() as proxy:
        yield cast("asyncpg.Connection", proxy)
