"""Layers, networks, scores and normalizers are values; this is how they go to plain JSON and back.

A value is a frozen dataclass whose fields are numbers, strings, bools, None, tuples of these, or other values. Numbers
of NumPy come back as those of Python, which are equal.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Iterable
from typing import Any, cast

import numpy as np

from graphattn_jax import _checks

__all__ = ["Value", "from_json", "to_json"]

_PACKAGE = __name__.partition(".")[0]


class Value:
    """A frozen dataclass that prints as the call that makes it: with the fields that differ from their defaults.

    `@dataclass(frozen=True, repr=False)`, or the generated form with all fields comes first.
    """

    def __repr__(self) -> str:
        chosen = (
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(cast(Any, self))
            if getattr(self, field.name) != field.default
        )
        return f"{type(self).__name__}({', '.join(chosen)})"


def to_json(value: Any) -> Any:
    """A value as what `json.dumps` takes.

    Args:
      value: a layer, a network, a score, a normalizer, or a dataclass of one's own like these.

    Returns:
      `{"type": name, field: ...}` with all its fields; names of this package are such as "attention.GATv2".

    Raises:
      ValueError: a field that plain JSON cannot hold, such as a function or an array; it is named.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.values.to_json(ga.ops.Sinkhorn(iterations=5))
      {'type': 'ops.Sinkhorn', 'iterations': 5, 'gradient': 'unrolled', 'heads': None}
    """
    return _to_json(value, type(value).__name__ if _is_value(value) else "value")


def from_json(data: Any, types: Iterable[type] = ()) -> Any:
    """The value that `to_json` took.

    Args:
      data: from `to_json`, or from `json.loads` of it.
      types: classes of one's own that may occur in it. Nothing but these and this package is ever looked up.

    Returns:
      An equal value.

    Raises:
      ValueError: an unknown type or field, fields that the type refuses or that it lacks.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.values.from_json({"type": "ops.Sinkhorn", "iterations": 5})
      Sinkhorn(iterations=5, gradient='unrolled', heads=None)
    """
    known: dict[str, type] = {}
    for kind in [types] if isinstance(types, type) else types:
        if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            raise ValueError(f"types must hold dataclasses, such as MyLayer, got {kind!r}.")
        if known.setdefault(_name(kind), kind) is not kind:
            raise ValueError(f"types must have different names, got two of {_name(kind)!r}.")
    return _from_json(data, known)


def _to_json(x: Any, path: str) -> Any:
    if isinstance(x, np.generic):
        x = x.item()
    if _is_value(x):
        fields = _fields(x)
        if "type" in fields:
            raise ValueError(
                f"{path} has a field named 'type', where JSON says the class. Fix: another name."
            )
        return {"type": _name(type(x))} | {
            name: _to_json(getattr(x, name), f"{path}.{name}") for name in fields
        }
    if type(x) is tuple:
        return [_to_json(item, f"{path}[{i}]") for i, item in enumerate(x)]
    if x is None or isinstance(x, (bool, int, str)) or (isinstance(x, float) and math.isfinite(x)):
        return x
    raise ValueError(
        f"{path} must be a finite number, a string, a bool, None, a tuple or a value, to be written as JSON; got "
        f"{type(x).__name__} {x!r}."
    )


def _from_json(data: Any, types: dict[str, type]) -> Any:
    if isinstance(data, list | tuple):
        return tuple(_from_json(item, types) for item in data)
    if not isinstance(data, dict):
        return data
    kind = _find(data.get("type"), types)
    names = _fields(kind)
    unknown = data.keys() - {*names, "type"}
    if unknown:
        raise ValueError(
            f"{data['type']} has no field {sorted(unknown)[0]!r}; its fields are {', '.join(sorted(names))}."
            f"{_checks.nearest(sorted(unknown)[0], names)}"
        )
    fields = {name: _from_json(x, types) for name, x in data.items() if name != "type"}
    try:
        return kind(**fields)
    except TypeError as error:  # a field is missing, or of a type that nobody thought of
        raise ValueError(f"{data['type']} cannot be made of these fields: {error}.") from error


def _is_value(x: Any) -> bool:
    return dataclasses.is_dataclass(x) and not isinstance(x, type)


def _fields(x: Any) -> list[str]:
    """The names of what a dataclass is made of."""
    return [field.name for field in dataclasses.fields(x) if field.init]


def _name(kind: type) -> str:
    package, *rooms = kind.__module__.split(".")
    return f"{rooms[0]}.{kind.__qualname__}" if package == _PACKAGE else kind.__qualname__


def _find(name: Any, types: dict[str, type]) -> Any:
    if isinstance(name, str) and name in types:
        return types[name]
    room, _, kind = str(name).partition(".")
    module = found = None
    try:
        module = importlib.import_module(f"{_PACKAGE}.{room}")
        found = getattr(module, kind)
    except (ImportError, AttributeError, ValueError):
        pass
    if not dataclasses.is_dataclass(found):
        meant = _checks.nearest(name, [f"{room}.{x}" for x in getattr(module, "__all__", ())])
        fix = meant or " Fix: name classes of your own in types=, as in types=[MyLayer]."
        raise ValueError(f"unknown type {name!r}.{fix}")
    return found
