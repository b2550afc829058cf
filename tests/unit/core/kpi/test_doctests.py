"""The examples in the core's docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import services.core.kpi


def test_every_example_in_a_docstring_gives_what_it_says() -> None:
    tried = 0
    for module in pkgutil.walk_packages(services.core.kpi.__path__, "services.core.kpi."):
        failed, attempted = doctest.testmod(importlib.import_module(module.name))
        assert failed == 0, module.name
        tried += attempted
    assert tried >= 10
