"""What a person reads instead of a traceback: one line, the cause first, the cure behind it."""

from typing import TYPE_CHECKING

from rich.markup import escape

if TYPE_CHECKING:
    from pydantic import ValidationError

EXPECTED = 1
UNEXPECTED = 70  # sysexits.h EX_SOFTWARE: a defect of ours, worth a report


class CommandError(Exception):
    """The command could not do what it was asked; the message says why and what helps."""


def explain(fault: BaseException) -> tuple[str, int]:
    """The line to print (rich markup escaped) and the exit code for an exception that reached the top.

    Errors that our packages declare, and those of files, network and settings, are expected (exit code 1): their message
    is written for a reader. Anything else is a defect (70) and says how to see where.
    """
    from pydantic import ValidationError  # late: only a failing command pays for it

    if isinstance(fault, ValidationError):
        return escape(_settings(fault)), EXPECTED
    if _declared(fault) or isinstance(fault, OSError):
        return escape(_message(fault)), EXPECTED
    if type(fault).__module__.split(".")[0] in {"httpx", "asyncpg", "aiokafka"}:
        return escape(_message(fault)), EXPECTED
    text = f"unexpected {type(fault).__name__}: {_message(fault)} (KAOHE_DEBUG=1 shows where)"
    return escape(text), UNEXPECTED


def _declared(fault: BaseException) -> bool:
    return type(fault).__module__.split(".")[0] in {"services", "schemas"}


def _message(fault: BaseException) -> str:
    """The exception's words, else the first line of its class's docstring (our hierarchies put the default there)."""
    said = " ".join(str(fault).split())
    documented = (type(fault).__doc__ or type(fault).__name__).strip().splitlines()[0]
    return said or documented


def _settings(fault: "ValidationError") -> str:
    """Settings by the environment variables that set them; other models by their fields."""
    if not fault.title.endswith("Settings"):
        return f"{fault.title} is not valid: " + "; ".join(
            f"{'.'.join(map(str, error['loc'])) or fault.title}: {error['msg']}" for error in fault.errors()
        )
    missing = [_variable(error["loc"]) for error in fault.errors() if error["type"] == "missing"]
    wrong = [f"{_variable(error['loc'])}: {error['msg']}" for error in fault.errors() if error["type"] != "missing"]
    told = [f"a setting is wrong: {'; '.join(wrong)}"] if wrong else []
    told += [f"{' and '.join(missing)} not set: start a stack with `kaohe up`, or set it"] if missing else []
    return "; ".join(told)


def _variable(place: tuple[int | str, ...]) -> str:
    return f"KAOHE_{'_'.join(map(str, place)).upper()}" if place else "the settings"
