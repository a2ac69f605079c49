"""Random signs of eigenvectors, for training."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.ops import take
from graphattn_jax.typing import Array, ArrayLike, PRNGKey


def flip_signs(
    key: PRNGKey, vectors: ArrayLike, node_graph_ids: ArrayLike, num_graphs: int
) -> Array:
    """Eigenvectors with an independent random sign for each graph and each vector.

        out[i, k] = s[graph of i, k] vectors[i, k],    s uniform in {−1, 1}

    An eigenvector is as good as its negative; drawing signs anew in each training step teaches a network
    not to rely on them.

    Args:
      key: typed PRNG key.
      vectors: `[N, K]` floating point.
      node_graph_ids: `[N]` integers in `[0, num_graphs)`; see `graphs.node_graph_ids`.
      num_graphs: static number of graphs G.

    Returns:
      `[N, K]` in the dtype of `vectors`.

    Raises:
      ValueError: shapes disagree, or (outside `jit`) an id is out of range.

    Cost: O(N K).
    Padding: zeros stay zeros.

    Example:
      >>> import jax, jax.numpy as jnp, graphattn_jax as ga
      >>> ids = jnp.array([0, 0, 1])
      >>> flipped = ga.encodings.flip_signs(jax.random.key(0), jnp.ones((3, 4)), ids, 2)
      >>> bool((flipped[0] == flipped[1]).all()), bool((abs(flipped) == 1).all())
      (True, True)

    Source: Dwivedi, Joshi, Luu, Laurent, Bengio, Bresson, "Benchmarking Graph Neural Networks", JMLR 2023,
      arXiv:2003.00982.
    """
    vectors = jnp.asarray(vectors)
    _checks.shape("vectors", vectors, ("N", "K"))
    _checks.floating("vectors", vectors)
    _checks.ids("node_graph_ids", node_graph_ids, vectors.shape[0])
    _checks.ids_in_range("node_graph_ids", node_graph_ids, num_graphs, "graphs")
    signs = jax.random.rademacher(key, (num_graphs, vectors.shape[1]), vectors.dtype)
    return vectors * take(signs, jnp.asarray(node_graph_ids))
