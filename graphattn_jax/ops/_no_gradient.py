"""What a written-out derivative returns for its integers and masks."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

__all__ = ["no_gradient"]


def no_gradient(fixed: Any) -> Any:
    """The cotangent of a pytree of integers and masks."""
    return jax.tree.map(lambda x: np.zeros(x.shape, jax.dtypes.float0), fixed)
