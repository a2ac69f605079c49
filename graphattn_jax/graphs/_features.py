"""Features as they come from people and from other packages, turned into numpy arrays."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from graphattn_jax import _checks
from graphattn_jax._tensors import as_numpy, is_tensor


def as_array(name: str, x: Any) -> np.ndarray:
    """A numeric numpy array. Arrays keep their dtype; Python numbers get float32 or int32."""
    array = as_numbers(name, x)
    # A list is what all of its elements are: one number of Python among those of numpy has no dtype to keep.
    parts = x if isinstance(x, (list, tuple)) and len(x) else [x]
    if is_tensor(x) or all(hasattr(part, "dtype") for part in parts):
        return array
    if array.dtype == np.float64:
        return exact_cast(name, array, np.dtype(np.float32))
    if array.dtype in (np.int64, np.uint64):
        return exact_cast(name, array, np.dtype(np.int32))
    return array


def as_numbers(name: str, x: Any) -> np.ndarray:
    """A numeric numpy array in the dtype that numpy gives it; memory of a torch tensor is not shared."""
    if isinstance(x, Tracer):
        raise ValueError(
            f"{name} is traced, and graphs are built on the host. Fix: build before jax.jit."
        )
    if is_tensor(x):
        x = as_numpy(name, x)
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name} must have rows of one shape, got a ragged list.") from error
    if array.dtype != bool and not jnp.issubdtype(array.dtype, jnp.number):
        got = _checks.describe(array if array.ndim else x)
        are_names = array.dtype.kind in "US"
        fix = " Fix: np.unique(names, return_inverse=True) numbers names." if are_names else ""
        raise ValueError(f"{name} must hold numbers, got {got}.{fix}")
    return array


def exact_cast(name: str, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`x` in another dtype, and an error where it does not hold the values; a float dtype may round them.

    Not a copy where `x` has the dtype already.
    """
    if x.dtype == dtype:
        return x
    is_real = np.imag(x) == 0
    values = x if jnp.issubdtype(dtype, jnp.complexfloating) else np.real(x)
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(dtype)
        if jnp.issubdtype(dtype, jnp.inexact):
            same = np.isfinite(cast) == np.isfinite(values)
        else:
            same = is_real & (cast == values) & ((cast < 0) == (values < 0))
    if jnp.issubdtype(dtype, jnp.floating):
        same = same & is_real
    if not np.all(same):
        wrong = x[~same].ravel()[0]
        raise ValueError(
            f"{name} holds {wrong!s} ({x.dtype}), which {dtype} does not hold. "
            "Fix: values that fit, or an array of another dtype."
        )
    return cast


def as_ids(name: str, x: Any) -> np.ndarray:
    """An integer array. An empty list has no dtype of its own and counts as integers."""
    array = as_array(name, x)
    if array.size == 0 and not hasattr(x, "dtype"):
        array = array.astype(np.int32)
    _checks.integers(name, array)
    return array


def as_count(name: str, value: Any) -> int:
    """A number of rows as int32 holds it: an integer of Python, numpy or torch."""
    try:
        count = -1 if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        count = -1
    if not 0 <= count <= np.iinfo(np.int32).max:
        raise ValueError(
            f"{name} must be an integer from 0 to 2**31 - 1, got {_checks.describe(value)}."
        )
    return count


def largest(ids: np.ndarray) -> int:
    """The largest of some ids of any integer type, -1 without any."""
    return int(ids.max()) if ids.size else -1


def as_arrays(name: str, tree: Any) -> Any:
    """A pytree with numpy leaves. A list is data; dicts and tuples are containers."""
    return _map_data(as_array, name, tree)


def as_rows(name: str, tree: Any) -> Any:
    """The same without a default dtype for Python numbers."""
    return _map_data(as_numbers, name, tree)


def _map_data(convert: Any, name: str, tree: Any) -> Any:
    return jax.tree_util.tree_map_with_path(
        lambda path, x: convert(name + jax.tree_util.keystr(path), x),
        tree,
        is_leaf=lambda x: isinstance(x, list),
    )


def named(name: str, tree: Any, default: str) -> dict[str, np.ndarray]:
    """Features as `{name: array}`: a flat dict as it is, one array under `default`, None as {}."""
    if tree is None:
        return {}
    if hasattr(tree, "shape"):
        return {default: tree}
    if isinstance(tree, Mapping) and all(hasattr(x, "shape") for x in tree.values()):
        return dict(tree)
    raise ValueError(
        f"{name} must be None, one array or a flat dict of arrays, got {type(tree).__name__}. "
        f"Fix: flatten it with graph._replace({name}={{...}})."
    )


def by_names(names: str | Sequence[Any], read: Any) -> Any:
    """`read(name)` for one name; a dict of them by their text, without the absent ones, for several."""
    if isinstance(names, str):
        return read(names)
    found = {}
    for name in names:
        if str(name) in found:
            raise ValueError(f"two attributes are called {str(name)!r}. Fix: rename one.")
        if (x := read(name)) is not None:
            found[str(name)] = x
    return found or None
