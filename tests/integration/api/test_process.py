"""`python -m services.api` serves, says when it is ready, and ends on SIGTERM with streams open."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import httpx

from services.runtime.security import Scope
from tests.integration.api.site import Site


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_the_process_serves_and_ends(site: Site) -> None:
    """Within its grace, with code 0."""
    port = free_port()
    environment = os.environ | {
        "KAOHE_DATABASE_URL": site.database.app_url,
        "KAOHE_KAFKA_BROKERS": "127.0.0.1:1",
        "KAOHE_API_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.api", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    headers = {"Authorization": f"Bearer {site.keys[Scope.READ]}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        async with asyncio.timeout(60):
            while not await ready(client):  # noqa: ASYNC110 - another process: there is nothing to wait for but its answer
                await asyncio.sleep(0.1)
        assert (await client.get("/v1/kpis")).status_code == 200
        assert "kaohe_api_request_seconds" in (await client.get("/metrics")).text
        async with client.stream("GET", "/v1/stream", params={"id": "A"}) as stream:
            assert stream.status_code == 200
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                assert await process.wait() == 0


async def test_another_zone_than_the_databases_is_refused_at_the_start(site: Site) -> None:
    """With one line that says what to do, and a code that is not 0."""
    environment = os.environ | {
        "KAOHE_DATABASE_URL": site.database.app_url,
        "KAOHE_KAFKA_BROKERS": "127.0.0.1:1",
        "KAOHE_API_PORT": str(free_port()),
        "KAOHE_ZONE": "Europe/Berlin",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.api", env=environment, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode
    (line,) = [line for line in output.decode().splitlines() if "api.refused" in line]
    assert "set KAOHE_ZONE=Asia/Shanghai, or begin a new database" in line


async def ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False
