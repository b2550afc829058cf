"""Who asks, and whether the key may. Deny by default: the app puts `authenticated` before every router; an endpoint adds its scope."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from services.runtime.keyring import Keyring
from services.runtime.problems import Problem
from services.runtime.security import ApiKey, KeyRefused, KeysUnavailable, Scope

# These two only describe themselves in OpenAPI; the keyring reads the headers.
_BEARER = HTTPBearer(auto_error=False, scheme_name="key", description="An API key: `kh_<prefix>_<secret>`.")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="key header")


async def authenticated(
    request: Request, _bearer: Annotated[object, Security(_BEARER)], _header: Annotated[object, Security(_HEADER)]
) -> ApiKey:
    """The key of the request. Answers 401 without a good one, 503 while keys cannot be looked up."""
    keyring = cast("Keyring", request.app.state.keyring)
    try:
        key = await keyring.authenticate(request.headers)
    except KeyRefused as refused:
        raise _problem(refused) from None
    except KeysUnavailable:
        raise Problem(
            503, "keys-unavailable", "Keys cannot be checked right now", headers={"Retry-After": "2"}
        ) from None
    request.state.key_id = key.key_id
    return key


class _Needs:
    """A dependency that lets keys with a scope pass."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __call__(self, key: Annotated[ApiKey, Depends(authenticated)]) -> ApiKey:
        """The key, when it has the scope; else 403."""
        try:
            key.require(self._scope)
        except KeyRefused as refused:
            raise _problem(refused) from None
        return key


Reader = Annotated[ApiKey, Depends(_Needs(Scope.READ))]
Freezer = Annotated[ApiKey, Depends(_Needs(Scope.FREEZE))]
Admin = Annotated[ApiKey, Depends(_Needs(Scope.ADMIN))]


def _problem(refused: KeyRefused) -> Problem:
    headers = {"WWW-Authenticate": 'Bearer realm="kaohe"'} if refused.status == 401 else {}
    title = "This needs an API key" if refused.status == 401 else "This key does not allow it"
    return Problem(refused.status, refused.slug, title, refused.reason, headers=headers)
