"""How far the metrics are behind the log: PostgreSQL's positions against Kafka's ends (the group's commits do not count)."""

from collections.abc import Mapping

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.store.heads import positions


async def lag_by_topic(environment: Mapping[str, str]) -> dict[str, int]:
    """Log positions not yet in PostgreSQL, by topic. Raises what aiokafka and asyncpg raise when they are away."""
    further = environment.get("KAOHE_INPUT_TOPICS", "").split(",")
    topics = [topic for topic in (environment["KAOHE_EVENTS_TOPIC"], *further) if topic]
    async with AIOKafkaConsumer(bootstrap_servers=environment["KAOHE_KAFKA_BROKERS"], request_timeout_ms=5000) as kafka:
        partitions = [
            TopicPartition(topic, number) for topic in topics for number in range(int(environment["KAOHE_PARTITIONS"]))
        ]
        starts = await kafka.beginning_offsets(partitions)
        ends = await kafka.end_offsets(partitions)
    connection = await asyncpg.connect(environment["KAOHE_DATABASE_URL"], timeout=5)
    try:
        stored = await positions(connection, [(partition.topic, partition.partition) for partition in partitions])
    finally:
        await connection.close()
    lag = dict.fromkeys(topics, 0)
    for partition in partitions:
        known = stored[(partition.topic, partition.partition)]
        lag[partition.topic] += ends[partition] - (starts[partition] if known is None else known.position)
    return lag
