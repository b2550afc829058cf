"""Settings: one frozen class a process, read from the environment (prefix `KAOHE_`) once, at the entry point, and passed down.

Database addresses carry passwords: they are left out of every repr, and a validation error never echoes a value.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _brokers(value: str) -> str:
    """Every entry of a broker list is host:port."""
    entries = [entry.strip() for entry in value.split(",")]
    for entry in entries:
        host, _, port = entry.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError("brokers are a comma list of host:port")
    return ",".join(entries)


def _database_url(value: str) -> str:
    """Only PostgreSQL, addressed as asyncpg reads it (a Unix socket is `?host=/directory`)."""
    if not value.startswith(("postgresql://", "postgres://")):
        raise ValueError("a database address begins with postgresql://")
    return value


def _zone(value: str) -> str:
    """A zone that the time zone database knows, whole hours from UTC: figures are kept by hours of UTC, which must not straddle a local midnight."""
    try:
        zone = ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("the time zone database has no zone of this name") from error
    for year in range(2000, 2041):
        for month in range(1, 13):
            offset = datetime(year, month, 1, tzinfo=UTC).astimezone(zone).utcoffset()
            if offset is None or offset % timedelta(hours=1):
                raise ValueError(
                    "the zone's offset from UTC is not, or was not since 2000, a whole number of hours: "
                    "hours of UTC would straddle its midnight, so such zones are not supported"
                )
    return value


def _names(value: object) -> object:
    """A comma list as the environment gives it becomes a tuple; blanks drop out."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Brokers = Annotated[str, AfterValidator(_brokers)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]  # carries a password: its fields are declared repr=False
Port = Annotated[int, Field(ge=1, le=65535)]
FreePort = Annotated[int, Field(ge=0, le=65535)]  # 0 = any free port
ZoneName = Annotated[str, AfterValidator(_zone)]
TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]


class Settings(BaseSettings):
    """What every process shares: how settings are read, the zone and how loudly to log."""

    model_config = SettingsConfigDict(
        env_prefix="KAOHE_", frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    zone: ZoneName = "Asia/Shanghai"
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")


class TopicSettings(Settings):
    """Which topics carry events. Every input topic has the same number of partitions, for the shard is the partition."""

    events_topic: TopicName = "kaohe.events.v1"
    input_topics: Annotated[tuple[TopicName, ...], NoDecode] = ()  # further input topics
    partitions: int = Field(8, ge=1, le=1024)

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: object) -> object:
        if isinstance(values, dict) and "input_topics" in values:
            return values | {"input_topics": _names(values["input_topics"])}
        return values

    @property
    def topics(self) -> tuple[str, ...]:
        """All input topics, the main one first, each once."""
        return tuple(dict.fromkeys((self.events_topic, *self.input_topics)))


class KafkaSettings(TopicSettings):
    """A process that talks to Kafka. `kafka_brokers` is a comma list of host:port."""

    kafka_brokers: Brokers


class DatabaseSettings(Settings):
    """A process that talks to PostgreSQL as the application's role."""

    database_url: DatabaseUrl = Field(repr=False)


class OwnerSettings(Settings):
    """Migrations only: PostgreSQL as the role that owns the tables."""

    owner_database_url: DatabaseUrl = Field(repr=False)


class IngestSettings(KafkaSettings, DatabaseSettings):
    """The gateway: keys and sources are read from PostgreSQL, events go to Kafka."""

    ingest_host: str = "127.0.0.1"
    ingest_port: FreePort = 8101


class MetricsSettings(KafkaSettings, DatabaseSettings):
    """A metrics worker. Its health port may be 0 (any free one, written to the log)."""

    consumer_group: str = Field("kaohe-metrics", min_length=1)
    metrics_host: str = "127.0.0.1"
    metrics_port: FreePort = 0
    port_file: Path | None = None  # the port that was taken is written here
    session_timeout_seconds: float = Field(6.0, ge=1, le=60)  # how long a dead worker keeps its partitions
    fetch_max_wait_ms: int = Field(20, ge=1, le=1000)  # how long the broker may wait for a record
    partition_fetch_bytes: int = Field(4 * 1024 * 1024, ge=1024 * 1024)
    batch_events: int = Field(8_000, ge=1, le=50_000)  # most events of one transaction
    batch_concurrency: int = Field(4, ge=1, le=64)  # transactions at a time
    drain_seconds: float = Field(20.0, gt=0)  # after SIGTERM; then the process ends anyway
    stall_seconds: float = Field(60.0, gt=0)  # records waiting and no progress: the worker is not live any more
    checkpoint_seconds: float = Field(60.0, gt=0)
    doubles_seconds: float = Field(2.0, gt=0)
    testing: bool = False
    test_disable: Annotated[tuple[str, ...], NoDecode] = ()  # guards to remove, for the chaos test's negative controls
    test_faults: Annotated[tuple[str, ...], NoDecode] = ()  # faults that the chaos test may order by signal

    @field_validator("test_disable", "test_faults", mode="before")
    @classmethod
    def _split_guards(cls, value: object) -> object:
        return _names(value)


class ApiSettings(KafkaSettings, DatabaseSettings):
    """The API: reads PostgreSQL; asks Kafka only for the ends of the log when a period is frozen."""

    api_host: str = "127.0.0.1"
    api_port: FreePort = 8100
    consumer_group: str = Field("kaohe-metrics", min_length=1)


class StackSettings(TopicSettings):
    """The launcher without Docker. A given address means: use that server, start none."""

    home: Path = Path(".kaohe")
    kafka_brokers: Brokers | None = None
    database_url: DatabaseUrl | None = Field(None, repr=False)
    owner_database_url: DatabaseUrl | None = Field(None, repr=False)
    kafka_port: FreePort = 0
    kafka_heap_mb: int = Field(384, ge=128)
    postgres_port: FreePort = 0  # 0: the Unix socket only
    ingest_host: str = "127.0.0.1"
    ingest_port: Port = 8101
    api_host: str = "127.0.0.1"
    api_port: Port = 8100
    consumer_group: str = Field("kaohe-metrics", min_length=1)
    metrics_workers: int = Field(2, ge=1, le=64)
    min_free_mb: int = Field(2048, ge=0)  # `kaohe up` refuses to start with less free disk

    @model_validator(mode="after")
    def _existing_database_needs_both_roles(self) -> Self:
        if (self.database_url is None) != (self.owner_database_url is None):
            raise ValueError(
                "KAOHE_DATABASE_URL and KAOHE_OWNER_DATABASE_URL go together: migrations run as the owner, everything else as the application"
            )
        return self
