"""Faust's settings that decide about right figures, and the switch that removes guards."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.metrics.app import configuration
from services.metrics.errors import (
    DatabaseUnavailable,
    Hole,
    LogExpired,
    MetricsError,
    SettingsRefused,
    TopicRecreated,
    WorkerOutdated,
)
from services.metrics.halt import exit_code_of
from services.metrics.worker import refuse_guards_outside_tests
from services.runtime.settings import MetricsSettings


def settings(**values: object) -> MetricsSettings:
    return MetricsSettings.model_validate(
        {"kafka_brokers": "a:1,b:2", "database_url": "postgresql://u:secret@h/d", **values}
    )


def test_faust_keeps_no_state_serves_nothing_and_declares_nothing() -> None:
    """Each of these defaults has cost somebody data or privacy."""
    conf = configuration(settings())
    assert [str(url) for url in conf["broker_consumer"]] == ["kaohe://a:1", "kaohe://b:2"]
    assert (conf["web_enabled"], conf["topic_allow_declare"], conf["store"].scheme) == (False, False, "memory")
    assert conf["processing_guarantee"] == "at_least_once"
    assert conf["broker_max_poll_interval"] >= 3600
    assert conf["consumer_auto_offset_reset"] == "none"


def test_a_dead_worker_is_noticed_within_the_session_timeout() -> None:
    """Three heartbeats fit into a session, and no wait of a rebalance is longer than a few of them."""
    conf = configuration(settings(session_timeout_seconds=6))
    assert conf["broker_session_timeout"] == 6
    assert conf["broker_heartbeat_interval"] * 3 <= 6
    assert conf["broker_rebalance_timeout"] <= 10


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Hole("x"), 70),
        (RuntimeError("x"), 70),
        (MetricsError(), 70),
        (DatabaseUnavailable(), 75),
        (LogExpired(), 78),
        (TopicRecreated(), 78),
        (WorkerOutdated(), 78),
        (SettingsRefused(), 78),
    ],
)
def test_the_exit_code_tells_the_supervisor_what_kind_of_end_it_was(error: BaseException, code: int) -> None:
    """At once, backing off, or not at all."""
    assert exit_code_of(error) == code


def test_an_error_without_detail_says_its_docstring() -> None:
    """The docstring is the message; a detail follows it."""
    assert str(DatabaseUnavailable()) == "PostgreSQL did not answer within the bounded retries"
    assert str(Hole("t[0]")).endswith("never seen: t[0]")


@pytest.mark.parametrize(("guards", "testing"), [("seek", False), ("seek,typo", True)])
def test_guards_are_removed_only_by_name_and_only_in_tests(guards: str, testing: bool) -> None:
    """A typo must not run the full machinery and call it a negative control."""
    with pytest.raises(SettingsRefused):
        refuse_guards_outside_tests(settings(test_disable=guards, testing=testing))


def test_known_guards_are_removed_in_tests() -> None:
    """A comma list, as the environment gives it."""
    one = settings(test_disable="seek, skip", testing=True)
    refuse_guards_outside_tests(one)
    assert one.test_disable == ("seek", "skip")


def test_settings_never_show_the_password() -> None:
    """Not in a repr, not in an error."""
    assert "secret" not in repr(settings())
    with pytest.raises(ValidationError) as caught:
        settings(batch_events=0)
    assert "secret" not in str(caught.value)
