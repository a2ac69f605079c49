"""Argument checks. Each names the argument, what was got, what was wanted, and the fix."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def describe(x: Any) -> str:
    """Shape and dtype of an array, or the type and value of anything else."""
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"{x.dtype} array of shape {tuple(x.shape)}"
    text = repr(x)
    return f"{type(x).__name__} {text if len(text) <= 80 else text[:77] + '...'}"


def shape(name: str, x: Any, want: Sequence[int | str | None]) -> None:
    """`want` holds an int for a fixed size, a letter or None for a free one."""
    if not hasattr(x, "shape"):
        raise ValueError(f"{name} must be an array of shape {_pretty(want)}, got {describe(x)}.")
    got = tuple(x.shape)
    fits = len(got) == len(want) and all(
        not isinstance(w, int) or w == g for g, w in zip(got, want, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} must have shape {_pretty(want)}, got {got}.")


def _pretty(want: Sequence[int | str | None]) -> str:
    return "[" + ", ".join("?" if w is None else str(w) for w in want) + "]"


def ids(name: str, x: Any, length: int | None = None) -> None:
    """A vector of integer ids; `length` fixes how many."""
    integers(name, x)
    shape(name, x, (length,))


def integers(name: str, x: Any) -> None:
    """An array of integer ids, of any shape."""
    if not hasattr(x, "dtype") or not jnp.issubdtype(x.dtype, jnp.integer):
        raise ValueError(f"{name} must be integer ids, got {describe(x)}.{_fix_of_ids(x)}")


def _fix_of_ids(x: Any) -> str:
    """What makes ids of what was given: a cast is right for whole numbers only."""
    if not hasattr(x, "dtype"):
        return " Fix: np.asarray of the list." if isinstance(x, (list, tuple)) else ""
    if x.dtype == bool:
        return (
            " Fix: np.flatnonzero(mask) for the ids in a mask, .astype(np.int32) for two classes."
        )
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return " Fix: np.unique(names, return_inverse=True) numbers names."
    if isinstance(x, (Tracer, jax.ShapeDtypeStruct)):
        return " Fix: integers before jax.jit."
    x = np.asarray(x).astype(np.float64)
    if np.isnan(x).any():
        return " Fix: leave out the rows with NaN, which are nobody's id, then .astype(np.int32)."
    if (x != np.round(x)).any():
        return " Fix: whole numbers; fractions are features, and no ids of anything."
    return " Fix: cast with .astype(np.int32)."


def ids_in_range(name: str, x: Any, size: int, what: str = "nodes", *, fix: str = "") -> None:
    """Every id in `[0, size)`. Reads values, so it only looks at concrete arrays."""
    if isinstance(x, Tracer) or x.shape[0] == 0:
        return
    x = np.asarray(x)
    low, high = int(x.min()), int(x.max())
    if low < 0 or high >= size:
        bad = int(np.flatnonzero((x < 0) | (x >= size))[0])
        raise ValueError(
            f"{name} must lie in [0, {size}) for {size} {what}, got {int(x[bad])} at position {bad}.{fix}"
        )


def floating(name: str, x: Any) -> None:
    """A floating-point array."""
    if not hasattr(x, "dtype") or not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"{name} must be floating point, got {describe(x)}. Fix: cast with .astype(jnp.float32)."
        )


def features(name: str, x: Any, width: int) -> None:
    """Floating point, with `width` features on the last axis."""
    floating(name, x)
    if x.ndim == 0 or x.shape[-1] != width:
        raise ValueError(
            f"{name} must have {width} features on its last axis, got shape {tuple(x.shape)}. "
            "Fix: initialise the parameters with the width of the data."
        )


def mask(name: str, x: Any, length: int) -> None:
    """A boolean vector, True = real."""
    if not hasattr(x, "dtype") or x.dtype != bool:
        raise ValueError(f"{name} must be boolean (True = real), got {describe(x)}.")
    shape(name, x, (length,))


def choice(name: str, value: Any, options: Iterable[Any]) -> None:
    """`value` is one of `options`; the message lists them."""
    options = list(options)
    if value not in options:
        valid = ", ".join(repr(o) for o in options)
        raise ValueError(f"{name} must be one of {valid}; got {value!r}.{nearest(value, options)}")


def nearest(name: Any, options: Iterable[Any]) -> str:
    """The option that was probably meant, as the end of a message, or nothing."""
    names = [option for option in options if isinstance(option, str)]
    found = difflib.get_close_matches(name, names, 1) if isinstance(name, str) else []
    return f" Fix: {found[0]!r}." if found else ""


def positive(name: str, value: Any) -> None:
    """A positive integer."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {describe(value)}.")


def rank(rank: Any, world: Any) -> None:
    """One of several hosts."""
    positive("world", world)
    if not isinstance(rank, (int, np.integer)) or not 0 <= rank < world:
        raise ValueError(
            f"rank must be an integer from 0 to world - 1 = {world - 1}, got {rank!r}. Fix: rank=jax.process_index(), "
            "world=jax.process_count()."
        )


def same_meaning(saved: dict[str, Any], here: dict[str, Any]) -> None:
    """A saved position of an iterator is one only beside the arguments it was counted with."""
    for name, value in here.items():
        if saved[name] != value:
            raise ValueError(
                f"state was saved with {name}={saved[name]}, this iterator has {name}={value}. "
                "Fix: build it with the same data and arguments, or start a new run."
            )


def divisible(name: str, value: int, by: int, by_name: str) -> None:
    """`value` is a multiple of `by`."""
    if value % by:
        raise ValueError(
            f"{name} must be divisible by {by_name}, got {name}={value}, {by_name}={by}."
        )


def typed_key(name: str, key: Any) -> None:
    """A PRNG key as made by `jax.random.key`."""
    if not (hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)):
        raise ValueError(
            f"{name} must be a typed key from jax.random.key, got {describe(key)}. "
            "Fix: jax.random.key(seed), or jax.random.wrap_key_data for an old uint32 key."
        )
    if key.shape:
        raise ValueError(
            f"{name} must be one key, got {describe(key)}. Fix: one of them, or jax.vmap."
        )


def is_number(value: Any) -> bool:
    """A real number of Python or of numpy, which is no truth value."""
    kinds = (int, float, np.integer, np.floating)
    return isinstance(value, kinds) and not isinstance(value, bool)


def switch(name: str, value: Any) -> None:
    """A truth value."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, got {value!r}.")


def switches(value: Any) -> None:
    """The fields of a dataclass that are on or off by default are nothing else."""
    for field in dataclasses.fields(value):
        if isinstance(field.default, bool):
            switch(field.name, getattr(value, field.name))


def rate(name: str, value: Any) -> None:
    """A probability in [0, 1)."""
    if not is_number(value) or not 0.0 <= value < 1.0:
        raise ValueError(f"{name} must be a number in [0, 1), got {value!r}.")


_check_rate = rate


def number(name: str, value: Any, *, zero: bool) -> None:
    """A finite number, positive or also 0."""
    fits = is_number(value) and math.isfinite(value) and (value > 0 or (zero and value == 0))
    if not fits:
        least = "not negative" if zero else "positive"
        raise ValueError(f"{name} must be a finite number, {least}, got {value!r}.")


def params(got: Any, want: type, layer: Any) -> None:
    """Parameters of the layer that they are given to."""
    if not isinstance(got, want):
        raise ValueError(
            f"params must be the {want.__name__} of {layer}, got {type(got).__name__}. "
            "Fix: params = layer.init(key, ...)."
        )


def arrays_of(got: Any, want: Any, init: str) -> None:
    """Arrays of a function, which only have to have the right names."""
    if not all(hasattr(got, field) for field in want._fields):
        raise ValueError(
            f"params must be {want.__name__}, got {describe(got)}. Fix: params = {init}(key, ...)."
        )


def parts(value: Any, graph: Any) -> None:
    """`check(graph)` of each field of a layer or network that has it, of those in tuples too."""
    for field in dataclasses.fields(value) if dataclasses.is_dataclass(value) else ():
        part = getattr(value, field.name)
        for each in part if isinstance(part, tuple) else (part,):
            check = getattr(each, "check", None)
            if check is not None and "graph" in inspect.signature(check).parameters:
                check(graph)


def instance(name: str, value: Any, want: type, example: str) -> None:
    """A value of a type, of which there is an example."""
    if not isinstance(value, want):
        raise ValueError(
            f"{name} must be a {want.__name__} such as {example}, got {describe(value)}."
        )


def function(name: str, value: Any) -> None:
    """Something to call."""
    if not callable(value):
        raise ValueError(f"{name} must be a function, got {describe(value)}.")


def checked_calls(cls: type) -> None:
    """Let `init` and `apply` of a class look at what they are given before they run."""
    for name, check in (("init", _check_init), ("apply", _check_apply)):
        if name in vars(cls):
            setattr(cls, name, _checked(vars(cls)[name], check))


def _checked(run: Callable[..., Any], check: Callable[..., None]) -> Callable[..., Any]:
    parameters = inspect.signature(run).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return run  # it takes whatever comes
    positional = [
        name
        for name, parameter in parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]

    @functools.wraps(run)
    def checked(*args: Any, **kwargs: Any) -> Any:
        check(positional, args, kwargs)
        return run(*args, **kwargs)

    return checked


def _check_init(positional: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    given = dict(zip(positional, args)) | kwargs
    if "key" in given:
        typed_key("key", given["key"])


def _check_apply(positional: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A graph is one argument, and options have names: what is otherwise a TypeError deep inside."""
    given = dict(zip(positional, args)) | kwargs
    wanted = [name for name in positional[1:] if name in ("params", "state", "graph")]
    if len(args) > len(positional) or not given.keys() >= set(wanted):
        got = ", ".join(type(x).__name__ for x in args[1:])
        raise ValueError(
            f"apply takes ({', '.join(wanted)}) and options by their names, got ({got}). "
            "Fix: graph = ga.graphs.from_edge_list(*edge_index, nodes=x) in place of x and edge_index."
        )
    graph = given.get("graph")
    # A `NamedTuple` may be a graph with more beside it, which who takes it looks at.
    if "graph" in given and not any(hasattr(graph, x) for x in ("senders", "_fields")):
        raise ValueError(
            f"graph must be a GraphsTuple, got {describe(graph)}. "
            "Fix: ga.graphs.from_edge_list(senders, receivers, nodes=x)."
        )
    training = given.get("training", False)
    if not isinstance(training, (bool, np.bool_)):
        raise ValueError(
            f"training must be True or False, got {describe(training)}. Fix: a key is key=."
        )


def dropout(
    rate: float, key: Any, *, rate_name: str = "dropout_rate", key_name: str = "dropout_key"
) -> None:
    """A static rate in [0, 1), with a typed key whenever it is positive."""
    _check_rate(rate_name, rate)
    if key is not None:
        typed_key(key_name, key)
    if rate > 0.0 and key is None:
        raise ValueError(
            f"{rate_name}={rate} needs {key_name}. Fix: pass a typed key in training, "
            f"or {rate_name}=0.0 in evaluation."
        )
