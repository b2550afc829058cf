"""Every failure of an app is problem details, and none tells what it should not."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from services.runtime.problems import Problem, install, pointer, responses


class Body(BaseModel):
    days: int


def app() -> FastAPI:
    made = FastAPI()
    install(made)

    @made.post("/orders/{number}", responses=responses(409, 422))
    async def order(number: int, body: Body) -> Body:
        if number == 9:
            raise Problem(
                409, "taken", "It is taken", "Order 9 is.", headers={"Retry-After": "3"}, order=9, type="forged"
            )
        return body

    @made.get("/fault")
    async def fault() -> None:
        raise RuntimeError("a secret")

    return made


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
        yield made


async def test_a_problem_is_answered_with_its_type_title_and_extensions(client: httpx.AsyncClient) -> None:
    answer = await client.post("/orders/9", json={"days": 1})
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert answer.headers["retry-after"] == "3"
    assert answer.json() == {
        "type": "urn:kaohe:problem:taken", "title": "It is taken", "status": 409, "detail": "Order 9 is.", "order": 9,
    }  # fmt: skip


async def test_wrong_fields_are_named_by_pointer_or_parameter(client: httpx.AsyncClient) -> None:
    answer = await client.post("/orders/nine", json={"days": "x"})
    assert answer.status_code == 422
    places = [(error["in"], error.get("pointer", error.get("name"))) for error in answer.json()["errors"]]
    assert places == [("path", "number"), ("body", "/days")]


async def test_a_body_that_is_not_json_is_a_400(client: httpx.AsyncClient) -> None:
    answer = await client.post("/orders/1", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:kaohe:problem:not-json")


async def test_unknown_addresses_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    missing, wrong = await client.get("/nowhere"), await client.get("/orders/1")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:kaohe:problem:not-found")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.json()["type"] == "urn:kaohe:problem:method-not-allowed"


async def test_a_fault_of_ours_tells_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/fault")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_a_pointer_escapes_its_two_characters() -> None:
    assert pointer([]) == ""
    assert pointer(["a~b", "c/d", 3]) == "/a~0b/c~1d/3"
