"""What several rooms speak of: names, types, and what is checked in the same way."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.typing import ArrayLike

NORMALIZATIONS = ("symmetric", "combinatorial", "random_walk")
"""Of the Laplacian."""


class LaplacianEigenvectors(NamedTuple):
    """Eigenpairs as every node sees those of its connected component.

    vectors `[N, K]`: entry of each node in each eigenvector. values `[N, K]`: the eigenvalues, ascending. mask
    `[N, K]` bool: True = there is such a pair; vectors and values are 0 elsewhere.
    """

    vectors: ArrayLike
    values: ArrayLike
    mask: ArrayLike


class MagneticEigenvectors(NamedTuple):
    """Eigenpairs of a directed graph, as every node sees those of its connected component.

    vectors `[N, K, 2]`: real and imaginary part of the entry of each node in each eigenvector. values `[N, K]`: the
    eigenvalues, ascending. mask `[N, K]` bool: True = there is such a pair; vectors and values are 0 elsewhere.
    """

    vectors: ArrayLike
    values: ArrayLike
    mask: ArrayLike


class DistanceBuckets(NamedTuple):
    """What the buckets of `shortest_path_distances` above the exact distances 0..K mean.

    beyond: a path exists and is longer than K. unreachable: no path. virtual: reserved for edges of virtual
    nodes. count: number of buckets, the size of a bias table.
    """

    beyond: int
    unreachable: int
    virtual: int
    count: int


def distance_buckets(max_distance: int) -> DistanceBuckets:
    """The numbering of the buckets of `shortest_path_distances`.

        0 .. K  hops        K + 1  beyond K        K + 2  unreachable        K + 3  virtual        count = K + 4

    Args:
      max_distance: K ≥ 1.

    Returns:
      `DistanceBuckets(beyond, unreachable, virtual, count)` of Python ints.

    Raises:
      ValueError: K < 1.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.encodings.distance_buckets(5)
      DistanceBuckets(beyond=6, unreachable=7, virtual=8, count=9)
    """
    _checks.positive("max_distance", max_distance)
    return DistanceBuckets(*(int(max_distance) + i for i in range(1, 5)))


def diffusion_times(times: ArrayLike) -> np.ndarray:
    """Checked times `[T]` of a heat kernel, in float64."""
    times = np.asarray(times, np.float64)
    _checks.shape("times", times, ("T",))
    if not np.isfinite(times).all() or times.min(initial=0.0) < 0:
        raise ValueError(f"times must be finite and not negative, got {times}.")
    return times
