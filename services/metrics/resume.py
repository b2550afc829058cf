"""Where to go on reading: the stored position against the log as the broker has it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from services.metrics.errors import LogCut, LogExpired, TopicRecreated
from services.store.heads import StoredPosition


@dataclass(frozen=True, slots=True)
class Log:
    """A partition as the broker has it: offsets [start, end), end as a read_committed reader sees it; None = id unknown."""

    start: int
    end: int
    topic_id: str | None


def resume_at(topic: str, partition: int, stored: StoredPosition, log: Log) -> int:
    """Return the position to go on from.

    Raises TopicRecreated when the log is another one, LogCut when it ends below us, LogExpired when it starts above us.
    Kafka's committed offset plays no part: only what PostgreSQL committed was counted.
    """
    where = f"{topic}[{partition}], stored position {stored.position}"
    if stored.topic_id is not None and log.topic_id is not None and stored.topic_id != log.topic_id:
        raise TopicRecreated(f"{where}, topic id {stored.topic_id} became {log.topic_id}")
    if stored.position > log.end:
        raise LogCut(f"{where}, log ends at {log.end}")
    if stored.position < log.start:
        raise LogExpired(f"{where}, log starts at {log.start}")
    return stored.position
