"""Ports on the loopback: which are free, and who holds one that is not."""

import random
import socket
from pathlib import Path

LOWEST, HIGHEST = 20000, 32000  # below the range from which systems hand out ports for outgoing connections


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free now. Random, so that stacks started side by side rarely meet."""
    choice = random.SystemRandom()
    for _ in range(1000):
        port = choice.randrange(LOWEST, HIGHEST)
        if is_free(port, host):
            return port
    raise OSError(f"no free port between {LOWEST} and {HIGHEST}")


def holder(port: int) -> str | None:
    """Who listens on a port, as "name (pid 1234)"; None when the system does not tell."""
    import psutil  # noqa: PLC0415  # only needed to word an error

    try:
        for connection in psutil.net_connections("tcp"):
            listening = connection.status == psutil.CONN_LISTEN and getattr(connection.laddr, "port", None) == port
            if listening and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.Error, OSError):
        return None
    return None


def accepts(host: str, port: int, timeout_seconds: float = 0.5) -> bool:
    """Whether somebody accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout_seconds):
            return True
    except OSError:
        return False


def socket_path_fits(folder: Path) -> bool:
    """Whether PostgreSQL's socket in this folder stays within the system's limit of 107 bytes."""
    return len(str(folder / ".s.PGSQL.65535.lock").encode()) <= 100
