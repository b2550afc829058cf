"""Kaohe's own processes as children: the gateway, the metrics workers, the API. Healthy means that `/readyz` says so."""

import http.client
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import services
from services.runtime.settings import StackSettings
from services.stack.child import Command
from services.stack.ports import free_port
from services.stack.server import Server

HEALTH_SECONDS = 2.0


class Worker(Server):
    """One process of ours, `python -m module`; `port` 0 = a free one at every start."""

    grace_seconds = 30.0  # the services drain within 25 s by themselves
    start_seconds = 90.0

    def __init__(
        self,
        name: str,
        module: str,
        *,
        home: Path,
        environment: Mapping[str, str],
        port_setting: str,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(home, home / "logs" / f"{name}.log")
        self.name = name
        self.module = module
        self.host = host
        self._asked_port = port
        self.port = port
        self._port_setting = port_setting
        self._environment = environment

    @property
    def url(self) -> str:
        """Where it listens, as a client on this machine writes it."""
        host = _reachable(self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def prepare(self) -> None:
        """Nothing: it keeps no data."""

    def command(self) -> Command:
        """`python -m module`, with the stack's environment and its own port."""
        self.port = self._asked_port or free_port()
        environment = {**self._environment, self._port_setting: str(self.port)}
        return Command([sys.executable, "-m", self.module], environment, self.log, cwd=self.home)

    def answers(self) -> bool:
        """Whether it is ready for its clients."""
        return self._get("/readyz")

    def lives(self) -> bool:
        """Whether its event loop turns; not being ready is no reason to kill it."""
        return self._get("/livez")

    @property
    def address(self) -> str:
        """Where it listens; nothing before its first start when the port is free to choose."""
        return self.url if self.port else ""

    def _get(self, path: str) -> bool:
        """Whether a request is answered with 200. The standard library's client: a check every second must cost nothing."""
        connection = http.client.HTTPConnection(_reachable(self.host), self.port, timeout=HEALTH_SECONDS)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _reachable(host: str) -> str:
    """The address at which a client on this machine finds a server bound to `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # read, not bound


def child_environment(settings: StackSettings, brokers: str, database_url: str) -> dict[str, str]:
    """What our processes find in their environment: the stack's addresses, and no owner's password."""
    own = {
        "KAOHE_HOME": str(settings.home.absolute()),
        "KAOHE_KAFKA_BROKERS": brokers,
        "KAOHE_DATABASE_URL": database_url,
        "KAOHE_ZONE": settings.zone,
        "KAOHE_EVENTS_TOPIC": settings.events_topic,
        "KAOHE_INPUT_TOPICS": ",".join(settings.input_topics),
        "KAOHE_PARTITIONS": str(settings.partitions),
        "KAOHE_CONSUMER_GROUP": settings.consumer_group,
        "KAOHE_INGEST_HOST": settings.ingest_host,
        "KAOHE_INGEST_PORT": str(settings.ingest_port),
        "KAOHE_API_HOST": settings.api_host,
        "KAOHE_API_PORT": str(settings.api_port),
        "KAOHE_LOG_LEVEL": settings.log_level,
    }
    root = str(Path(services.__file__).parents[1])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    inherited = {key: value for key, value in os.environ.items() if key != "KAOHE_OWNER_DATABASE_URL"}
    return inherited | own | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def workers(settings: StackSettings, environment: Mapping[str, str]) -> list[Worker]:
    """The processes of a stack, in the order of their start."""
    home = settings.home.absolute()
    metrics = [
        Worker(
            f"metrics-{number}",
            "services.metrics",
            home=home,
            environment=environment,
            port_setting="KAOHE_METRICS_PORT",
        )
        for number in range(1, settings.metrics_workers + 1)
    ]
    ingest = Worker(
        "ingest",
        "services.ingest",
        home=home,
        environment=environment,
        port_setting="KAOHE_INGEST_PORT",
        host=settings.ingest_host,
        port=settings.ingest_port,
    )
    api = Worker(
        "api",
        "services.api",
        home=home,
        environment=environment,
        port_setting="KAOHE_API_PORT",
        host=settings.api_host,
        port=settings.api_port,
    )
    return [ingest, *metrics, api]
