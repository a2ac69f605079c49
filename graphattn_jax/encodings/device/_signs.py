"""Random signs and phases of eigenvectors, for training."""

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


def turn_phases(
    key: PRNGKey, vectors: ArrayLike, node_graph_ids: ArrayLike, num_graphs: int
) -> Array:
    """Complex eigenvectors with an independent random phase for each graph and each vector.

        out[i, k] = e^{iα} vectors[i, k],    α[graph of i, k] uniform in [0, 2π)

    What `flip_signs` is for real ones: e^{iα} v is as good an eigenvector as v, and no component of it is the real one.

    Args:
      key: typed PRNG key.
      vectors: `[N, K, 2]` floating point, real and imaginary parts, of `magnetic_laplacian_eigenvectors`.
      node_graph_ids: `[N]` integers in `[0, num_graphs)`; see `graphs.node_graph_ids`.
      num_graphs: static number of graphs G.

    Returns:
      `[N, K, 2]` in the dtype of `vectors`.

    Raises:
      ValueError: shapes disagree, or (outside `jit`) an id is out of range.

    Cost: O(N K).
    Padding: zeros stay zeros.

    Example:
      >>> import jax, jax.numpy as jnp, graphattn_jax as ga
      >>> turned = ga.encodings.turn_phases(jax.random.key(0), jnp.ones((3, 4, 2)), jnp.array([0, 0, 1]), 2)
      >>> bool((turned[0] == turned[1]).all()), (turned**2).sum(-1)[0].round(4).tolist()
      (True, [2.0, 2.0, 2.0, 2.0])

    Source: the ambiguity: Geisler et al., "Transformers Meet Directed Graphs", ICML 2023, arXiv:2302.00049, section 3.
    """
    vectors = jnp.asarray(vectors)
    _checks.shape("vectors", vectors, ("N", "K", 2))
    _checks.floating("vectors", vectors)
    _checks.ids("node_graph_ids", node_graph_ids, vectors.shape[0])
    _checks.ids_in_range("node_graph_ids", node_graph_ids, num_graphs, "graphs")
    turn = 2 * jnp.pi * jax.random.uniform(key, (num_graphs, vectors.shape[1]))
    turn = take(turn, jnp.asarray(node_graph_ids))
    cos, sin = jnp.cos(turn).astype(vectors.dtype), jnp.sin(turn).astype(vectors.dtype)
    real, imaginary = vectors[..., 0], vectors[..., 1]
    return jnp.stack([cos * real - sin * imaginary, sin * real + cos * imaginary], axis=-1)
