"""The tables as SQLAlchemy sees them, for reads composed at run time. The migrations define them; here stand the columns that are read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()


def _instant(name: str) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=False)


shard_head = Table(
    "shard_head",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("core_version", Integer, nullable=False),
    _instant("recorded_at"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("case_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("appended_ms", BigInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("kafka_offset", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

cases = Table(
    "cases",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("case_id", Text, primary_key=True),
    Column("state", LargeBinary, nullable=False),
    Column("posted", LargeBinary, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("core_version", Integer, nullable=False),
    Column("listed", Integer, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    _instant("recorded_at"),
    Column("case_id", Text, nullable=False),
    Column("engineer", Text, nullable=False),
    Column("measure", Text, nullable=False),
    Column("dim", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("book_ms", BigInteger, nullable=False),
    Column("value", BigInteger, nullable=False),
    Column("n", Integer, nullable=False),
    Column("cause_source", Text, nullable=False),
    Column("cause_id", Text, nullable=False),
)


bucket = Table(
    "bucket",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("engineer", Text, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("dim", Text, primary_key=True),
    Column("book", Date, primary_key=True),
    Column("slot_ms", BigInteger, primary_key=True),
    Column("hours", SmallInteger, primary_key=True),
    Column("bin", SmallInteger, primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("value", BigInteger, nullable=False),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("checkpoint_id", BigInteger, primary_key=True),
    _instant("recorded_at"),
    Column("reason", Text, nullable=False),
    Column("cutoff", JSONB, nullable=False),
)

roster_version = Table(
    "roster_version",
    metadata,
    Column("version", BigInteger, primary_key=True),
    _instant("recorded_at"),
    Column("author", Text, nullable=False),
    Column("note", Text, nullable=False),
)

roster_record = Table(
    "roster_record",
    metadata,
    Column("version", BigInteger, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("removed", Boolean, nullable=False),
    Column("body", JSONB, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", BigInteger, primary_key=True),
    _instant("recorded_at"),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("body", JSONB, nullable=False),
)

source_seen = Table(
    "source_seen",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("source", Text, primary_key=True),
    _instant("first_seen"),
    _instant("last_seen"),
    Column("last_time_ms", BigInteger, nullable=False),
    Column("last_appended_ms", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
)

conflict = Table(
    "conflict",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    _instant("recorded_at"),
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("case_id", Text, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("kafka_offset", BigInteger, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

conflict_transition = Table(
    "conflict_transition",
    metadata,
    Column("shard", SmallInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("ordinal", Integer, nullable=False),
    _instant("recorded_at"),
    Column("state", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("kafka_offset", BigInteger, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    _instant("recorded_at"),
    Column("appended_ms", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("pointer", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("key", LargeBinary),
    Column("value", LargeBinary),
    Column("headers", JSONB, nullable=False),
)

quarantine_transition = Table(
    "quarantine_transition",
    metadata,
    Column("shard", SmallInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("kafka_offset", BigInteger, nullable=False),
    _instant("recorded_at"),
    Column("state", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

misrouted = Table(
    "misrouted",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("kafka_offset", BigInteger, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    _instant("recorded_at"),
    Column("target_shard", SmallInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("case_id", Text, nullable=False),
)

double_found = Table(
    "double_found",
    metadata,
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("kept_shard", SmallInteger, nullable=False),
    Column("kept_case", Text, nullable=False),
    Column("withdrawn_shard", SmallInteger, primary_key=True),
    Column("withdrawn_case", Text, nullable=False),
    _instant("recorded_at"),
)
