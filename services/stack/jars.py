"""Apache Kafka's jars: resolved and fetched by jgo's pure-Python resolver, locked by SHA-256, cached for the user.

No Java, Maven or compiler takes part. `python -m services.stack.jars` resolves anew and writes the lock.
"""

import fcntl
import hashlib
import os
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.stack.errors import BadJar, LocalExtraMissing, NoNetwork

KAFKA = "org.apache.kafka:kafka_2.13:4.1.0"
# Kafka's own distribution adds the logging binding; without it the broker is silent. Alone, without what it needs: its
# parent would have a say in the versions of the others (and asks for another kafka-clients).
LOGGING_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"
FETCHERS = 6
LOCK = Path(__file__).with_name("kafka.lock.toml")


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One jar of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        """File name."""
        return f"{self.artifact}-{self.version}.jar"

    def path(self, cache: Path) -> Path:
        """Where it lies in a cache laid out as Maven does."""
        return cache.joinpath(*self.group.split("."), self.artifact, self.version, self.name)


def cache_folder() -> Path:
    """Where jars are kept between starts, for all clones of this user."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kaohe" / "jars"


def locked_jars() -> list[LockedJar]:
    """The jars of the committed lock, in the order of the class path."""
    lock = tomllib.loads(LOCK.read_text(encoding="utf-8"))
    return [LockedJar(jar["group"], jar["artifact"], jar["version"], jar["sha256"]) for jar in lock["jar"]]


def class_path(cache: Path) -> list[Path]:
    """Paths of all jars, each with its locked SHA-256; fetches the missing ones. Raises NoNetwork, BadJar."""
    jars = locked_jars()
    cache.mkdir(parents=True, exist_ok=True)
    with _exclusive(cache / ".lock"):
        missing = [jar for jar in jars if _sha256(jar.path(cache)) != jar.sha256]
        with ThreadPoolExecutor(FETCHERS) as pool:
            list(pool.map(lambda jar: _fetch(jar, cache, len(missing)), missing))
    return [jar.path(cache) for jar in jars]


def _fetch(jar: LockedJar, cache: Path, missing: int) -> None:
    path = jar.path(cache)
    path.unlink(missing_ok=True)  # a download that was cut short
    context = _context(cache)
    try:
        context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; jgo's are RuntimeErrors
        path.unlink(missing_ok=True)
        raise NoNetwork(missing, cache, type(error).__name__) from error
    if _sha256(path) != jar.sha256:
        path.unlink(missing_ok=True)
        raise BadJar(jar.name, path)


def _context(cache: Path) -> Any:
    """Maven as jgo sees it: Maven Central, and what the user's jgo configuration adds (it may redefine `central`)."""
    try:
        from jgo.config import GlobalSettings  # noqa: PLC0415  # the extra may be missing
        from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
        from jgo.maven import MavenContext  # noqa: PLC0415
    except ImportError as error:
        raise LocalExtraMissing("jgo") from error
    repositories = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    return MavenContext(repo_cache=cache, remote_repos=repositories, timeout=30)


def _sha256(path: Path) -> str | None:
    if not path.exists():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """One process at a time: test runs side by side share the cache."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_lock(cache: Path) -> int:
    """Resolve Kafka, fetch every jar, write the lock; the number of jars."""
    from jgo.parse import Coordinate  # noqa: PLC0415  # the extra may be missing

    context = _context(cache)
    kafka, binding = (
        context.create_dependency(replace(Coordinate.parse(text), scope="compile")) for text in (KAFKA, LOGGING_BINDING)
    )
    inputs, transitive = context.resolver.resolve([kafka])
    lines = ["# Apache Kafka and what it needs. Written by `python -m services.stack.jars`; do not edit."]
    needed = (dependency for dependency in transitive if dependency.scope in ("compile", "runtime"))
    chosen = [*inputs, *needed, binding]
    for dependency in chosen:
        artifact = dependency.artifact
        fields = {
            "group": artifact.groupId,
            "artifact": artifact.artifactId,
            "version": artifact.version,
            "sha256": _sha256(artifact.resolve()),
        }
        lines += ["", "[[jar]]", *(f'{key} = "{value}"' for key, value in fields.items())]
    LOCK.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(chosen)


if __name__ == "__main__":
    print(f"locked {write_lock(cache_folder())} jars")  # noqa: T201
