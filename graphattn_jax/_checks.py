"""Argument checks. Each names the argument, what was got, what was wanted, and the fix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def describe(x: Any) -> str:
    """Shape and dtype of an array, or the type and value of anything else."""
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"{x.dtype} array of shape {tuple(x.shape)}"
    return f"{type(x).__name__} {x!r}"


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
    if not hasattr(x, "dtype") or not jnp.issubdtype(x.dtype, jnp.integer):
        raise ValueError(
            f"{name} must be integer ids, got {describe(x)}. Fix: cast with .astype(np.int32)."
        )
    shape(name, x, (length,))


def ids_in_range(name: str, x: Any, size: int, what: str = "nodes") -> None:
    """Every id in `[0, size)`. Reads values, so it only looks at concrete arrays."""
    if isinstance(x, Tracer) or x.shape[0] == 0:
        return
    x = np.asarray(x)
    low, high = int(x.min()), int(x.max())
    if low < 0 or high >= size:
        bad = int(np.flatnonzero((x < 0) | (x >= size))[0])
        raise ValueError(
            f"{name} must lie in [0, {size}) for {size} {what}, got {int(x[bad])} at position {bad}."
        )


def floating(name: str, x: Any) -> None:
    """A floating-point array."""
    if not hasattr(x, "dtype") or not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"{name} must be floating point, got {describe(x)}. Fix: cast with .astype(jnp.float32)."
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
        raise ValueError(f"{name} must be one of {valid}; got {value!r}.")


def positive(name: str, value: Any) -> None:
    """A positive integer."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {describe(value)}.")


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


def rate(name: str, value: Any) -> None:
    """A probability in [0, 1)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value < 1.0:
        raise ValueError(f"{name} must be a number in [0, 1), got {value!r}.")


_check_rate = rate


def params(got: Any, want: type, layer: Any) -> None:
    """Parameters of the layer that they are given to."""
    if not isinstance(got, want):
        raise ValueError(
            f"params must be the {want.__name__} of {layer}, got {type(got).__name__}. "
            "Fix: params = layer.init(key, ...)."
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
