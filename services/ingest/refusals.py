"""The problems that the gateway answers with; each is one slug for good."""

from __future__ import annotations

from typing import Any

from services.runtime.problems import Problem
from services.runtime.security import KeyRefused


def not_json(reason: str) -> Problem:
    """The body as a whole cannot be read."""
    return Problem(400, "not-json", "The body is not JSON", reason)


def cut_off() -> Problem:
    """The client went away before its body ended; nobody reads this, the log does."""
    return Problem(400, "cut-off", "The body ended early")


def wrong_shape(reason: str) -> Problem:
    """The body is JSON, but not what its media type says."""
    return Problem(400, "not-cloudevents", "The body does not hold what its media type says", reason)


def body_too_large(limit: int) -> Problem:
    """The body is larger than the limit; reading stopped there."""
    return Problem(
        413, "body-too-large", "The body is too large", f"At most {limit} bytes are taken in one request.", limit=limit
    )


def batch_too_large(count: int, limit: int) -> Problem:
    """More events than one batch may hold."""
    return Problem(
        413,
        "batch-too-large",
        "The batch holds too many events",
        f"{count} events; at most {limit} are taken in one batch.",
        limit=limit,
    )


def unsupported(media_type: str) -> Problem:
    """The media type is none that events come in."""
    return Problem(
        415,
        "unsupported-media-type",
        "This media type is not taken",
        f"{media_type or 'No content-type'}: send application/cloudevents+json, application/cloudevents-batch+json, or application/json with ce- headers.",
    )


def busy() -> Problem:
    """Too much is in flight already."""
    return Problem(
        503,
        "busy",
        "The gateway has too much in flight",
        "Nothing of this request was taken; send it again under the same ids.",
        headers={"Retry-After": "1"},
    )


def broker_away(detail: str, verdicts: list[dict[str, Any]] | None = None) -> Problem:
    """Not everything was acknowledged: the verdicts say what was."""
    extensions: dict[str, Any] = {} if verdicts is None else {"verdicts": verdicts}
    return Problem(
        503,
        "broker-away",
        "The broker did not acknowledge the events",
        detail,
        headers={"Retry-After": "5"},
        **extensions,
    )


def database_away(what: str) -> Problem:
    """Something that only the database knows is needed right now."""
    return Problem(
        503,
        "database-away",
        "The database does not answer",
        f"{what} Nothing of this request was taken; send it again under the same ids.",
        headers={"Retry-After": "5"},
    )


def all_rejected(verdicts: list[dict[str, Any]]) -> Problem:
    """Not one event of the request follows the contract."""
    return Problem(
        422,
        "all-rejected",
        "Every event was rejected",
        "The verdicts say where and why; mend the events and send them again.",
        verdicts=verdicts,
    )


def key_refused(refused: KeyRefused) -> Problem:
    """401 or 403 with the reason."""
    headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
    title = "This key does not allow it" if refused.status == 403 else "This needs a valid API key"
    return Problem(refused.status, refused.slug, title, refused.reason, headers=headers)
