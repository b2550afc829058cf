"""The registry names each event once, and the topics are set up for exactly-once reading."""

import re

from schemas.registry import TYPES
from schemas.topics import topics


def test_a_type_is_named_by_family_verb_and_version() -> None:
    for name, event in TYPES.items():
        assert name == f"kaohe.{event.family}.{event.verb}.v{event.version}"
        assert re.fullmatch(r"kaohe\.[a-z]+\.[a-z_]+\.v[1-9]", name)
        assert event.zh
        assert event.meaning.endswith(".")


def test_every_input_topic_has_the_same_partitions_and_the_brokers_time() -> None:
    main, further = topics("kaohe.events.v1", ("site.events", "kaohe.events.v1", "site.events"), 64)
    assert (main.name, further.name) == ("kaohe.events.v1", "site.events")
    assert main.partitions == further.partitions == 64
    assert main.settings["message.timestamp.type"] == further.settings["message.timestamp.type"] == "LogAppendTime"


def test_an_acknowledged_event_is_on_two_replicas_where_there_are_three() -> None:
    topic = topics()[0]
    assert topic.settings_for(1)["min.insync.replicas"] == "1"
    assert topic.settings_for(3)["min.insync.replicas"] == "2"
