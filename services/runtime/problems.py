"""Problem details (RFC 9457) for every HTTP answer that is not a success.

`type` is a stable URN, `urn:kaohe:problem:<slug>`: clients branch on it, people read `title` and `detail`. No traceback, payload or
secret is ever put into an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE: Final = "application/problem+json"
URN_PREFIX: Final = "urn:kaohe:problem:"


class ProblemDetails(BaseModel):
    """The body of a problem answer, as OpenAPI shows it; further members depend on the type."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=[URN_PREFIX + "unknown-key"])
    title: str = Field(examples=["This API key is not known"])
    status: int = Field(examples=[401])
    detail: str | None = None


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """Raised by an endpoint to answer with problem details.

    `slug` names the kind for good, `title` says it for all occurrences, `detail` for this one; `extensions` are further members of
    the body (JSON values), `headers` go to the HTTP answer.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.extensions = extensions

    def body(self) -> dict[str, Any]:
        """The JSON object of the answer; standard members win over extensions of the same name."""
        standard: dict[str, Any] = {"type": URN_PREFIX + self.slug, "title": self.title, "status": self.status}
        if self.detail is not None:
            standard["detail"] = self.detail
        return standard | {name: value for name, value in self.extensions.items() if name not in standard}

    def response(self) -> Response:
        """The HTTP answer."""
        return Response(orjson.dumps(self.body()), self.status, self.headers, MEDIA_TYPE)


def pointer(path: Sequence[str | int]) -> str:
    """A JSON Pointer (RFC 6901) for a path of names and indexes; the empty path is the whole document, ``""``.

    >>> pointer(["data", "a/b", 0])
    '/data/a~1b/0'
    """
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def install(app: FastAPI) -> None:
    """Make `app` answer every failure with problem details."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_fault)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of an endpoint that may answer with problems of these statuses (OpenAPI)."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}},
        }
        for status in statuses
    }


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class only
    return error.response()


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    found = error.errors()
    if any(item.get("type") == "json_invalid" for item in found):
        return Problem(400, "not-json", "The body is not JSON").response()
    return Problem(
        422, "invalid-request", "The request is not valid", errors=[_where(item) for item in found]
    ).response()


def _where(item: Mapping[str, Any]) -> dict[str, Any]:
    place, *path = item.get("loc", ()) or ("body",)
    if place == "body":
        return {"in": "body", "pointer": pointer(path), "reason": item["msg"]}
    return {"in": place, "name": ".".join(map(str, path)), "reason": item["msg"]}


_BY_STATUS: Final[dict[int, tuple[str, str]]] = {
    401: ("unauthenticated", "This needs an API key"),
    403: ("forbidden", "This key does not allow it"),
    404: ("not-found", "There is nothing here"),
    405: ("method-not-allowed", "This address does not answer to that method"),
    406: ("not-acceptable", "No representation that the client accepts"),
    415: ("unsupported-media-type", "This media type is not accepted here"),
}


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    phrase = HTTPStatus(error.status_code).phrase
    slug, title = _BY_STATUS.get(error.status_code, (phrase.lower().replace(" ", "-"), phrase))
    detail = error.detail if error.detail and error.detail != phrase else None
    return Problem(error.status_code, slug, title, detail, headers=error.headers).response()


async def _on_fault(_request: Request, _error: Exception) -> Response:
    # The server logs the traceback; the client learns only that the fault is ours.
    return Problem(500, "internal-error", "The server failed", "The fault is logged; a retry may succeed.").response()
