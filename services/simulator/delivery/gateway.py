"""Through the gateway: batches over HTTP, repeated with the same ids until acknowledged, so that nothing counts twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final

import httpx
import orjson

from services.simulator.delivery.receipt import DeliveryError, Receipt, Rejection
from services.simulator.occurrence import Event

BATCH_TYPE: Final = "application/cloudevents-batch+json"
_ATTEMPTS: Final = 8
_ATTEMPTS_AT_FIRST: Final = 3  # who never answered is more likely not there than busy
_LONGEST_WAIT_SECONDS: Final = 30.0
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class Gateway:
    """An open connection to a gateway. Use `gateway(…)`."""

    def __init__(self, client: httpx.AsyncClient, *, batch: int, attempts: int) -> None:
        self.batch = batch
        self._client = client
        self._attempts = attempts
        self._met = False
        self._chance = Random(0)  # noqa: S311 - only spreads the waits

    async def send(self, events: Sequence[Event]) -> Receipt:
        """One request a call. Raises DeliveryError when the gateway stays away or refuses the whole request."""
        body = orjson.dumps(list(events))
        attempt = 0
        while True:
            attempt += 1
            answer = await self._post(body, attempt)
            if answer is not None and answer.status_code not in _AGAIN:
                return _receipt(answer, events)
            if attempt >= self._attempts:
                raise DeliveryError(
                    f"the gateway at {self._client.base_url} took no events in {attempt} attempts: {_why(answer)}"
                )
            await asyncio.sleep(self._wait(answer, attempt))

    async def _post(self, body: bytes, attempt: int) -> httpx.Response | None:
        """The answer; None when there was none and another attempt is worth it."""
        try:
            answer = await self._client.post("/v1/events", content=body, headers={"content-type": BATCH_TYPE})
        except httpx.TransportError as fault:
            if attempt >= (self._attempts if self._met else min(self._attempts, _ATTEMPTS_AT_FIRST)):
                raise DeliveryError(
                    f"no gateway answers at {self._client.base_url} ({type(fault).__name__}): is it running?"
                ) from fault
            return None
        self._met = True
        return answer

    def _wait(self, answer: httpx.Response | None, attempt: int) -> float:
        """Seconds: what the gateway asks for, else doubling from 0.2; a little more, so that clients do not come back together."""
        asked = answer.headers.get("retry-after", "") if answer is not None else ""
        seconds = float(asked) if asked.isdecimal() else 0.2 * 2 ** (attempt - 1)
        return min(_LONGEST_WAIT_SECONDS, seconds) * self._chance.uniform(1.0, 1.2)


@asynccontextmanager
async def gateway(address: str, key: str, *, batch: int = 1000, attempts: int = _ATTEMPTS) -> AsyncIterator[Gateway]:
    """A gateway at an address like http://127.0.0.1:8101, with an API key of scope ingest."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
        yield Gateway(client, batch=batch, attempts=attempts)


def _receipt(answer: httpx.Response, events: Sequence[Event]) -> Receipt:
    """202, or 422 when not one event of the request was good: both carry a verdict for each event."""
    if answer.status_code not in {httpx.codes.ACCEPTED, httpx.codes.UNPROCESSABLE_ENTITY}:
        raise DeliveryError(f"the gateway refused the events: {_why(answer)}")
    verdicts = answer.json().get("verdicts")
    if verdicts is None:
        raise DeliveryError(f"the gateway refused the events: {_why(answer)}")
    rejections = tuple(_rejections(verdicts, events))
    return Receipt(len(events) - len(rejections), rejections)


def _rejections(verdicts: list[dict[str, Any]], events: Sequence[Event]) -> Iterator[Rejection]:
    for event, verdict in zip(events, verdicts, strict=True):
        if verdict["status"] != "accepted":
            first = (verdict.get("errors") or [{}])[0]
            yield Rejection(event["id"], first.get("pointer", ""), first.get("reason", ""))


def _why(answer: httpx.Response | None) -> str:
    """A problem document in one line."""
    if answer is None:
        return "no answer"
    try:
        problem = answer.json()
        words = [problem["title"], problem.get("detail")]
    except (ValueError, TypeError, KeyError):
        words = [answer.reason_phrase]
    return f"{answer.status_code} " + " — ".join(word for word in words if word)
