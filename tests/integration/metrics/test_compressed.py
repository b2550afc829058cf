"""Ready to be moved to tests/integration/metrics/test_compressed.py once cramjam (or aiokafka[all]) is locked: fails without it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from schemas.wire import STRUCTURED_HEADERS
from services.runtime.partition import shard_of
from services.stack.sandbox import Sandbox
from tests.chaos.audit import Sent, audit
from tests.chaos.fleet import Fleet
from tests.chaos.site import PARTITIONS, Site
from tests.integration.metrics.partitions import event


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
async def test_what_direct_producers_compress_is_counted(sandbox: Sandbox, tmp_path: Path, codec: str) -> None:
    site, sent = await Site.on(sandbox, tmp_path), Sent()
    producer = AIOKafkaProducer(bootstrap_servers=site.brokers, compression_type=codec)
    await producer.start()
    for number in range(200):
        told = event(f"TK-{number}", 0)
        sent.add(told)
        partition = shard_of(told["partitionkey"], PARTITIONS)
        await producer.send(site.main, orjson.dumps(told), partition=partition, headers=list(STRUCTURED_HEADERS))
    await producer.stop()
    async with Fleet(tmp_path, site.environment(), size=1) as fleet:
        assert await site.converge(60) == []
        assert fleet.ends.beside() == []
    assert await audit(site.database.superuser_url, sent) == []
    await sandbox.drop(site.database)
