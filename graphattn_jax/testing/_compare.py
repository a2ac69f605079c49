"""What the assertions share: comparing trees, messages that help, a scalar to differentiate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

_ROW = {"nodes": "node", "edges": "edge", "attention": "edge", "globals": "graph"}


def is_inexact(x: Any) -> bool:
    """Whether an array can have a gradient."""
    return jnp.issubdtype(jnp.result_type(x), jnp.inexact)


def compare(
    actual: Any, expected: Any, *, failure: str, cause: str, rtol: float, atol: float
) -> None:
    """Every array of `actual` within `atol + rtol * max|expected|` of that of `expected`."""
    chex.assert_trees_all_equal_structs(actual, expected)
    for (path, a), b in zip(
        jax.tree.leaves_with_path(actual), jax.tree.leaves(expected), strict=True
    ):
        if b.dtype == jax.dtypes.float0:
            continue
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        if a.shape != b.shape:
            raise AssertionError(
                f"{failure}: {name} has shape {a.shape}, wanted {b.shape}. Usual cause: {cause}."
            )
        a, b = np.asarray(a).astype(np.float64), np.asarray(b).astype(np.float64)
        with np.errstate(invalid="ignore"):  # inf - inf
            error = np.where(a == b, 0.0, np.abs(a - b))
        allowed = atol + rtol * np.abs(b[np.isfinite(b)]).max(initial=0.0)
        wrong = ~(error <= allowed)  # so that NaN is wrong
        if wrong.any():
            worst = np.unravel_index(np.argmax(np.where(wrong, error, -1.0)), error.shape)
            raise AssertionError(
                f"{failure}: {place(name, worst)} is {a[worst]:.6g}, wanted {b[worst]:.6g}, off by "
                f"{error[worst]:.3g} where {allowed:.3g} is allowed; {wrong.sum()} of {wrong.size} "
                f"entries are off. Usual cause: {cause}."
            )


def place(name: str, index: tuple) -> str:
    """An entry in words: what kind of row it is in, and where."""
    index = tuple(int(i) for i in index)
    row = _ROW.get(name.split(".")[0])
    if row is None or not index:
        return f"{name}{list(index)}" if index else name
    return f"{name} at {row} {index[0]}" + (f", entry {list(index[1:])}" if index[1:] else "")


def probe(outputs: Any) -> jax.Array:
    """A fixed random linear function of all floating-point outputs: its gradient sees each."""
    rng = np.random.default_rng(0)
    total = jnp.zeros((), jnp.float32)
    for x in filter(is_inexact, jax.tree.leaves(outputs)):
        direction = jnp.asarray(rng.normal(size=x.shape), jnp.float32)
        total += (x.astype(jnp.float32) * direction).sum()
    return total


class Results(NamedTuple):
    """Outputs of a function, and the gradient in each argument of their probe."""

    value: Any
    gradient: Any


def results(fn: Callable[..., Any], args: tuple, *, gradients: bool) -> Results:
    """`fn(*args)`, jitted; `gradient` is None unless wanted."""
    if not gradients:
        return Results(jax.jit(fn)(*args), None)

    def loss(*args):
        outputs = fn(*args)
        return probe(outputs), outputs

    argnums = tuple(range(len(args)))
    gradient, value = jax.jit(jax.grad(loss, argnums, has_aux=True, allow_int=True))(*args)
    return Results(value, gradient)
