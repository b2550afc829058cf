"""Settings come from the environment, are checked at once, and keep passwords to themselves."""

import os
from typing import Any

import pytest
from pydantic import ValidationError

from services.runtime.settings import ApiSettings, IngestSettings, MetricsSettings, OwnerSettings, StackSettings

URL = "postgresql://kaohe_app:secret@/kaohe?host=/run/pg&port=5432"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KAOHE_")]:
        monkeypatch.delenv(name)


def test_a_worker_reads_everything_it_needs_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAOHE_KAFKA_BROKERS", "one:9092, two:9092")
    monkeypatch.setenv("KAOHE_DATABASE_URL", URL)
    monkeypatch.setenv("KAOHE_INPUT_TOPICS", "crm.events.v1, kaohe.events.v1,,")
    settings = MetricsSettings()
    assert settings.kafka_brokers == "one:9092,two:9092"
    assert settings.topics == ("kaohe.events.v1", "crm.events.v1")
    assert (settings.partitions, settings.zone, settings.metrics_port) == (8, "Asia/Shanghai", 0)


def test_an_empty_variable_means_the_default() -> None:
    assert IngestSettings(kafka_brokers="a:1", database_url=URL, input_topics="").topics == ("kaohe.events.v1",)


@pytest.mark.parametrize("kind", [IngestSettings, MetricsSettings, ApiSettings])
def test_a_process_without_addresses_does_not_start(kind: type[Any]) -> None:
    with pytest.raises(ValidationError, match="kafka_brokers") as caught:
        kind()
    assert "database_url" in str(caught.value)


@pytest.mark.parametrize("brokers", ["localhost", ":9092", "host:0", "host:x", "a:1,,b:2", "host:65536"])
def test_a_broker_is_a_host_and_a_port(brokers: str) -> None:
    with pytest.raises(ValidationError, match="host:port"):
        IngestSettings(kafka_brokers=brokers, database_url=URL)


def test_a_password_shows_neither_in_a_repr_nor_in_an_error() -> None:
    settings = IngestSettings(kafka_brokers="a:1", database_url=URL)
    assert "secret" not in repr(settings)
    assert "secret" not in repr(OwnerSettings(owner_database_url=URL))
    assert "secret" not in repr(StackSettings(database_url=URL, owner_database_url=URL))
    with pytest.raises(ValidationError) as caught:
        OwnerSettings(owner_database_url="mysql://u:secret@h/d")
    assert "secret" not in str(caught.value)


def test_settings_do_not_change_once_read() -> None:
    settings = StackSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.api_port = 1  # type: ignore[misc]


def test_a_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="no zone"):
        StackSettings(zone="Asia/Atlantis")


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "UTC"])
def test_a_zone_of_whole_hours_is_accepted(zone: str) -> None:
    assert StackSettings(zone=zone).zone == zone


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_a_zone_whose_hours_straddle_those_of_utc_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError, match="whole number of hours"):
        StackSettings(zone=zone)


def test_an_existing_database_is_named_for_both_roles_or_for_none() -> None:
    with pytest.raises(ValidationError, match="go together"):
        StackSettings(database_url=URL)
