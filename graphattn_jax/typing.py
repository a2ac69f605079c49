"""Names for the arrays that cross the public interface."""

from __future__ import annotations

from typing import Any, TypeAlias

import jax
import numpy as np

Array: TypeAlias = jax.Array
"""A JAX array, concrete or traced."""

ArrayLike: TypeAlias = jax.Array | np.ndarray
"""What functions accept as an array; Python lists are accepted by the builders in `graphs` only."""

PRNGKey: TypeAlias = jax.Array
"""A typed key as made by `jax.random.key`."""

Params: TypeAlias = Any
"""A pytree of arrays."""
