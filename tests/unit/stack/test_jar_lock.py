"""The lock of Apache Kafka's jars is complete, of one version, and names no place."""

import re

from services.stack.jars import KAFKA, LOCK, locked_jars


def test_every_jar_is_locked_by_its_hash() -> None:
    for jar in locked_jars():
        assert re.fullmatch(r"[0-9a-f]{64}", jar.sha256), jar.name


def test_no_jar_stands_twice() -> None:
    names = [(jar.group, jar.artifact) for jar in locked_jars()]
    assert len(names) == len(set(names))


def test_all_of_kafka_is_of_the_version_asked_for() -> None:
    version = KAFKA.rpartition(":")[2]
    assert {jar.version for jar in locked_jars() if jar.group == "org.apache.kafka"} == {version}


def test_the_broker_can_speak() -> None:
    assert "log4j-slf4j-impl" in {jar.artifact for jar in locked_jars()}


def test_the_lock_names_no_place() -> None:
    assert "://" not in LOCK.read_text(encoding="utf-8")
