"""A key belongs to the partition that Java's default partitioner gives it."""

import random

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2

from services.runtime.partition import murmur2, shard_of

# org.apache.kafka.common.utils.UtilsTest, testMurmur2
VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "signed"), VECTORS.items())
def test_the_hash_is_that_of_the_java_client(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF


def test_the_hash_and_the_partition_are_those_of_aiokafka() -> None:
    rng = random.Random(20261008)
    partitioner = DefaultPartitioner()
    for _ in range(5_000):
        key = rng.randbytes(rng.randrange(40))
        assert murmur2(key) == aiokafka_murmur2(key) & 0xFFFFFFFF
        text = f"单-{rng.randrange(10**9)}"
        assert shard_of(text, 8) == partitioner(text.encode(), list(range(8)), list(range(8)))
