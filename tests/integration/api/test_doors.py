"""Nothing answers without a key, each key opens what its scopes say, and wrong questions get an answer that helps."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import httpx
import pytest

from services.api.paging import Place
from services.runtime.clock import SystemClock
from services.runtime.security import Scope
from services.store import keys
from tests.integration.api.site import Site

FILLED = {
    "indicator": "dispatch.open",
    "case": "PG-01",
    "shard": "0",
    "topic": "events",
    "offset": "0",
    "period": "2026-10",
}


def doors(site: Site) -> list[tuple[str, str]]:
    """Every (method, address) of the app but those that are open to everybody."""
    found = []
    for path, methods in site.app.openapi()["paths"].items():
        address = re.sub(r"{(\w+)}", lambda name: FILLED.get(name[1], "00000000-0000-0000-0000-000000000000"), path)
        found += [(method.upper(), address) for method in methods]
    return [*((m, a) for m, a in found if a not in {"/livez", "/readyz", "/metrics"}), ("GET", "/openapi.json")]


async def ask(site: Site, method: str, path: str, key: str | None) -> httpx.Response:
    headers = {} if key is None else {b"X-API-Key": key.encode()}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site.app), base_url="http://api") as client:
        return await client.request(method, path, headers=headers)


async def test_nothing_but_the_machinery_answers_without_a_key(empty: Site) -> None:
    """Whatever router is added: the app puts the question before it."""
    assert len(doors(empty)) > 15
    for method, path in doors(empty):
        answer = await ask(empty, method, path, None)
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:kaohe:problem:no-key"), (method, path)
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for path in ("/livez", "/readyz", "/metrics"):
        assert (await ask(empty, "GET", path, None)).status_code == 200, path


async def test_metrics_need_a_key_from_another_machine(empty: Site) -> None:
    """Any key will do."""
    transport = httpx.ASGITransport(empty.app, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/metrics", headers={"X-API-Key": empty.keys[Scope.INGEST]})).status_code == 200


async def test_a_key_opens_only_what_its_scopes_say(empty: Site) -> None:
    """A key that may only send events reads nothing; one that may read imports nothing."""
    for method, path in doors(empty):
        if path != "/openapi.json":
            answer = await ask(empty, method, path, empty.keys[Scope.INGEST])
            assert (answer.status_code, answer.json()["type"]) == (403, "urn:kaohe:problem:missing-scope"), (
                method,
                path,
            )
    assert (await ask(empty, "POST", "/v1/roster/imports", empty.keys[Scope.READ])).status_code == 403


@pytest.mark.parametrize(
    ("key", "kind"), [("kh_none_such", "unknown-key"), ("rubbish", "unknown-key"), ("kh_ü_x", "unknown-key")]
)
async def test_an_unknown_key_is_refused(empty: Site, key: str, kind: str) -> None:
    """As if it were any other."""
    answer = await ask(empty, "GET", "/v1/kpis", key)
    assert (answer.status_code, answer.json()["type"]) == (401, f"urn:kaohe:problem:{kind}")


async def test_an_expired_or_revoked_key_is_refused(site: Site) -> None:
    """With the reason, for who holds the secret."""
    site.clock.set(SystemClock().now_ms())
    async with site.connection() as connection:
        expired = await keys.create(connection, label="old", scopes=[Scope.READ], sources=[])
        await connection.execute(
            "UPDATE api_key SET expires_at = now() - interval '1 s' WHERE key_id = $1", expired.key_id
        )
        revoked = await keys.create(connection, label="gone", scopes=[Scope.READ], sources=[])
        await keys.revoke(connection, revoked.key_id)
    site.clock.advance(60_000)
    for made, kind in ((expired, "expired-key"), (revoked, "revoked-key")):
        answer = await ask(site, "GET", "/v1/kpis", made.plain)
        assert (answer.status_code, answer.json()["type"]) == (401, f"urn:kaohe:problem:{kind}")


def forged(*parts: object, key: list[str | int | None]) -> str:
    """A cursor that a list accepts as its own and never gave."""
    return base64.urlsafe_b64encode(json.dumps([Place.of(*parts).digest, *key]).encode()).decode()


@pytest.mark.parametrize(
    ("path", "parameters", "status", "kind"),
    [
        ("/v1/kpis", {"window": "2026-13"}, 422, "invalid-request"),
        ("/v1/kpis", {"window": "0000-01"}, 422, "invalid-request"),
        ("/v1/kpis", {"window": "2h"}, 422, "invalid-request"),
        ("/v1/kpis", {"level": "planet"}, 422, "invalid-request"),
        ("/v1/kpis", {"view": "rosy"}, 422, "invalid-request"),
        ("/v1/kpis", {"limit": 0}, 422, "invalid-request"),
        ("/v1/kpis", {"limit": 100_000}, 422, "invalid-request"),
        ("/v1/kpis", {"indicator": "happiness"}, 404, "unknown-indicator"),
        ("/v1/kpis", {"cursor": "rubbish"}, 400, "bad-cursor"),
        ("/v1/kpis", {"cursor": "W10"}, 400, "bad-cursor"),
        ("/v1/kpis", {"as_of": "yesterday"}, 422, "bad-as-of"),
        ("/v1/kpis", {"as_of": "2026-10-01T00:00:00"}, 422, "bad-as-of"),
        ("/v1/kpis", {"as_of": 999}, 404, "unknown-checkpoint"),
        ("/v1/kpis", {"as_of": "999999999999999999"}, 404, "unknown-checkpoint"),
        ("/v1/kpis", {"as_of": "2020-01-01T00:00:00Z"}, 404, "unknown-checkpoint"),
        ("/v1/kpis", {"at": "2026-10-01T00:00:00"}, 422, "bad-at"),
        ("/v1/kpis", {"at": "2226-10-01T00:00:00Z"}, 422, "bad-at"),
        ("/v1/kpis", {"at": "0001-01-01T00:00:00Z"}, 422, "bad-at"),
        ("/v1/kpis/dispatch.open", {}, 422, "one-subject"),
        ("/v1/kpis/dispatch.open/postings", {"id": ["A", "B"]}, 422, "one-subject"),
        ("/v1/kpis/nothing/postings", {"id": "A"}, 404, "unknown-indicator"),
        ("/v1/cases/none", {}, 404, "unknown-case"),
        ("/v1/cases/no%00ne", {}, 404, "unknown-case"),
        ("/v1/stream", {}, 422, "which-subjects"),
        ("/v1/stream", {"id": [str(number) for number in range(201)]}, 422, "which-subjects"),
        ("/v1/roster", {"version": 77}, 404, "unknown-roster-version"),
        ("/v1/roster", {"version": 2**70}, 422, "invalid-request"),
        ("/v1/quarantine/0/events/5", {}, 404, "not-quarantined"),
        ("/v1/quarantine/0/ev%00ents/5", {}, 422, "invalid-request"),
        ("/v1/quarantine/99999999/events/5", {}, 422, "invalid-request"),
        ("/v1/quarantine", {"cursor": forged("quarantine", False, key=["2026-10-01T00:00:00+00:00", 2**40, "t", 1])}, 400, "bad-value"),
        ("/v1/quarantine", {"cursor": forged("quarantine", False, key=["2026-10-01T00:00:00+00:00", 1, "t", 2**80])}, 400, "bad-cursor"),
        ("/v1/quarantine", {"cursor": forged("quarantine", False, key=["yesterday", 1, "t", 1])}, 400, "bad-cursor"),
        ("/v1/quarantine", {"cursor": forged("quarantine", False, key=["2026-10-01", 1, "t", 1])}, 400, "bad-cursor"),
        ("/v1/sources", {"cursor": forged("sources", key=["a\x00b"])}, 400, "bad-cursor"),
        ("/v1/nothing", {}, 404, "not-found"),
    ],
)  # fmt: skip
async def test_a_wrong_question_is_answered_with_its_problem(
    empty: Site, path: str, parameters: dict[str, Any], status: int, kind: str
) -> None:
    """Never with a fault of ours."""
    answer = await empty.client.get(path, params=parameters)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:kaohe:problem:{kind}"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_id_that_nobody_has_gets_empty_figures(empty: Site) -> None:
    """Also one with bytes that PostgreSQL's text cannot hold."""
    for subject in ("nobody", "no\x00body", "用户"):
        answer = await empty.get("/v1/kpis/dispatch.overdue_7_rate", id=subject)
        assert (answer["kpi"]["n"], answer["kpi"]["value"]) == (0, None)


async def test_the_description_names_every_answer(empty: Site) -> None:
    """Each operation has an id of its own, a summary, a description, and the problems of keys."""
    paths = (await empty.get("/openapi.json"))["paths"]
    operations = [
        operation for path, methods in paths.items() if path.startswith("/v1") for operation in methods.values()
    ]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"], operation["operationId"]
        assert operation["description"], operation["operationId"]
        assert {"401", "403"} <= set(operation["responses"]), operation["operationId"]
