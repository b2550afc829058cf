"""Why a record is not an event of ours. Each class's docstring is the default reason, its name stands in the quarantine."""

# ruff: noqa: N818 - a name says what the record is; the names are stored and shown

from __future__ import annotations

from collections.abc import Sequence

Finding = tuple[str, str]  # JSON Pointer into the event in JSON form, reason


class ContractError(Exception):
    """The record breaks the contract"""

    def __init__(self, reason: str | None = None, pointer: str = "") -> None:
        self.pointer = pointer
        self.reason = reason or (type(self).__doc__ or "").strip()
        super().__init__(f"{pointer}: {self.reason}" if pointer else self.reason)

    @property
    def findings(self) -> Sequence[Finding]:
        """All that is wrong with the record, the first one being (pointer, reason)."""
        return ((self.pointer, self.reason),)


class NotJson(ContractError):
    """The value is not JSON (UTF-8, no NaN, no lone surrogates)"""


class NotCloudEvent(ContractError):
    """The value is not a CloudEvent 1.0"""


class UnknownType(ContractError):
    """No event of this type is known; it is kept in quarantine until one is"""


class UnknownVersion(UnknownType):
    """The event is known, this version of it is not; it is kept in quarantine until it is"""


class InvalidField(ContractError):
    """A field breaks the contract"""

    def __init__(self, findings: Sequence[Finding]) -> None:
        pointer, reason = findings[0]
        super().__init__(reason, pointer)
        self._findings = tuple(findings)

    @property
    def findings(self) -> Sequence[Finding]:
        """Every field that breaks the contract."""
        return self._findings


def pointer_to(*steps: str | int) -> str:
    """A JSON Pointer (RFC 6901).

    >>> pointer_to("data", "a/b", 0)
    '/data/a~1b/0'
    """
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
