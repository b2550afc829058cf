"""Keyset cursors: opaque to the client, bound to the list they came from, and a `Link: rel="next"` beside the body."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import orjson
from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field

from services.runtime.problems import Problem

Key = Sequence[str | int | None]
Item = TypeVar("Item")

Cursor = Annotated[
    str | None,
    Query(max_length=2000, description="Where the last page ended: its `next_cursor`, with the same other parameters."),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="The most items on a page.")]


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(
        None, description="Give it as `cursor` for the next page; null: this is the last one."
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A list with its filters: a cursor of another list, or with other filters, is refused."""

    digest: str

    @classmethod
    def of(cls, *parts: object) -> Place:
        """The place that a list's name and filters make."""
        return cls(hashlib.sha256(repr(parts).encode()).hexdigest()[:12])

    def encode(self, key: Key) -> str:
        """The cursor after the item with this key."""
        return base64.urlsafe_b64encode(orjson.dumps([self.digest, *key])).decode().rstrip("=")

    def decode(self, cursor: str | None, *kinds: type) -> tuple[str | int | None, ...] | None:
        """The key in a cursor, None for the first page. Raises Problem 400 for any cursor that this list did not give."""
        if cursor is None:
            return None
        try:
            digest, *key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        except (binascii.Error, ValueError, TypeError):
            raise bad_cursor() from None
        if digest != self.digest or len(key) != len(kinds):
            raise bad_cursor()
        if any(type(part) is not kind for part, kind in zip(key, kinds, strict=True)):
            raise bad_cursor()
        if any("\x00" in part if isinstance(part, str) else abs(part) >= 2**63 for part in key):
            raise bad_cursor()
        return tuple(key)


def bad_cursor() -> Problem:
    """400: no list of ours gave this cursor."""
    return Problem(
        400,
        "bad-cursor",
        "This cursor does not belong to this list",
        "A cursor is good for the list and the filters that gave it; leave it out to begin anew.",
    )


@dataclass(frozen=True, slots=True)
class Turn:
    """The page that a client asks for, and the way to answer with the address of the next one."""

    request: Request
    response: Response
    cursor: str | None
    limit: int

    def page(self, items: list[Item], following: str | None) -> Page[Item]:
        """The page, with `Link: <…>; rel="next"` when there is another."""
        self.link(following)
        return Page(items=items, next_cursor=following)

    def link(self, following: str | None) -> None:
        """Set the `Link` header when there is a next page."""
        if following is not None:
            url = self.request.url.include_query_params(cursor=following)
            self.response.headers["Link"] = f'<{url}>; rel="next"'


def _turn(request: Request, response: Response, cursor: Cursor = None, limit: Limit = 100) -> Turn:
    return Turn(request, response, cursor, limit)


Paging = Annotated[Turn, Depends(_turn)]
