"""`kaohe up` with servers that are already there, in the foreground: it starts its own processes and no server."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from services.stack.ports import free_port
from services.stack.sandbox import Database, Sandbox
from services.stack.state import read_state


def start(environment: dict[str, str]) -> "subprocess.Popen[str]":
    """Start the command; its two streams are one."""
    command = [sys.executable, "-u", "-m", "services.cli.main", "up", "--foreground"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
async def up(sandbox: Sandbox, database: Database, tmp_path: Path) -> "AsyncIterator[subprocess.Popen[str]]":
    """The command in the foreground, on this session's Kafka and a database of its own."""
    topic = await sandbox.topic(2)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KAOHE_")}
    environment = kept | {
        "KAOHE_HOME": str(tmp_path),
        "KAOHE_KAFKA_BROKERS": sandbox.kafka.brokers,
        "KAOHE_DATABASE_URL": database.app_url,
        "KAOHE_OWNER_DATABASE_URL": database.owner_url,
        "KAOHE_EVENTS_TOPIC": topic,
        "KAOHE_PARTITIONS": "2",
        "KAOHE_CONSUMER_GROUP": topic,
        "KAOHE_METRICS_WORKERS": "1",
        "KAOHE_API_PORT": str(free_port()),
        "KAOHE_INGEST_PORT": str(free_port()),
        "COLUMNS": "300",
    }
    process = start(environment)
    yield process
    process.kill()
    process.communicate()


def lines_until(process: "subprocess.Popen[str]", words: str, seconds: float = 120) -> str:
    """Read what the command says until it says some words; fails when it ends or takes too long."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    read = ""
    assert process.stdout is not None
    for line in process.stdout:
        read += line
        if words in line:
            timer.cancel()
            return read
    raise AssertionError(read)


async def test_existing_servers_are_used_and_left_alone(
    up: "subprocess.Popen[str]", sandbox: Sandbox, database: Database, tmp_path: Path
) -> None:
    said = lines_until(up, "Ctrl-C stops the stack")
    state = read_state(tmp_path)
    assert state is not None
    assert [process.name for process in state.processes] == ["ingest", "metrics-1", "api"]
    assert sandbox.kafka.brokers in said
    assert "API key" in said
    children = [psutil.Process(process.pid) for process in state.processes]
    up.send_signal(signal.SIGINT)
    rest, _ = up.communicate(timeout=60)
    assert up.returncode == 0
    assert "Stopped." in rest
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert sandbox.kafka.running
    assert sandbox.postgres.running
    assert not (tmp_path / "kafka").exists()
    assert not (tmp_path / "postgres").exists()
    connection = await asyncpg.connect(database.app_url)
    assert await connection.fetchval("SELECT count(*) FROM api_key") == 1
    await connection.close()
