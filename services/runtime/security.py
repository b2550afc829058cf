"""API keys: made once, shown once, stored as a hash, checked in constant time; scopes and sources say what a key may do.

A key reads `kh_<prefix>_<secret>`: the prefix finds it, the secret (192 random bits) proves it. A fast hash is right for a secret that nobody can guess.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BRAND: Final = "kh"
ANY_SOURCE: Final = "*"
_PREFIX_BYTES: Final = 6
_SECRET_BYTES: Final = 24


class Scope(StrEnum):
    """What a key may be used for."""

    INGEST = "ingest"
    READ = "read"
    FREEZE = "freeze"
    ADMIN = "admin"


class KeyRefused(Exception):  # noqa: N818 - its subclasses say what is wrong
    """The request is not allowed"""

    status = 401
    slug = "unauthenticated"

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason or (type(self).__doc__ or "")
        super().__init__(self.reason)


class KeyMissing(KeyRefused):
    """No API key: send Authorization: Bearer <key>, or X-API-Key"""

    slug = "no-key"


class KeyUnknown(KeyRefused):
    """This API key is not known"""

    slug = "unknown-key"


class KeyExpired(KeyRefused):
    """This API key has expired: ask for a new one"""

    slug = "expired-key"


class KeyRevoked(KeyRefused):
    """This API key was revoked"""

    slug = "revoked-key"


class ScopeMissing(KeyRefused):
    """This API key does not have the scope"""

    status = 403
    slug = "missing-scope"


class KeysUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """Keys cannot be looked up right now"""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is made. `plain` is shown once and stored nowhere."""

    key_id: str
    prefix: str
    secret_hash: bytes
    plain: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key. `sources` are exact names or prefixes that end in `*`; instants are epoch ms, None = never."""

    key_id: str
    prefix: str
    secret_hash: bytes
    label: str
    scopes: frozenset[str]
    sources: Sequence[str]
    expires_ms: int | None = None
    revoked_ms: int | None = None

    def sends_as(self, source: str) -> bool:
        """Whether the key may send events of this source."""
        return any(_matches(pattern, source) for pattern in self.sources)

    def require(self, scope: Scope) -> None:
        """Raise ScopeMissing unless the key has the scope."""
        if scope not in self.scopes:
            raise ScopeMissing(
                f"this API key has no scope {scope.value}; it has: {', '.join(sorted(self.scopes)) or 'none'}"
            )


def _matches(pattern: str, source: str) -> bool:
    return source.startswith(pattern[:-1]) if pattern.endswith(ANY_SOURCE) else source == pattern


def new_key() -> NewKey:
    """A fresh random key."""
    prefix = secrets.token_hex(_PREFIX_BYTES)
    secret = secrets.token_hex(_SECRET_BYTES)
    return NewKey(f"key_{secrets.token_hex(8)}", prefix, hash_secret(secret), f"{BRAND}_{prefix}_{secret}")


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret: SHA-256, 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()


def split_key(presented: str) -> tuple[str, str] | None:
    """Prefix and secret of what a client presents; None when it does not look like a key at all."""
    parts = presented.split("_")
    if len(parts) != 3 or parts[0] != BRAND or not parts[1] or not parts[2] or not presented.isascii():
        return None
    return parts[1], parts[2]


def presented_key(headers: Mapping[str, str]) -> str:
    """The key of a request: `Authorization: Bearer`, else `X-API-Key`. Raises KeyMissing."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    key = headers.get("x-api-key", "").strip()
    if not key:
        raise KeyMissing
    return key


def check(secret: str, stored: ApiKey | None, now_ms: int) -> ApiKey:
    """The stored key if the secret proves it and it is in force. Raises KeyUnknown, KeyRevoked, KeyExpired.

    A wrong secret takes as long as an unknown prefix and is answered alike; only who has the secret learns that it expired.
    """
    expected = stored.secret_hash if stored is not None else bytes(32)
    proved = hmac.compare_digest(hash_secret(secret), expected)
    if stored is None or not proved:
        raise KeyUnknown
    if stored.revoked_ms is not None and stored.revoked_ms <= now_ms:
        raise KeyRevoked
    if stored.expires_ms is not None and stored.expires_ms <= now_ms:
        raise KeyExpired
    return stored
