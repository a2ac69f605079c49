"""Tensors of torch as numpy arrays, without importing torch."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np


def is_tensor(x: Any) -> bool:
    """Whether `x` is a torch tensor, or shows itself as one."""
    return hasattr(x, "detach")


def as_numpy(name: str, tensor: Any) -> np.ndarray:
    """A copy on the host, in the dtype of the tensor."""
    if "sparse" in (layout := str(getattr(tensor, "layout", ""))):
        raise ValueError(
            f"{name} is a sparse tensor ({layout}). Fix: {name}.to_dense(); or, for features of nodes, "
            "a scipy array and ga.ops.SparseFeatures."
        )
    tensor = tensor.detach().cpu()
    if hasattr(tensor, "resolve_conj"):  # torch conjugates and negates when it is read
        tensor = tensor.resolve_conj().resolve_neg()
    if "bfloat16" in str(getattr(tensor, "dtype", "")):  # numpy has none of its own
        return np.array(tensor.float().numpy()).astype(jnp.bfloat16)
    return np.array(tensor.numpy())
