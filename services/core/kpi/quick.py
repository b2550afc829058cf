"""A faster constructor for the frozen values that every event builds by the dozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, TypeVar

_Value = TypeVar("_Value")


def quick(cls: type[_Value]) -> type[_Value]:
    """Give a frozen, slotted dataclass an `__init__` that writes its slots directly: half the time, as frozen as before.

    The constructor that dataclasses makes calls `object.__setattr__` by name for each field. Raises TypeError for a class with
    `__post_init__` or a default factory: it would not be called.
    """
    if hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__} has a __post_init__")
    parameters, writes = [], []
    scope: dict[str, Any] = {}
    for field in fields(cls):  # type: ignore[arg-type]  # every caller is a dataclass; a type variable cannot say so
        if field.default_factory is not MISSING or not field.init or field.kw_only:
            raise TypeError(f"{cls.__name__}.{field.name} is no plain field")
        scope[f"set_{field.name}"] = cls.__dict__[field.name].__set__
        scope[f"default_{field.name}"] = field.default
        default = "" if field.default is MISSING else f"=default_{field.name}"
        parameters.append(f"{field.name}{default}")
        writes.append(f"    set_{field.name}(self, {field.name})")
    source = "\n".join((f"def __init__(self, {', '.join(parameters)}):", *writes))
    exec(source, scope)  # noqa: S102  # as dataclasses does: the names of the fields are the only input
    init: Callable[..., None] = scope["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = dict(cls.__init__.__annotations__)
    cls.__init__ = init  # type: ignore[method-assign]
    return cls
