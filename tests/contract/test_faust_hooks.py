"""Every private part of Faust and aiokafka that `services.metrics.transport` touches exists as it was read.

When one of these fails after an upgrade: read the new source, then `services/metrics/transport.py`, then the integration
tests of the transport. The versions are pinned because these names carry no promise.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher, FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment, Subscription, SubscriptionState, TopicPartitionState
from faust.app.base import App
from faust.tables.recovery import Recovery
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import ConsumerMessage

from services.metrics import transport

PINS = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}


@pytest.mark.parametrize(("package", "version"), PINS.items())
def test_versions_are_the_ones_that_were_read(package: str, version: str) -> None:
    """Installed and declared: private parts may move with any release."""
    assert importlib.metadata.version(package) == version
    declared = Path(__file__).parents[2].joinpath("pyproject.toml").read_text(encoding="utf-8")
    assert f'"{package}=={version}"' in declared


def test_the_scheme_leads_to_our_transport() -> None:
    """The entry point `kaohe` is found by Faust's registry."""
    assert TRANSPORTS.by_url("kaohe://localhost:9092") is transport.Transport
    assert transport.Transport.Consumer is transport.Consumer


@pytest.mark.parametrize(
    ("ours", "stock", "name"),
    [
        (transport.Consumer, driver.Consumer, "perform_seek"),
        (transport.Consumer, driver.Consumer, "getmany"),
        (transport.Consumer, driver.Consumer, "on_partitions_revoked"),
        (transport.Consumer, driver.Consumer, "highwater"),
        (transport.Consumer, driver.Consumer, "verify_event_path"),
        (transport.Consumer, driver.Consumer, "_wait_next_records"),
        (transport.Consumer, driver.Consumer, "_new_consumer_thread"),
        (transport.Consumer, driver.Consumer, "_to_message"),
        (transport.Consumer, driver.Consumer, "_add_gap"),
        (transport.Consumer, driver.Consumer, "_new_offset"),
        (transport.ConsumerThread, driver.AIOKafkaConsumerThread, "__post_init__"),
        (transport.ConsumerThread, driver.AIOKafkaConsumerThread, "_create_worker_consumer"),
        (transport.ConsumerThread, driver.AIOKafkaConsumerThread, "on_start"),
        (transport.ConsumerThread, driver.AIOKafkaConsumerThread, "_commit"),
        (transport.ConsumerThread, driver.AIOKafkaConsumerThread, "_fetch_records"),
    ],
)
def test_each_override_replaces_a_method_with_the_same_parameters(ours: type, stock: type, name: str) -> None:
    """A renamed hook would silently never be called."""
    mine, theirs = getattr(ours, name), getattr(stock, name)
    assert name in vars(ours)
    assert list(inspect.signature(mine).parameters) == list(inspect.signature(theirs).parameters)
    assert inspect.iscoroutinefunction(mine) == inspect.iscoroutinefunction(theirs)
    assert inspect.isasyncgenfunction(mine) == inspect.isasyncgenfunction(theirs)


def test_every_override_is_in_the_table_above() -> None:
    """A new override must bring its pin."""
    listed = set(test_each_override_replaces_a_method_with_the_same_parameters.pytestmark[0].args[1])  # type: ignore[attr-defined]
    overrides = {
        (ours, name)
        for ours, stock in (
            (transport.Consumer, driver.Consumer),
            (transport.ConsumerThread, driver.AIOKafkaConsumerThread),
        )
        for name, member in vars(ours).items()
        if inspect.isfunction(member) and hasattr(stock, name) and name != "__init__"
    }
    assert overrides == {(ours, name) for ours, _, name in listed}


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (FetchResult, "getall", ["self", "max_records"]),
        (FetchResult, "has_more", ["self"]),
        (FetchError, "check_raise", ["self"]),
        (PartitionRecords, "_consumer_record", ["self", "tp", "record"]),
        (Fetcher, "_notify", ["self", "future"]),
        (Fetcher, "_create_fetch_waiter", ["self"]),
        (Fetcher, "fetched_records", ["self", "partitions", "timeout", "max_records"]),
        (SubscriptionState, "fetch_context", ["self"]),
        (Assignment, "state_value", ["self", "tp"]),
        (AIOKafkaConsumer, "seek", ["self", "partition", "offset"]),
        (AIOKafkaConsumer, "beginning_offsets", ["self", "partitions"]),
        (AIOKafkaConsumer, "end_offsets", ["self", "partitions"]),
        (AIOKafkaClient, "get_random_node", ["self"]),
        (driver.AIOKafkaConsumerThread, "_ensure_consumer", ["self"]),
        (driver.AIOKafkaConsumerThread, "call_thread", ["self", "fun", "args", "kwargs"]),
    ],
)
def test_each_method_that_is_called_takes_what_we_give(owner: type, name: str, parameters: list[str]) -> None:
    """Names and order of parameters as they were read."""
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (SubscriptionState, "subscription"),
        (SubscriptionState, "reassignment_in_progress"),
        (Subscription, "assignment"),
        (TopicPartitionState, "position"),
        (TopicPartitionState, "has_valid_position"),
    ],
)
def test_each_property_that_is_read_is_a_property(owner: type, name: str) -> None:
    """Read without a call."""
    assert isinstance(inspect.getattr_static(owner, name), property)


def source(owner: Any) -> str:
    return inspect.getsource(owner)


@pytest.mark.parametrize(
    ("owner", "pattern"),
    [
        # Attributes that `_create_worker_consumer` sets after construction are handed to the Fetcher when it starts.
        (AIOKafkaConsumer.start, r"fetch_max_wait_ms=self\._fetch_max_wait_ms"),
        (AIOKafkaConsumer.start, r"fetch_min_bytes=self\._fetch_min_bytes"),
        (AIOKafkaConsumer.start, r"isolation_level=self\._isolation_level"),
        (Fetcher.__init__, r"self\._prefetch_backoff = prefetch_backoff"),
        (Fetcher._proc_fetch_request, r"backoff=self\._prefetch_backoff"),
        # What `_drain` and `_take` reach into.
        (Fetcher.__init__, r"self\._records = collections\.OrderedDict\(\)"),
        (Fetcher.__init__, r"self\._wait_consume_future = None"),
        (Fetcher.__init__, r"self\._subscriptions = subscriptions"),
        (FetchResult.__init__, r"self\._partition_records = partition_records"),
        (PartitionRecords._unpack_records, r"consumer_record = self\._consumer_record\(tp, record\)"),
        (FetchResult._update_position, r"state\.consumed_to\(self\._partition_records\.next_fetch_offset\)"),
        (AIOKafkaConsumer.__init__, r"self\._subscription = SubscriptionState"),
        (AIOKafkaConsumer.seek, r"self\._fetcher\.seek_to\(partition, offset\)"),
        (Fetcher.seek_to, r"del self\._records\[tp\]"),
        # Where Faust calls the hooks: after the assignment, before the flow resumes.
        (Recovery._resume_streams, r"(?s)consumer\.perform_seek\(\).*consumer\.resume_flow\(\)"),
        (Recovery.on_recovery_completed, r"(?s)consumer\.perform_seek\(\).*consumer\.resume_flow\(\)"),
        (Recovery._restart_recovery.fun, r"except IllegalStateError"),
        (faust_consumer.Consumer.getmany, r"self\._wait_next_records\(timeout\)"),
        (faust_consumer.Consumer.getmany, r"if records is None or self\.should_stop:\s+return"),
        (faust_consumer.Consumer._filter_committable_offsets, r"self\._new_offset\(tp\)"),
        (faust_consumer.Consumer._drain_messages, r"await self\._add_gap\(tp, r_offset \+ 1, offset\)"),
        (driver.AIOKafkaConsumerThread.getmany, r"self\._fetch_records,\s+_consumer,\s+active_partitions"),
        (App.on_first_start, r"self\._create_directories\(\)"),
    ],
    ids=lambda value: getattr(value, "__qualname__", None) or str(value)[:40],
)
def test_each_place_that_was_read_still_says_so(owner: Any, pattern: str) -> None:
    """The lines that our overrides lean on."""
    assert re.search(pattern, source(owner))


@pytest.mark.parametrize("name", ["_acked", "_acked_index", "_read_offset", "_committed_offset"])
def test_the_bookkeeping_of_offsets_is_kept_where_we_clear_it(name: str) -> None:
    """Mappings by partition, made in the constructor."""
    assert re.search(rf"self\.{name} = defaultdict\(", source(faust_consumer.Consumer.__init__))


def test_a_message_can_be_made_of_a_batch() -> None:
    """Nine positional facts, then the partition and the generation."""
    parameters = list(inspect.signature(ConsumerMessage.__init__).parameters)
    assert parameters[1:10] == [
        "topic", "partition", "offset", "timestamp", "timestamp_type", "headers", "key", "value", "checksum",
    ]  # fmt: skip
    assert {"tp", "generation_id"} <= set(parameters)


def test_no_other_module_touches_private_parts() -> None:
    """All hooks live in one module, so that an upgrade has one place to look at."""
    folder = Path(transport.__file__).parent
    for module in folder.glob("*.py"):
        if module.name != "transport.py":
            text = module.read_text(encoding="utf-8")
            assert not re.search(r"\b(_fetcher|_subscription|_coordinator|_read_offset|_acked|_consumer)\b", text), (
                module
            )
