"""Topics as declared: create what is missing, verify what is there, never change the number of partitions.

The shard of a case is its partition, so another number of partitions would scatter the cases: that is a rebuild, not a
setting. Topics are created here and nowhere else (brokers and Faust must not create them with defaults of their own).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

TOPIC_ALREADY_EXISTS = 36
VISIBLE_ATTEMPTS = 300  # a tenth of a second each
FATAL_SETTINGS = frozenset({"cleanup.policy"})  # compaction would drop events: not a matter of taste


class Declared(Protocol):
    """What a topic registry says of a topic."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def partitions(self) -> int:
        """Number of partitions."""
        ...

    @property
    def config(self) -> Mapping[str, str]:
        """Kafka's settings of the topic, by Kafka's names."""
        ...


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What was found or done. `differences`: setting -> (declared, found); such settings are left to the cluster's owner."""

    name: str
    partitions: int
    created: bool
    differences: Mapping[str, tuple[str, str | None]]


class TopicError(Exception):
    """The topics cannot be brought to what is declared."""


class PartitionsDiffer(TopicError):  # noqa: N818  # the base says that it is an error
    """A topic exists with another number of partitions."""

    def __init__(self, name: str, declared: int, found: int) -> None:
        super().__init__(
            f"topic {name} has {found} partitions, {declared} are declared: a case belongs to the partition of its key, so "
            f"the number is never changed; set KAOHE_PARTITIONS={found}, or rebuild from the ledger into a new topic"
        )


async def ensure_topics(brokers: str, declared: Sequence[Declared], *, create: bool = True) -> list[TopicReport]:
    """Create missing topics and verify the others, in the order given.

    With `create=False` a missing topic is an error. Raises TopicError; aiokafka's errors when no broker answers.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        found = await _partitions(admin)
        for spec in declared:
            if spec.name in found and found[spec.name] != spec.partitions:
                raise PartitionsDiffer(spec.name, spec.partitions, found[spec.name])
        missing = [spec for spec in declared if spec.name not in found]
        if missing and not create:
            raise TopicError(f"no topic {', '.join(spec.name for spec in missing)}: create it with `kaohe topics`")
        await _create(admin, missing)
        await _visible(admin, missing)
        return [await _report(admin, spec, created=spec in missing) for spec in declared]
    finally:
        await admin.close()


async def _partitions(admin: Any) -> dict[str, int]:
    """Partitions by topic, of the topics whose every partition has a leader."""
    topics = await admin.describe_topics()
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in topics
        if topic["partitions"] and all(partition["error_code"] == 0 for partition in topic["partitions"])
    }


async def _create(admin: Any, missing: Sequence[Declared]) -> None:
    if not missing:
        return
    brokers = len((await admin.describe_cluster())["brokers"])
    replicas = min(3, brokers)
    safety = {"min.insync.replicas": str(max(1, replicas - 1))}
    topics = [
        NewTopic(spec.name, spec.partitions, replicas, topic_configs={**safety, **spec.config}) for spec in missing
    ]
    answer = await admin.create_topics(topics)
    for name, code, message in answer.topic_errors:
        if code not in (
            0,
            TOPIC_ALREADY_EXISTS,
        ):  # somebody else may have been quicker; theirs is verified like any other
            raise TopicError(f"topic {name} could not be created: {message or f'Kafka error {code}'}")


async def _visible(admin: Any, created: Sequence[Declared]) -> None:
    """Wait until the broker that we ask knows the new topics: the controller answers before the others have heard."""
    for _ in range(VISIBLE_ATTEMPTS):
        found = await _partitions(admin)
        if all(spec.name in found for spec in created):
            break
        await asyncio.sleep(0.1)
    else:
        raise TopicError(f"the new topics did not appear within {VISIBLE_ATTEMPTS // 10} s")
    for spec in created:
        if found[spec.name] != spec.partitions:
            raise PartitionsDiffer(spec.name, spec.partitions, found[spec.name])


async def _report(admin: Any, spec: Declared, *, created: bool) -> TopicReport:
    wanted = dict.fromkeys(spec.config)
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, spec.name, configs=wanted)])
    found = {entry[0]: entry[1] for answer in answers for resource in answer.resources for entry in resource[4]}
    differences = {key: (value, found.get(key)) for key, value in spec.config.items() if found.get(key) != value}
    for key in FATAL_SETTINGS & differences.keys():
        declared, actual = differences[key]
        raise TopicError(f"topic {spec.name} has {key}={actual}, but Kaohe needs {declared}: events would get lost")
    return TopicReport(spec.name, spec.partitions, created, differences)
