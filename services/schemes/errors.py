"""What can be wrong with a scheme file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, where a person can find it: line (from 1) and path inside the document."""

    line: int
    path: str
    message: str


class SchemeError(ValueError):
    """A scheme or parameter file that cannot be used; the message has one line a fault: "file:line: path: what is wrong"."""

    def __init__(self, file: str, faults: list[Fault]) -> None:
        self.file = file
        self.faults = faults
        super().__init__("\n".join(f"{file}:{fault.line}: {fault.path}: {fault.message}" for fault in faults))
