"""Each type has an example, and the example satisfies the models and the published JSON Schema alike."""

from pathlib import Path

import jsonschema
import orjson
import pytest

import schemas
import schemas.errors
from schemas.codec import decode, interpret, read_canonical
from schemas.documents import ASYNCAPI_FILE, documents, drift, json_schema
from schemas.registry import TYPES
from schemas.wire import STRUCTURED_HEADERS, parts_of

FOLDER = Path(schemas.__file__).parent
EXAMPLES = {path.stem: path for path in (FOLDER / "examples").glob("*.json")}


def test_every_type_has_an_example_and_every_example_a_type() -> None:
    assert EXAMPLES.keys() == TYPES.keys()


@pytest.mark.parametrize("name", sorted(TYPES))
def test_an_example_decodes_to_what_it_says(name: str) -> None:
    stored = EXAMPLES[name].read_bytes()
    event = orjson.loads(stored)
    decoded = decode(stored, STRUCTURED_HEADERS)
    assert (decoded.type, decoded.id, decoded.source) == (name, event["id"], event["source"])
    assert decoded.data == event["data"]
    assert read_canonical(decoded.canonical) == decoded


@pytest.mark.parametrize("name", sorted(TYPES))
def test_an_example_satisfies_the_json_schema_and_a_broken_one_does_not(name: str) -> None:
    event = orjson.loads(EXAMPLES[name].read_bytes())
    validator = jsonschema.Draft202012Validator(json_schema(TYPES[name]), format_checker=jsonschema.FormatChecker())
    validator.validate(event)
    del event["id"]
    assert not validator.is_valid(event)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_a_generated_schema_is_a_json_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(TYPES[name]))


@pytest.mark.parametrize("name", sorted(TYPES))
def test_the_model_demands_whatever_the_json_schema_demands(name: str) -> None:
    event = orjson.loads(EXAMPLES[name].read_bytes())
    schema = json_schema(TYPES[name])
    needed: list[tuple[str, ...]] = [(member,) for member in schema["required"]]
    needed += [("data", member) for member in schema["properties"]["data"].get("required", [])]
    for path in needed:
        attributes, data = parts_of(orjson.loads(orjson.dumps(event)))
        (data if path[0] == "data" and len(path) == 2 else attributes).pop(path[-1], None)
        if path == ("data",):
            data = None
        with pytest.raises(schemas.errors.ContractError) as refused:
            interpret(attributes, data)
        assert refused.value.pointer.startswith("/" + path[0])


def test_the_committed_documents_are_those_of_the_models() -> None:
    assert drift(FOLDER) == []


def test_drift_names_the_missing_the_changed_and_the_stale_file(tmp_path: Path) -> None:
    for name, content in documents().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert drift(tmp_path) == []
    (tmp_path / ASYNCAPI_FILE).write_text("asyncapi: 2.6.0")
    (tmp_path / "json/kaohe.call.ended.v1.schema.json").unlink()
    (tmp_path / "json/kaohe.call.ended.v0.schema.json").write_text("{}")
    assert set(drift(tmp_path)) == {
        ASYNCAPI_FILE,
        "json/kaohe.call.ended.v1.schema.json",
        "json/kaohe.call.ended.v0.schema.json",
    }
