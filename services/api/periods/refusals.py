"""Why a freeze is refused, as problem details: one function a reason, the slug is stable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.core.scoring.words import Words
from services.runtime.problems import Problem
from services.store.freezing import Open

RETRY = {"Retry-After": "5"}
SETTLING = {"quarantine": "/v1/quarantine/transitions", "conflict": "/v1/conflicts/transitions"}


def key_missing() -> Problem:
    """Every command carries its idempotency key."""
    return Problem(
        400,
        "idempotency-key-missing",
        "A freeze needs an Idempotency-Key",
        "Send any unique text, and the same again on a retry.",
    )


def key_reused() -> Problem:
    """The same key came with another request."""
    return Problem(
        422,
        "idempotency-key-reused",
        "This Idempotency-Key stands for another request",
        "Use a new key for a new request.",
    )


def request_under_way() -> Problem:
    """The same request is being worked on."""
    return Problem(409, "request-under-way", "This request is under way", headers={"Retry-After": "2"})


def freeze_under_way(period: str, scheme: str) -> Problem:
    """One freeze of a period and scheme at a time."""
    return Problem(
        409, "freeze-under-way", "Another freeze is under way", f"{scheme} of {period} is being frozen.", headers=RETRY
    )


def unknown_scheme(scheme: str, known: Sequence[str]) -> Problem:
    """No scheme of this id."""
    return Problem(404, "unknown-scheme", "There is no such scheme", f"{scheme!r}; known: {', '.join(known)}")


def wrong_parameters(missing: Sequence[str], unknown: Sequence[str]) -> Problem:
    """The scheme's points tables must be supplied, and no others."""
    said = [f"missing: {', '.join(missing)}"] if missing else []
    said += [f"unknown: {', '.join(unknown)}"] if unknown else []
    return Problem(422, "wrong-parameters", "The scheme's parameters do not fit", "; ".join(said))


def price_missing(detail: str) -> Problem:
    """A kind of problem occurred that the points table does not know."""
    return Problem(422, "price-missing", "The points table is incomplete", detail)


def period_in_future(period: str) -> Problem:
    """Nothing has happened yet."""
    return Problem(409, "period-in-future", "This period has not begun", period)


def period_not_ended(period: str) -> Problem:
    """Only with `early`."""
    return Problem(
        409, "period-not-ended", "This period has not ended", f"{period}; send early: true to freeze it as it stands."
    )


def already_frozen(snapshot_id: UUID, cohort: str) -> Problem:
    """The same thing is frozen once; a correction is a new revision."""
    return Problem(
        409,
        "already-frozen",
        "This is frozen already",
        f"Snapshot {snapshot_id} covers {cohort}.",
        snapshot=str(snapshot_id),
        headers={"Link": f'</v1/snapshots/{snapshot_id}>; rel="describedby"'},
    )


def unknown_branch(branch: str, known: Sequence[str]) -> Problem:
    """The roster has no such branch on the period's last day."""
    return Problem(422, "unknown-branch", "There is no such branch", f"{branch!r}; known: {', '.join(known) or 'none'}")


def nobody(post: str) -> Problem:
    """Nobody holds the scheme's post."""
    return Problem(
        409, "nobody-to-appraise", "Nobody is to be appraised", f"No {post} in the roster on the period's last day."
    )


def not_caught_up(waiting_for: Sequence[str]) -> Problem:
    """Events that stand in the log are not counted yet."""
    return Problem(
        503,
        "not-caught-up",
        "Events in the log are not counted yet",
        "; ".join(waiting_for[:10]),
        headers=RETRY,
        waiting_for=list(waiting_for),
    )


def broker_away(detail: str) -> Problem:
    """The ends of the log are not known, so nobody can say what is missing."""
    return Problem(503, "broker-away", "The broker does not answer", detail, headers=RETRY)


def open_items(items: Sequence[Open]) -> Problem:
    """Quarantined records or conflicts that nobody has settled."""
    said = "; ".join(
        f"{item.count} × {item.kind}: {', '.join(item.first)} (settle them by POST {SETTLING[item.kind]})"
        for item in items
    )
    return Problem(
        409,
        "open-items",
        "Open items must be fixed or waived first",
        said,
        open=[{"kind": item.kind, "count": item.count, "first": list(item.first)} for item in items],
    )


def not_computable(people: Mapping[str, Words | None]) -> Problem:
    """Inputs are missing: supply them, or somebody named excuses the person."""
    reasons = [
        {"person": person, "reason": {"zh": words.zh, "en": words.en} if words else None}
        for person, words in sorted(people.items())
    ]
    said = "; ".join(f"{person}: {words.en if words else 'unknown'}" for person, words in sorted(people.items()))
    return Problem(409, "not-computable", "Scores cannot be computed", said, people=reasons)


def needless_excuse(people: Sequence[str]) -> Problem:
    """Only somebody who is not computable can be excused, and once."""
    return Problem(
        422,
        "needless-excuse",
        "There is nothing to excuse",
        f"{', '.join(people)}: computable, not in the population, or twice.",
    )


def seal_refused(detail: str) -> Problem:
    """The seal did not close over what was evaluated; nothing is visible."""
    return Problem(409, "seal-refused", "The snapshot could not be sealed", detail)


def no_snapshot(snapshot_id: UUID) -> Problem:
    """No sealed snapshot of this id."""
    return Problem(404, "no-snapshot", "There is no such snapshot", str(snapshot_id))


def not_in_snapshot(person: str) -> Problem:
    """The person was not in the population."""
    return Problem(404, "not-in-snapshot", "This person is not in the snapshot", person)
