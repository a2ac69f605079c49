"""Features as they come from people and from other packages, turned into numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from graphattn_jax import _checks


def as_array(name: str, x: Any) -> np.ndarray:
    """A numeric numpy array. Arrays keep their dtype; Python numbers get float32 or int32."""
    if isinstance(x, Tracer):
        raise ValueError(
            f"{name} is traced, and graphs are built on the host. Fix: build before jax.jit."
        )
    if hasattr(x, "detach"):  # a torch tensor
        x = x.detach().cpu().numpy()
    first = x[0] if isinstance(x, (list, tuple)) and x else x
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name} must have rows of one shape, got a ragged list.") from error
    if array.dtype != bool and not jnp.issubdtype(array.dtype, jnp.number):
        raise ValueError(f"{name} must hold numbers, got {_checks.describe(array)}.")
    return array if hasattr(first, "dtype") else _default_dtype(name, array)


def _default_dtype(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64:
        if array.size and np.abs(array).max() > np.iinfo(np.int32).max:
            raise ValueError(
                f"{name} holds integers beyond int32. Fix: pass a numpy array of another dtype."
            )
        return array.astype(np.int32)
    return array


def as_ids(name: str, x: Any) -> np.ndarray:
    """An integer array. An empty list has no dtype of its own and counts as integers."""
    array = as_array(name, x)
    if array.size == 0 and not hasattr(x, "dtype"):
        array = array.astype(np.int32)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise ValueError(
            f"{name} must be integer ids, got {_checks.describe(array)}. "
            "Fix: cast with .astype(np.int32)."
        )
    return array


def as_arrays(name: str, tree: Any) -> Any:
    """A pytree with numpy leaves. A list is data; dicts and tuples are containers."""
    return jax.tree_util.tree_map_with_path(
        lambda path, x: as_array(name + jax.tree_util.keystr(path), x),
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


def by_names(names: str | Sequence[str], read: Any) -> Any:
    """`read(name)` for one name; a dict of them, without the absent ones, for several."""
    if isinstance(names, str):
        return read(names)
    return {name: x for name in names if (x := read(name)) is not None} or None
