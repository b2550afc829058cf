"""Which events may pass, and what the others are told. The ledger is a table in memory here; the real one is asked in the integration tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode
from schemas.wire import STRUCTURED_HEADERS
from services.ingest.admission import Admission
from services.ingest.endpoints import _answer
from services.ingest.gate import Gate
from services.ingest.gateway import Outcome
from services.ingest.ledgercases import LedgerUnavailable, RecentCases
from services.ingest.settings import GatewaySettings
from services.ingest.verdicts import Admitted, Refused, verdict
from services.runtime.clock import FixedClock
from services.runtime.problems import Problem
from services.runtime.security import ApiKey
from services.store.ledger import Identity

NOW_MS = 1_791_421_200_000  # 2026-10-08T09:00:00+08:00
SETTINGS = GatewaySettings(kafka_brokers="localhost:9092", database_url="postgresql://nowhere/x")
KEY = ApiKey("key_1", "p", b"", "test", frozenset({"ingest"}), ("*",))
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1001",
    "source": "crm",
    "type": "kaohe.dispatch.accepted.v1",
    "subject": "PG-01",
    "time": "2026-10-08T09:00:00+08:00",
    "data": {"order_type": "上门维修"},
}


async def rule(
    *events: Any,
    ledger: Mapping[Identity, Sequence[str]] | None = None,
    key: ApiKey = KEY,
    recent: RecentCases | None = None,
) -> list[Admitted | Refused]:
    async def find(wanted: Sequence[Identity]) -> Mapping[Identity, Sequence[str]]:
        if ledger is None:
            raise LedgerUnavailable
        return {identity: ledger[identity] for identity in wanted if identity in ledger}

    return await Admission(SETTINGS, FixedClock(NOW_MS), find, recent or RecentCases()).rule(list(events), key)


def event(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in (EVENT | changed).items() if value is not ...}


async def test_an_admitted_event_reads_as_the_contract_says() -> None:
    [admitted] = await rule(event())
    assert isinstance(admitted, Admitted)
    decoded = decode(admitted.value, STRUCTURED_HEADERS)
    assert (decoded.partitionkey, decoded.data) == ("PG-01", {"order_type": "上门维修"})
    stamps = {name: text for name, text in orjson.loads(admitted.value).items() if name.startswith("kaohe")}
    assert stamps == {"kaohereceived": "2026-10-08T01:00:00.000Z", "kaohekey": "key_1"}


async def test_an_explicit_partition_key_stands() -> None:
    [admitted] = await rule(event(partitionkey="PG-02"))
    assert isinstance(admitted, Admitted)
    assert admitted.partitionkey == "PG-02"


@pytest.mark.parametrize(("minutes", "accepted"), [(10, True), (11, False), (-100_000, True)])
async def test_time_may_be_ahead_by_the_tolerance(minutes: int, accepted: bool) -> None:
    clock = (
        "2026-10-08T09:10:00+08:00"
        if minutes == 10
        else "2026-10-08T09:10:00.001+08:00"
        if minutes == 11
        else "1999-01-01T00:00:00Z"
    )
    [ruling] = await rule(event(time=clock))
    assert isinstance(ruling, Admitted) is accepted


async def test_all_findings_about_an_event_come_at_once() -> None:
    key = ApiKey("key_2", "p", b"", "test", frozenset(), ("hr",))
    [refused] = await rule(event(time="2027-01-01T00:00:00Z"), key=key)
    assert isinstance(refused, Refused)
    assert [pointer for pointer, _ in refused.findings] == ["/source", "/time"]


async def test_the_reserved_source_is_refused_to_every_key() -> None:
    [refused] = await rule(event(source="kaohe"))
    assert isinstance(refused, Refused)
    assert "reserved" in refused.findings[0][1]


async def test_an_event_without_any_key_is_told_which_attribute_is_missing() -> None:
    [known, unknown] = await rule(event(subject=...), event(subject=..., type="com.example"))
    assert isinstance(known, Refused)
    assert isinstance(unknown, Refused)
    assert {known.findings[0][0], unknown.findings[0][0]} <= {"/partitionkey", "/subject"}


async def test_the_ledger_is_asked_only_when_a_correction_needs_it() -> None:
    withdrawal = event(type="kaohe.event.withdrawn.v1", subject=..., data={"target": "1"})
    [explicit] = await rule(
        event(type="kaohe.event.withdrawn.v1", subject=..., partitionkey="PG-1", data={"target": "1"})
    )
    assert isinstance(explicit, Admitted)
    with pytest.raises(LedgerUnavailable):
        await rule(withdrawal)
    [found] = await rule(withdrawal, ledger={("crm", "1"): ["PG-7"]})
    assert isinstance(found, Admitted)
    assert found.partitionkey == "PG-7"


async def test_the_subject_of_a_correction_does_not_replace_its_case() -> None:
    withdrawal = event(type="kaohe.event.withdrawn.v1", subject="something", data={"target": "1"})
    [refused] = await rule(withdrawal, ledger={})
    assert isinstance(refused, Refused)
    assert refused.findings[0][0] == "/partitionkey"


def test_what_was_sent_lately_is_forgotten_in_the_end() -> None:
    recent = RecentCases(most=2)
    for number in range(3):
        recent.remember(Admitted("crm", str(number), f"PG-{number}", 0, b""))
    assert [recent.find(("crm", str(number))) for number in range(3)] == [None, "PG-1", "PG-2"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)  # fmt: skip


@given(
    events=st.lists(
        JSON_VALUES
        | st.fixed_dictionaries(
            {}, optional={name: JSON_VALUES | st.just(value) for name, value in (EVENT | {"partitionkey": "PG-1", "type": "kaohe.event.withdrawn.v1"}).items()}
        ),
        max_size=4,
    )
)  # fmt: skip
async def test_any_json_gets_a_ruling_and_what_is_admitted_decodes_or_is_noted(events: list[Any]) -> None:
    rulings = await rule(*events, ledger={})
    assert len(rulings) == len(events)
    for ruling in rulings:
        if isinstance(ruling, Admitted) and ruling.note is None:
            decoded = decode(ruling.value, STRUCTURED_HEADERS, ruling.partitionkey.encode())
            assert (decoded.source, decoded.id, decoded.partitionkey) == (ruling.source, ruling.id, ruling.partitionkey)


def test_a_partly_acknowledged_request_says_exactly_which_events_the_broker_has() -> None:
    rulings: list[Admitted | Refused] = [
        Admitted("crm", "1", "PG", 3, b""),
        Refused("crm", "2", [("/time", "wrong")]),
        Admitted("crm", "3", "PG", 3, b""),
    ]
    verdicts = [
        verdict(index, ruling, offset)
        for index, (ruling, offset) in enumerate(zip(rulings, (17, None, None), strict=True))
    ]
    with pytest.raises(Problem) as answered:
        _answer(Outcome(verdicts, accepted=1, rejected=1, unacknowledged=1))
    body = answered.value.body()
    assert (answered.value.status, answered.value.headers["Retry-After"]) == (503, "5")
    assert [(v["id"], v["status"], v.get("offset")) for v in body["verdicts"]] == [
        ("1", "accepted", 17), ("2", "rejected", None), ("3", "unacknowledged", None),
    ]  # fmt: skip
    assert "1 events were acknowledged, 1 were not" in body["detail"]


def test_the_gate_refuses_what_is_too_much_and_forgets_what_is_gone() -> None:
    gate = Gate(100)
    with gate.lease() as lease:
        lease.take(60)
        with pytest.raises(Problem) as refused:
            lease.take(41)
        assert (refused.value.status, refused.value.slug) == (503, "busy")
        lease.take(40)
    assert gate.taken == 0
