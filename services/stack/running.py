"""How other commands find the stack that runs: `stack.env` in KAOHE_HOME, readable by its owner only."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from services.stack.state import is_supervised

FILE = "stack.env"


def write_environment(home: Path, environment: Mapping[str, str]) -> None:
    """Write the stack's KAOHE_ settings, one `NAME=value` a line as a shell reads them."""
    path = home / FILE
    path.unlink(missing_ok=True)
    lines = [f"{key}={shlex.quote(value)}\n" for key, value in sorted(environment.items()) if key.startswith("KAOHE_")]
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.writelines(lines)


def running_environment(home: Path) -> dict[str, str]:
    """The settings of the stack that runs in this home; empty when none runs."""
    path = home / FILE
    if not is_supervised(home) or not path.exists():
        return {}
    words = shlex.split(path.read_text(encoding="utf-8"))
    return dict(word.split("=", 1) for word in words)


def adopt(home: Path | None = None) -> bool:
    """Let this process use the running stack: set what the environment leaves open. Whether a stack was found.

    For commands such as `kaohe simulate`, before they read their settings; what the user has set wins.
    """
    found = running_environment(home or Path(os.environ.get("KAOHE_HOME") or ".kaohe"))
    for key, value in found.items():
        os.environ.setdefault(key, value)
    return bool(found)
