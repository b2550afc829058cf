"""The API as the demo asks it: a thin client, answers as the JSON they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

JSON = dict[str, Any]


class ApiError(Exception):
    """The API answered with a problem. `problem` is its body (RFC 9457)."""

    def __init__(self, status: int, problem: JSON) -> None:
        self.status = status
        self.problem = problem
        words = [str(problem.get(part)) for part in ("title", "detail") if problem.get(part)]
        super().__init__(f"the API answered {status}: {' — '.join(words) or 'no reason given'}")

    @property
    def kind(self) -> str:
        """The problem's slug."""
        return str(self.problem.get("type", "")).rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Api:
    """An API and a key for it. Methods raise ApiError, and httpx.TransportError when nobody answers."""

    client: httpx.AsyncClient

    async def kpis(self, level: str, window: str, indicators: Sequence[str]) -> list[JSON]:
        """All figures of a level in a window, page by page."""
        query: dict[str, Any] = {"level": level, "window": window, "indicator": list(indicators), "limit": 1000}
        found: list[JSON] = []
        while True:
            page = await self._get("/v1/kpis", query)
            found += page["items"]
            if page.get("next_cursor") is None:
                return found
            query["cursor"] = page["next_cursor"]

    async def roster_import(self, text: str) -> JSON:
        """Import a roster, CSV text."""
        return await self._post("/v1/roster/imports", content=text.encode(), headers={"content-type": "text/csv"})

    async def unmatched(self) -> list[JSON]:
        """Ids that no roster row explains, heaviest first."""
        found: list[JSON] = (await self._get("/v1/roster/unmatched", {}))["items"]
        return found

    async def sources(self) -> list[JSON]:
        """How far each source has been heard."""
        found: list[JSON] = (await self._get("/v1/sources", {}))["items"]
        return found

    async def freeze(self, period: str, request: JSON, idempotency_key: str) -> JSON:
        """Freeze a period; the snapshot."""
        return await self._post(
            f"/v1/periods/{period}/snapshots", json=request, headers={"idempotency-key": idempotency_key}
        )

    async def people(self, snapshot: str) -> list[JSON]:
        """Everybody's score in a snapshot."""
        found: list[JSON] = (await self._get(f"/v1/snapshots/{snapshot}/people", {}))["items"]
        return found

    async def statement(self, snapshot: str, person: str) -> JSON:
        """One person's statement."""
        return await self._get(f"/v1/snapshots/{snapshot}/people/{person}/statement", {})

    async def verify(self, snapshot: str) -> JSON:
        """Fold everything again and compare."""
        return await self._post(f"/v1/snapshots/{snapshot}/verify")

    async def pushed(
        self, level: str, window: str, ids: Sequence[str], indicators: Sequence[str]
    ) -> AsyncIterator[list[JSON]]:
        """The figures that the stream pushes: first all of these subjects, then those that change, for as long as it lasts."""
        query = {"level": level, "window": window, "id": list(ids), "indicator": list(indicators)}
        async with self.client.stream("GET", "/v1/stream", params=query, timeout=None) as answer:
            if answer.status_code != httpx.codes.OK:
                await answer.aread()
                raise _error(answer)
            async for line in answer.aiter_lines():
                if line.startswith("data:") and (items := orjson.loads(line[5:]).get("items")):
                    yield items

    async def _get(self, path: str, query: JSON) -> JSON:
        return _body(await self.client.get(path, params=query))

    async def _post(self, path: str, **request: Any) -> JSON:
        return _body(await self.client.post(path, **request))


@asynccontextmanager
async def connected(address: str, key: str) -> AsyncIterator[Api]:
    """A client of the API at an address."""
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=120) as client:
        yield Api(client)


def _body(answer: httpx.Response) -> JSON:
    if answer.is_success:
        body: JSON = answer.json()
        return body
    raise _error(answer)


def _error(answer: httpx.Response) -> ApiError:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    return ApiError(answer.status_code, problem if isinstance(problem, dict) else {})
