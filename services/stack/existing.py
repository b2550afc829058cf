"""Servers that are already there: do they answer, do they let us in, are they new enough?"""

import asyncio
from contextlib import suppress

import asyncpg

from services.stack.errors import Unreachable, WrongVersion
from services.stack.kafka_probe import METADATA, api_versions
from services.stack.postgres import public_address

POSTGRES_MINIMUM = 15
METADATA_WITH_TOPIC_IDS = 10  # Kafka 2.8: a recreated topic can be told from the old one


def check_kafka(brokers: str, timeout_seconds: float = 5.0) -> None:
    """Raise Unreachable when no broker of the list answers, WrongVersion when the first that does is too old."""
    for entry in brokers.split(","):
        host, _, port = entry.rpartition(":")
        spoken = api_versions(host, int(port), timeout_seconds)
        if spoken is None:
            continue
        if spoken.get(METADATA, (0, 0))[1] < METADATA_WITH_TOPIC_IDS:
            raise WrongVersion(
                f"the Kafka at {entry} is older than 2.8",
                "upgrade it, or unset KAOHE_KAFKA_BROKERS so that Kaohe starts its own",
            )
        return
    raise Unreachable(
        f"no Kafka broker answers at {brokers}",
        "start it, correct KAOHE_KAFKA_BROKERS, or unset it so that Kaohe starts its own",
    )


async def check_database(url: str, setting: str, timeout_seconds: float = 5.0) -> None:
    """Raise Unreachable or WrongVersion, naming the setting that holds the address; the password is never shown."""
    where = public_address(url)
    try:
        connection = await asyncpg.connect(url, timeout=timeout_seconds)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        reason = str(error).strip() or type(error).__name__
        raise Unreachable(
            f"PostgreSQL at {where} cannot be used ({reason})", f"start or correct what {setting} names"
        ) from error
    try:
        number = int(await connection.fetchval("SHOW server_version_num"))
    finally:
        with suppress(OSError, asyncpg.PostgresError, asyncio.TimeoutError):
            await connection.close(timeout=timeout_seconds)
    if number < POSTGRES_MINIMUM * 10_000:
        raise WrongVersion(
            f"PostgreSQL at {where} is version {number // 10_000}",
            f"use {POSTGRES_MINIMUM} or newer, or unset {setting} so that Kaohe starts its own",
        )
