"""Bring the database to the schema of this release: `python -m services.store.migrate`.

Runs as the owner (KAOHE_OWNER_DATABASE_URL); the application's role may not change the schema.
"""

import asyncio
import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine


def alembic_config() -> Config:
    """Return Alembic's configuration: the scripts of this package, no ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _upgrade(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def migrate(owner_url: str) -> None:
    """Upgrade to head; a database already there is left as it is. One migration runs at a time (advisory lock)."""
    engine = create_async_engine(owner_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.connect() as connection:
            await connection.exec_driver_sql("SELECT pg_advisory_lock(hashtext('kaohe.migrate'))")
            await connection.commit()
            await connection.run_sync(_upgrade)
            await connection.commit()
    finally:
        await engine.dispose()


def main() -> int:
    """Migrate the database that the environment names; returns the exit code."""
    url = os.environ.get("KAOHE_OWNER_DATABASE_URL", "")
    if not url:
        print("KAOHE_OWNER_DATABASE_URL is not set: migrations run as the owner of the database.", file=sys.stderr)  # noqa: T201
        return 2
    asyncio.run(migrate(url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
