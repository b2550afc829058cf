"""Servers of the chaos tests alone: they restart the broker under everybody's feet."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator

import pytest

from services.stack.sandbox import Sandbox


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    """A broker and a PostgreSQL, started when first used."""
    with Sandbox() as servers:
        yield servers


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print although pytest captures: a seed must be read where the test ran, failed or not."""

    def write(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\nchaos: {text}")

    return write


@pytest.fixture(autouse=True)
def _quiet_clients() -> None:
    """What aiokafka says of a broker that is away on purpose would bury what failed."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
