"""Which partition a key belongs to: murmur2 exactly as Kafka's Java client computes it.

librdkafka's default partitioner is another one, so the partition is always computed from the event and stated explicitly.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """The 32-bit hash of Kafka's DefaultPartitioner, as an unsigned integer.

    >>> hex(murmur2(b"21"))
    '0xc5f2f8ec'
    """
    length = len(key)
    hashed = (_SEED ^ length) & _MASK
    whole = length & ~3
    for (k,) in struct.iter_unpack("<I", key[:whole]):
        k = (k * _M) & _MASK  # noqa: PLW2901 - the algorithm's own variable
        k = ((k ^ (k >> 24)) * _M) & _MASK  # noqa: PLW2901
        hashed = ((hashed * _M) & _MASK) ^ k
    if length & 3:
        hashed = ((hashed ^ int.from_bytes(key[whole:], "little")) * _M) & _MASK
    hashed = ((hashed ^ (hashed >> 13)) * _M) & _MASK
    return hashed ^ (hashed >> 15)


@lru_cache(maxsize=65_536)  # the events of a case come close together
def shard_of(partitionkey: str, partitions: int) -> int:
    """The partition, 0 … partitions - 1, that a case's events belong to."""
    return (murmur2(partitionkey.encode()) & 0x7FFFFFFF) % partitions
