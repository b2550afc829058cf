"""docker-compose.yml keeps the contract that the processes' settings and the deployment's rules make."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.runtime.settings import (
    ApiSettings,
    IngestSettings,
    MetricsSettings,
    OwnerSettings,
    Settings,
    StackSettings,
    TopicSettings,
)

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "topics", "ingest", "metrics", "api")
SETTINGS: dict[str, type[Settings]] = {
    "migrate": OwnerSettings,
    "topics": TopicSettings,
    "ingest": IngestSettings,
    "metrics": MetricsSettings,
    "api": ApiSettings,
}
EXAMPLE = "hexadecimal0123456789"


def environment(service: str) -> dict[str, str]:
    """A service's variables as compose fills them in: defaults where there are some, an example for what is required."""
    raw = SERVICES[service]["environment"]
    return {name: _filled(str(value)) for name, value in raw.items()}


def _filled(value: str) -> str:
    required = re.sub(r"\$\{\w+:\?[^}]*\}", EXAMPLE, value)
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", required)


def test_the_stack_is_complete() -> None:
    assert set(SERVICES) == {"kafka", "postgres", *OURS}


@pytest.mark.parametrize("service", OURS)
def test_every_process_finds_settings_that_its_class_accepts(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KAOHE_")]:
        monkeypatch.delenv(name)
    for name, value in environment(service).items():
        monkeypatch.setenv(name, value)
    SETTINGS[service]()


@pytest.mark.parametrize("service", OURS)
def test_no_variable_is_misspelt(service: str) -> None:
    known = {f"KAOHE_{name.upper()}" for kind in SETTINGS.values() for name in kind.model_fields}
    known.add("KAOHE_KAFKA_BROKERS")  # `kaohe topics` takes it as an option of its own
    assert set(environment(service)) <= known


@pytest.mark.parametrize(
    ("service", "kind"), [("ingest", IngestSettings), ("metrics", MetricsSettings), ("api", ApiSettings)]
)
def test_a_process_listens_where_its_health_is_asked(service: str, kind: type[Any]) -> None:
    settings = kind(**{name.removeprefix("KAOHE_").lower(): value for name, value in environment(service).items()})
    port = getattr(settings, f"{service}_port")
    assert getattr(settings, f"{service}_host") == "0.0.0.0"  # noqa: S104  # inside a container
    assert f"127.0.0.1:{port}/readyz" in SERVICES[service]["healthcheck"]["test"][-1]


def test_defaults_that_a_reader_of_the_file_sees_are_those_of_the_settings() -> None:
    defaults = {name: str(field.default) for name, field in StackSettings.model_fields.items()}
    for name, default in re.findall(r"\$\{KAOHE_(\w+):-([^}]+)\}", TEXT):
        if name not in {"IMAGE_TAG", "KAFKA_PORT"}:
            assert default == defaults[name.lower()], name


def test_no_password_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", str(value)), name
            for secret in re.findall(r"://[^:/]+:([^@]+)@", str(value)):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", secret), name


def test_the_example_of_the_environment_names_every_required_variable_and_holds_no_value() -> None:
    example = (ROOT / "deploy" / "env.example").read_text(encoding="utf-8")
    required = set(re.findall(r"\$\{(\w+):\?", TEXT))
    assert required <= set(re.findall(r"^(\w+)=$", example, re.MULTILINE))


def test_only_the_migration_knows_the_owner() -> None:
    knowing = [
        name for name in SERVICES if any("owner" in key.lower() for key in SERVICES[name].get("environment", {}))
    ]
    assert knowing == ["postgres", "migrate"]


def test_the_workers_can_be_scaled() -> None:
    metrics = SERVICES["metrics"]
    assert "container_name" not in metrics
    assert "ports" not in metrics


@pytest.mark.parametrize("service", ["ingest", "metrics", "api"])
def test_a_process_starts_after_what_it_stands_on(service: str) -> None:
    conditions = {name: entry["condition"] for name, entry in SERVICES[service]["depends_on"].items()}
    assert conditions == {
        "kafka": "service_healthy",
        "postgres": "service_healthy",
        "migrate": "service_completed_successfully",
        "topics": "service_completed_successfully",
    }


@pytest.mark.parametrize("service", ["kafka", "postgres", "ingest", "metrics", "api"])
def test_everything_that_stays_has_a_health_check(service: str) -> None:
    assert SERVICES[service]["healthcheck"]["test"]


@pytest.mark.parametrize("service", OURS)
def test_our_processes_run_hardened(service: str) -> None:
    entry = SERVICES[service]
    assert entry["read_only"] is True
    assert entry["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in entry["security_opt"]


def test_nothing_listens_beyond_this_machine() -> None:
    for service in SERVICES.values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize(("service", "folder"), [("kafka", "/var/lib/kafka/data"), ("postgres", "/var/lib/postgresql")])
def test_data_lie_in_a_named_volume(service: str, folder: str) -> None:
    assert f"{service}:{folder}" in SERVICES[service]["volumes"]
    assert service in COMPOSE["volumes"]


def test_the_image_installs_hash_checked_wheels_and_runs_as_nobody_special() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes" in dockerfile
    assert "--only-binary=:all:" in dockerfile
    assert re.search(r"^USER 10001", dockerfile, re.MULTILINE)
    assert "HEALTHCHECK" not in dockerfile  # each process has its own, in the compose file


def test_both_ways_of_making_the_database_make_the_same_roles() -> None:
    from services.stack.postgres import ROLES

    shell = (ROOT / "deploy" / "postgres" / "roles.sh").read_text(encoding="utf-8")
    names = {"owner": "kaohe_owner", "app": "kaohe_app", "database": "kaohe"}
    variables = {name: name for name in ("owner_password", "app_password")}
    ours = ROLES.format(**names, **variables)
    ours = re.sub(r"PASSWORD '(\w+)'", r"PASSWORD :'\1'", ours)
    for statement in ours.strip().splitlines():
        assert f"{statement};" in shell
