"""A record becomes an event, or says by name, pointer and reason why it is none."""

import contextlib
import hashlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Decoded, decode, read_canonical, validate_data
from schemas.errors import ContractError, InvalidField, NotCloudEvent, NotJson, UnknownType, UnknownVersion
from schemas.wire import STRUCTURED_HEADERS

BASE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1001",
    "source": "crm",
    "type": "kaohe.dispatch.accepted.v1",
    "subject": "PG-01",
    "time": "2026-10-08T09:00:00+08:00",
    "partitionkey": "PG-01",
    "data": {"performed_by": "KF01", "order_type": "上门维修"},
}


def event(**changed: Any) -> dict[str, Any]:
    """The base event with members replaced; `...` takes one out."""
    return {name: value for name, value in (BASE | changed).items() if value is not ...}


def read(**changed: Any) -> Decoded:
    return decode(orjson.dumps(event(**changed)), STRUCTURED_HEADERS, b"PG-01")


def refusal(**changed: Any) -> ContractError:
    with pytest.raises(ContractError) as refused:
        read(**changed)
    return refused.value


def binary(changed: dict[str, Any]) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    attributes = {name: value for name, value in changed.items() if name not in {"data", "datacontenttype"}}
    headers = tuple((f"ce_{name}", str(value).encode()) for name, value in attributes.items())
    return orjson.dumps(changed["data"]), (("content-type", b"application/json"), *headers)


def test_a_structured_record_is_read() -> None:
    decoded = read(sequence="007")
    assert decoded[:10] == (
        "crm", "1001", "kaohe.dispatch.accepted.v1", "dispatch", "accepted", 1, "PG-01", "PG-01", 1_791_421_200_000, 7,
    )  # fmt: skip
    assert decoded.data == {"performed_by": "KF01", "order_type": "上门维修"}
    assert decoded.content_hash == hashlib.sha256(decoded.canonical).digest()


def test_a_binary_record_is_the_same_event_as_a_structured_one() -> None:
    told = event(sequence="3", dataschema="urn:x", recordedtime="2026-10-08T01:02:03Z")
    value, headers = binary(told)
    assert decode(value, headers) == decode(orjson.dumps(told), STRUCTURED_HEADERS)


def test_a_structured_record_is_recognised_without_its_header() -> None:
    assert decode(orjson.dumps(BASE), ()) == decode(orjson.dumps(BASE), STRUCTURED_HEADERS)


def test_how_an_event_is_written_makes_no_difference_to_its_content() -> None:
    plain = read()
    rewritten = read(
        time="2026-10-08T01:00:00.0004Z",
        datacontenttype="application/json; charset=utf-8",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        kaohereceived="2026-10-08T01:00:01Z",
        sequence=None,
        data={"order_type": "上门维修", "performed_by": "KF01", "region": None},
    )
    assert rewritten.content_hash == plain.content_hash


@pytest.mark.parametrize(
    "changed",
    [
        {"time": "2026-10-08T09:00:00.001+08:00"},
        {"subject": "PG-02"},
        {"partitionkey": "PG-02"},
        {"type": "kaohe.dispatch.confirmed.v1"},
        {"sequence": "1"},
        {"dataschema": "urn:other"},
        {"data": {"performed_by": "KF02", "order_type": "上门维修"}},
        {"data": {"performed_by": "KF01", "order_type": "上门维修", "unknown": 1}},
    ],
)
def test_what_an_event_says_makes_a_difference(changed: dict[str, Any]) -> None:
    assert read(**changed).content_hash != read().content_hash


def test_unknown_fields_are_kept() -> None:
    assert read(data={"colour": {"name": "red", "codes": [1, 2.5, None]}}).data["colour"] == {
        "name": "red",
        "codes": [1, 2.5, None],
    }


def test_absent_data_is_the_empty_object() -> None:
    assert read(data=...).data == read(data=None).data == read(data={}).data == {}


def test_the_ledger_reads_back_what_was_recorded() -> None:
    decoded = read(sequence="12", dataschema="urn:x")
    assert read_canonical(decoded.canonical, decoded.content_hash) == decoded


@pytest.mark.parametrize(
    "value", [b"", b"{", b"\xff\xfe", b"{'a': 1}", b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 2000]
)
def test_what_is_not_json_says_so(value: bytes) -> None:
    with pytest.raises((NotJson, NotCloudEvent)) as refused:
        decode(value, STRUCTURED_HEADERS)
    assert refused.value.reason


@pytest.mark.parametrize("value", [b"null", b"1", b'"x"', b"[]", b"{}", b'{"hello": "world"}', None])
def test_json_that_is_no_cloud_event_says_so(value: bytes | None) -> None:
    with pytest.raises(NotCloudEvent):
        decode(value, STRUCTURED_HEADERS)


def test_another_version_of_the_specification_is_not_read() -> None:
    assert isinstance(refusal(specversion="0.3"), NotCloudEvent)


def test_a_batch_is_refused_on_kafka() -> None:
    with pytest.raises(NotCloudEvent, match="no batch"):
        decode(orjson.dumps([BASE]), (("content-type", b"application/cloudevents-batch+json"),))


def test_an_unknown_type_and_an_unknown_version_are_told_apart() -> None:
    assert type(refusal(type="kaohe.dispatch.teleported.v1")) is UnknownType
    assert type(refusal(type="com.example.order")) is UnknownType
    assert type(refusal(type="kaohe.dispatch.accepted.v2")) is UnknownVersion


def test_an_unknown_type_is_reported_only_of_a_sound_envelope() -> None:
    assert refusal(type="com.example.order", time="2026-10-08T09:00:00").pointer == "/time"


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"id": ...}, "/id"),
        ({"id": ""}, "/id"),
        ({"id": 17}, "/id"),
        ({"id": " 17"}, "/id"),
        ({"id": "x" * 256}, "/id"),
        ({"id": "a\0b"}, "/id"),
        ({"source": "two words"}, "/source"),
        ({"source": "x" * 129}, "/source"),
        ({"subject": ...}, "/subject"),
        ({"subject": None}, "/subject"),
        ({"partitionkey": ...}, "/partitionkey"),
        ({"partitionkey": "a\nb"}, "/partitionkey"),
        ({"time": ...}, "/time"),
        ({"time": "2026-10-08T09:00:00"}, "/time"),
        ({"time": 1_791_421_200}, "/time"),
        ({"sequence": "-1"}, "/sequence"),
        ({"sequence": 3}, "/sequence"),
        ({"sequence": "1" * 19}, "/sequence"),
        ({"Sequence": "1"}, "/Sequence"),
        ({"extension": 1.5}, "/extension"),
        ({"extension": {"a": 1}}, "/extension"),
        ({"data_base64": "AA=="}, "/data_base64"),
        ({"data": [1]}, "/data"),
        ({"data": "text"}, "/data"),
        ({"data": {"engineer": 17}}, "/data/engineer"),
        ({"data": {"engineer": ""}}, "/data/engineer"),
        ({"data": {"order_type": "x" * 65}}, "/data/order_type"),
        ({"data": {"agreed": "2026-02-30"}}, "/data/agreed"),
        ({"data": {"window_end": "2026-10-08T09:00:00"}}, "/data/window_end"),
        ({"data": {"rework": "yes"}}, "/data/rework"),
        ({"data": {"a/b": {"c~d": [0, "x\0"]}}}, "/data/a~1b/c~0d/1"),
        ({"data": {"un\0known": 1}}, "/data/unknown"),
        ({"type": "kaohe.call.offered.v1", "data": {"direction": "sideways"}}, "/data/direction"),
        ({"type": "kaohe.inspection.found.v1", "data": {"kind": "Not A Slug"}}, "/data/kind"),
        ({"type": "kaohe.measure.recorded.v1", "data": {"measure": "x"}}, "/data/month"),
        ({"type": "kaohe.measure.recorded.v1", "data": {"measure": "x", "month": "2026-13"}}, "/data/month"),
        (
            {"type": "kaohe.attendance.recorded.v1", "data": {"from_day": "2026-10-02", "to_day": "2026-10-01"}},
            "/data",
        ),
        (
            {"type": "kaohe.roster.recorded.v1", "data": {"record": "person", "id": "KF01", "from": "2026-01-01"}},
            "/data",
        ),
        ({"type": "kaohe.event.withdrawn.v1", "data": {}}, "/data/target"),
        ({"type": "kaohe.event.amended.v1", "data": {"target": "1", "changes": {}}}, "/data/changes"),
        (
            {"type": "kaohe.event.amended.v1", "data": {"target": "1", "changes": {"time": "yesterday"}}},
            "/data/changes",
        ),
        (
            {"type": "kaohe.event.amended.v1", "data": {"target": "1", "changes": {"partitionkey": "PG-02"}}},
            "/data/changes",
        ),
        ({"type": "kaohe.event.withdrawn.v1", "data": {"target": "1", "target_source": "hr"}}, "/data/target_source"),
    ],
)
def test_a_wrong_field_is_named_by_a_pointer(changed: dict[str, Any], pointer: str) -> None:
    refused = refusal(**changed)
    assert isinstance(refused, InvalidField)
    assert refused.pointer == pointer
    assert refused.reason


def test_every_wrong_field_is_found_at_once() -> None:
    refused = refusal(data={"engineer": 1, "agreed": "soon"})
    assert {pointer for pointer, _ in refused.findings} == {"/data/engineer", "/data/agreed"}


def test_the_reasons_hold_no_values() -> None:
    refused = refusal(
        data={"engineer": ["a secret"], "agreed": "a secret", "window_start": "a secret"}, id="a secret\n"
    )
    assert not any("secret" in reason for _, reason in refused.findings)


def test_the_system_itself_may_correct_another_source() -> None:
    data = {"target": "1", "target_source": "hr"}
    assert read(source="kaohe", type="kaohe.event.withdrawn.v1", subject=..., data=data).data == data


def test_a_correction_needs_no_subject_and_its_changes_may_take_a_field_out() -> None:
    data = {"target": "1", "changes": {"engineer": None, "time": "2026-10-08T09:00:00Z"}}
    assert read(type="kaohe.event.amended.v1", subject=..., data=data).data == data


@pytest.mark.parametrize(
    ("name", "value", "canonical"),
    [
        ("numerator", 47, "47"),
        ("days", "0.50", "0.5"),
        ("score", 5.0, 5),
        ("agreed", "2026-10-09", "2026-10-09"),
        ("kind", "sick leave", "sick leave"),
        ("kind", "violation", "violation"),
        ("to", "GC02", "GC02"),
        ("engineer", None, None),
        ("something_unknown", [1], [1]),
    ],
)
def test_an_amended_field_is_read_as_its_family_reads_it(name: str, value: object, canonical: object) -> None:
    data = {"target": "1", "changes": {name: value}}
    assert orjson.dumps(validate_data("kaohe.event.amended.v1", data)["changes"][name]) == orjson.dumps(canonical)


@pytest.mark.parametrize(
    ("name", "value"),
    [("agreed", "soon"), ("time", None), ("time", "2026-10-08T09:00:00"), ("engineer", ""), ("engineer", 17), ("complaint_class", "huge"),
     ("upheld", "yes"), ("days", "-1"), ("id", "2"), ("subject", "PG-02")],
)  # fmt: skip
def test_an_amendment_that_no_family_would_take_is_refused_by_the_fields_name(name: str, value: object) -> None:
    with pytest.raises(InvalidField) as refused:
        validate_data("kaohe.event.amended.v1", {"target": "1", "changes": {name: value}})
    assert refused.value.pointer == "/data/changes"
    assert name in refused.value.reason


def test_nesting_of_sixteen_levels_is_read_and_seventeen_are_not() -> None:
    def nested(levels: int) -> Any:
        return [] if levels == 1 else [nested(levels - 1)]

    assert read(data={"deep": nested(14)}).data["deep"]
    assert "deeper than 16" in refusal(data={"deep": nested(15)}).reason
    value, headers = binary(event(data={"deep": nested(200)}))
    with pytest.raises(InvalidField, match="deeper than 16"):
        decode(value, headers)


def test_many_shallow_containers_are_not_deep() -> None:
    assert len(read(data={"parts": [{"n": n} for n in range(100)]}).data["parts"]) == 100


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("18", "18"),
        (18, "18"),
        ("0.50", "0.5"),
        (0.5, "0.5"),
        ("-0", "0"),
        (0, "0"),
        (1e-06, "0.000001"),
        ("007.10", "7.1"),
        (100, "100"),
        (2.0, "2"),
    ],
)
def test_a_decimal_has_one_canonical_text(written: object, canonical: str) -> None:
    data = {"measure": "x", "month": "2026-10", "value": written}
    assert validate_data("kaohe.measure.recorded.v1", data)["value"] == canonical


@pytest.mark.parametrize("written", ["1.0000001", "1e3", "", ".5", "+1", "１", 1e-07, 1e12, True, [1], "1" * 13, "NaN"])
def test_what_is_no_decimal_of_six_places_is_refused(written: object) -> None:
    with pytest.raises(InvalidField) as refused:
        validate_data("kaohe.measure.recorded.v1", {"measure": "x", "month": "2026-10", "value": written})
    assert refused.value.pointer == "/data/value"


def test_a_score_is_a_number_and_a_whole_one_an_integer() -> None:
    data = {"score": 5.0, "scale": "1-5"}
    assert orjson.dumps(validate_data("kaohe.survey.answered.v1", data)) == b'{"score":5,"scale":"1-5"}'
    assert validate_data("kaohe.survey.answered.v1", {"score": 9.5}) == {"score": 9.5}
    with pytest.raises(InvalidField):
        validate_data("kaohe.survey.answered.v1", {"score": "5"})


def test_days_are_not_negative() -> None:
    with pytest.raises(InvalidField):
        validate_data("kaohe.attendance.recorded.v1", {"from_day": "2026-10-01", "to_day": "2026-10-01", "days": "-1"})


def test_data_of_an_unknown_type_cannot_be_validated() -> None:
    with pytest.raises(UnknownType):
        validate_data("com.example", {})


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "Content-Type", "ce_specversion", "ce_id", "ce_type", "ce_time", "ce_source", "x", ""]),
        st.sampled_from([b"application/cloudevents+json", b"application/json", b"1.0", b"\xff", b"", b"kaohe.call.ended.v1"]) | st.binary(max_size=8),
    ),
    max_size=5,
)  # fmt: skip


@given(value=st.none() | st.binary(), headers=HEADERS, key=st.none() | st.binary(max_size=4))
def test_no_bytes_raise_anything_but_a_contract_error(
    value: bytes | None, headers: list[tuple[str, bytes]], key: bytes | None
) -> None:
    with contextlib.suppress(ContractError):
        decode(value, headers, key)


@given(
    changed=st.dictionaries(st.sampled_from([*BASE, "sequence", "dataschema", "x", "kaohe", "é"]), JSON_VALUES, max_size=3),
    name=st.sampled_from(["kaohe.dispatch.accepted.v1", "kaohe.roster.recorded.v1", "kaohe.event.amended.v1", "kaohe.measure.recorded.v1"]),
    data=JSON_VALUES | st.dictionaries(st.sampled_from(["engineer", "agreed", "value", "measure", "month", "record", "from", "to", "id", "target", "changes", "window_end"]), JSON_VALUES),
)  # fmt: skip
def test_no_json_raises_anything_but_a_contract_error(changed: dict[str, Any], name: str, data: Any) -> None:
    told = event(type=name, data=data) | changed
    try:
        value = orjson.dumps(told)
    except TypeError:
        return  # not JSON: integers of more than 64 bits, lone surrogates
    try:
        decoded = decode(value, STRUCTURED_HEADERS)
    except ContractError:
        return
    assert read_canonical(decoded.canonical) == decoded
