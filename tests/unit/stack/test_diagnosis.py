"""What went wrong is read from the end of a server's log and told in one line with the cure."""

from collections.abc import Callable
from pathlib import Path

import pytest

from services.stack.errors import DataDamaged, DiskFull, PortTaken, StackError, StartFailed
from services.stack.kafka import KafkaServer
from services.stack.postgres import PostgresServer, public_address
from services.stack.server import Server


def kafka(folder: Path) -> Server:
    return KafkaServer(folder, log=folder / "log")


def postgres(folder: Path) -> Server:
    return PostgresServer(folder, log=folder / "log")


@pytest.mark.parametrize(
    ("server", "line", "kind"),
    [
        (kafka, "java.io.IOException: No space left on device", DiskFull),
        (postgres, 'PANIC:  could not write to file "pg_wal/xlogtemp.7": No space left on device', DiskFull),
        (postgres, "FATAL:  could not locate a valid checkpoint record at 0/3F", DataDamaged),
        (postgres, 'DETAIL:  but could not open file "/d/global/pg_control": No such file', DataDamaged),
        (kafka, "RuntimeException: No readable meta.properties files found.", DataDamaged),
        (kafka, "Address already in use", StartFailed),
        (postgres, "could not map anonymous shared memory: Cannot allocate memory", StartFailed),
    ],
)
def test_the_log_tells_what_happened(
    server: Callable[[Path], Server], line: str, kind: type[StackError], tmp_path: Path
) -> None:
    (tmp_path / "log").write_text(f"INFO starting\n{line}\nINFO shut down\n", encoding="utf-8")
    assert type(server(tmp_path).explain("it ended")) is kind


def test_an_empty_log_still_gives_a_sentence(tmp_path: Path) -> None:
    assert "its log is empty" in str(kafka(tmp_path).explain("it ended"))


def test_an_error_is_one_line_that_ends_with_the_cure() -> None:
    error = PortTaken(8100, "KAOHE_API_PORT", "python (pid 7)")
    assert str(error) == (
        "port 8100 is taken by python (pid 7): stop that program, or set KAOHE_API_PORT to a free port"
    )
    assert "\n" not in str(StackError("a", "b"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://app:p@ss@host/db", "postgresql://app@host/db"),
        ("postgresql://host/db", "postgresql://host/db"),
        ("postgresql://app@/db?host=/run", "postgresql://app@/db?host=/run"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert public_address(url) == shown
