"""A bias per pair from the features of the edges between its nodes."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.nn import initializer, table_rows
from graphattn_jax.typing import Array, ArrayLike, PRNGKey


class PathBiasParams(NamedTuple):
    """One map from edge features to heads for each step of a path: `weight` `[K, D, H]`."""

    weight: Array


def init_path_bias(
    key: PRNGKey, max_distance: int, edge_features: int, heads: int
) -> PathBiasParams:
    """Parameters of `path_bias`, Glorot uniform in each step.

    Args:
      key: typed PRNG key.
      max_distance: K, the longest path.
      edge_features: D.
      heads: H.

    Returns:
      `PathBiasParams(weight [K, D, H])` in float32.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.encodings.init_path_bias(jax.random.key(0), 5, 3, 8).weight.shape
      (5, 3, 8)
    """
    _checks.positive("max_distance", max_distance)
    _checks.positive("edge_features", edge_features)
    _checks.positive("heads", heads)
    shape = (max_distance, edge_features, heads)
    return PathBiasParams(initializer("glorot_uniform")(key, shape, jnp.float32))


def path_bias(params: PathBiasParams, edges: ArrayLike, paths: ArrayLike) -> Array:
    """The mean of a learned function of the edges along the path, to pass as `bias=` to any layer.

        c_ij = (1/d) Σ_{n=1..d} x_{e_n} · w_n,    (e_1, …, e_d) the path of the pair, from the receiver i

    for each head. The weights know the place in the path, so c_ij ≠ c_ji in general, and a symmetric score does not
    stay symmetric. Edge types go in as embeddings or one-hot rows.

    Args:
      params: from `init_path_bias`.
      edges: `[E, D]` floating-point features of the edges of the graph.
      paths: `[E_pattern, K]` integer ids of edges, −1 behind the end, from `edge_features_on_paths`.

    Returns:
      `[E_pattern, H]` in the dtype of `edges`; 0 for a pair without path.

    Raises:
      ValueError: shapes or dtypes that do not fit, or (outside `jit`) ids out of range.

    Cost: O(K (E D H + E_pattern H)) time, O((E + E_pattern) H) memory: features are projected edge by edge, before
      they are gathered pair by pair.

    Padding: 0 on padding pairs.

    Example:
      >>> import jax, jax.numpy as jnp, numpy as np, graphattn_jax as ga
      >>> params = ga.encodings.PathBiasParams(jnp.array([[[1.0]], [[10.0]]]))
      >>> edges, paths = jnp.array([[1.0], [3.0]]), np.array([[0, -1], [1, 0], [-1, -1]])
      >>> ga.encodings.path_bias(params, edges, paths).ravel().tolist()
      [1.0, 6.5, 0.0]

    Source: Ying et al., "Do Transformers Really Perform Bad for Graph Representation?" (Graphormer), NeurIPS 2021,
      arXiv:2106.05234, equation 7.
    """
    steps, width, heads = params.weight.shape
    edges = jnp.asarray(edges)
    _checks.floating("edges", edges)
    _checks.shape("edges", edges, ("E", width))
    _checks.shape("paths", paths, ("E_pattern", steps))
    _checks.ids("paths", paths.reshape(-1))
    if not isinstance(paths, Tracer):
        _checks.ids_in_range("paths other than -1", paths[paths != -1], edges.shape[0], "edges")
    wide = accumulation_dtype(edges.dtype)
    total = jnp.zeros((paths.shape[0], heads), wide)
    if edges.shape[0] == 0:
        return total.astype(edges.dtype)

    def step(total: Array, at: tuple[Array, Array]) -> tuple[Array, None]:
        weight, ids = at
        rows = jnp.matmul(edges, weight.astype(edges.dtype), preferred_element_type=wide)
        on_path = (ids >= 0)[:, None]
        return total + jnp.where(on_path, table_rows(rows, ids), jnp.zeros((), wide)), None

    paths = jnp.asarray(paths)
    total, _ = jax.lax.scan(step, total, (params.weight, paths.T))
    length = jnp.maximum(jnp.sum(paths >= 0, axis=1, keepdims=True), 1)
    return (total / length.astype(wide)).astype(edges.dtype)
