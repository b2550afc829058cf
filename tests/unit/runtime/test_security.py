"""A key proves itself by its secret alone, and may do what it was made for."""

import pytest

from services.runtime.security import (
    ApiKey,
    KeyExpired,
    KeyMissing,
    KeyRevoked,
    KeyUnknown,
    NewKey,
    Scope,
    ScopeMissing,
    check,
    hash_secret,
    new_key,
    presented_key,
    split_key,
)

NOW_MS = 1_800_000_000_000


def stored(made: NewKey, *, expires_ms: int | None = None, revoked_ms: int | None = None) -> ApiKey:
    return ApiKey(
        made.key_id,
        made.prefix,
        made.secret_hash,
        "test",
        frozenset({"read"}),
        ("crm", "pbx/*"),
        expires_ms,
        revoked_ms,
    )


def secret_of(made: NewKey) -> str:
    parts = split_key(made.plain)
    assert parts is not None
    assert parts[0] == made.prefix
    return parts[1]


def test_a_fresh_key_has_192_random_bits_and_is_stored_as_a_hash() -> None:
    first, second = new_key(), new_key()
    assert len(bytes.fromhex(secret_of(first))) * 8 == 192
    assert first.plain != second.plain
    assert first.secret_hash == hash_secret(secret_of(first))
    assert secret_of(first).encode() not in first.secret_hash


def test_the_right_secret_opens() -> None:
    made = new_key()
    assert check(secret_of(made), stored(made), NOW_MS).key_id == made.key_id


def test_a_wrong_secret_and_an_unknown_prefix_are_answered_alike() -> None:
    made = new_key()
    with pytest.raises(KeyUnknown) as wrong:
        check("0" * 48, stored(made), NOW_MS)
    with pytest.raises(KeyUnknown) as unknown:
        check(secret_of(made), None, NOW_MS)
    assert str(wrong.value) == str(unknown.value)


def test_a_key_ends_at_the_instant_of_its_expiry_or_revocation() -> None:
    made = new_key()
    check(secret_of(made), stored(made, expires_ms=NOW_MS + 1, revoked_ms=NOW_MS + 1), NOW_MS)
    with pytest.raises(KeyExpired):
        check(secret_of(made), stored(made, expires_ms=NOW_MS), NOW_MS)
    with pytest.raises(KeyRevoked):
        check(secret_of(made), stored(made, revoked_ms=NOW_MS, expires_ms=NOW_MS), NOW_MS)


def test_who_does_not_know_the_secret_does_not_learn_that_the_key_expired() -> None:
    made = new_key()
    with pytest.raises(KeyUnknown):
        check("0" * 48, stored(made, expires_ms=0), NOW_MS)


@pytest.mark.parametrize("text", ["", "kh", "kh_a", "kh__b", "kh_a_", "xx_a_b", "kh_a_b_c", "kh_é_b", "Bearer kh_a_b"])
def test_what_does_not_look_like_a_key_is_none(text: str) -> None:
    assert split_key(text) is None


@pytest.mark.parametrize(
    ("source", "allowed"),
    [("crm", True), ("crm2", False), ("CRM", False), ("pbx/", True), ("pbx/3", True), ("pbx", False), ("", False)],
)
def test_a_key_sends_as_its_exact_sources_and_prefixes(source: str, allowed: bool) -> None:
    assert stored(new_key()).sends_as(source) is allowed


def test_a_scope_is_had_or_missing() -> None:
    key = stored(new_key())
    key.require(Scope.READ)
    with pytest.raises(ScopeMissing, match="it has: read"):
        key.require(Scope.ADMIN)


@pytest.mark.parametrize(
    "headers", [{"authorization": "Bearer k"}, {"authorization": "bearer  k "}, {"x-api-key": " k "}]
)
def test_a_key_comes_in_either_header(headers: dict[str, str]) -> None:
    assert presented_key(headers) == "k"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic k"}, {"authorization": "Bearer "}, {"x-api-key": ""}])
def test_without_a_key_the_request_is_told_how_to_send_one(headers: dict[str, str]) -> None:
    with pytest.raises(KeyMissing, match="Authorization: Bearer"):
        presented_key(headers)
