"""The core imports the standard library and itself, nothing else, also in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]

IMPORT_ALL = """
import importlib, json, pkgutil, sys
before = set(sys.modules)
import services.core.kpi
for module in pkgutil.walk_packages(services.core.kpi.__path__, "services.core.kpi."):
    importlib.import_module(module.name)
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
# The data of sysconfig is a module whose name tells the platform.
print(json.dumps(sorted(name for name in roots - set(sys.stdlib_module_names) if not name.startswith("_sysconfigdata"))))
print(json.dumps(sorted(name for name in sys.modules if name.startswith("services.") and not name.startswith("services.core"))))
"""


def test_a_fresh_interpreter_imports_nothing_but_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    foreign, other_rooms = map(json.loads, done.stdout.splitlines())
    assert foreign == ["services"]
    assert other_rooms == []
