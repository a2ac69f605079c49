"""The bias of Graphormer: what a pair of nodes is to each other, in one number per head."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.encodings._vocabulary import distance_buckets
from graphattn_jax.encodings.learned._path_bias import PathBiasParams, init_path_bias, path_bias
from graphattn_jax.nn import table_rows
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

STANDARD_DEVIATION = 0.02
"""Of the table and of the weights of the counts, as in the published code."""


class GraphormerBiasParams(NamedTuple):
    """Arrays of a `graphormer_bias`.

    distance `[K + 4, H]`: b, a row per bucket of `distance_buckets(K)`, that of virtual nodes among them. path: of the
    edges along the paths, or None. common_neighbours `[H]`: the weights of the counts, or None.
    """

    distance: Array
    path: PathBiasParams | None
    common_neighbours: Array | None


def init_graphormer_bias(
    key: PRNGKey,
    max_distance: int,
    heads: int,
    *,
    edge_features: int | None = None,
    common_neighbours: bool = False,
) -> GraphormerBiasParams:
    """Parameters of `graphormer_bias`.

    Args:
      key: typed PRNG key.
      max_distance: K, the longest distance with a bias of its own, and the longest path.
      heads: H.
      edge_features: D_e, width of the edge features along the paths, or None for no path term.
      common_neighbours: whether the counts of common neighbours have a term.

    Returns:
      `GraphormerBiasParams`, float32: table and weights with standard deviation 0.02, path maps Glorot-uniform.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.encodings.init_graphormer_bias(jax.random.key(0), 5, 8, edge_features=3)
      >>> params.distance.shape, params.path.weight.shape
      ((9, 8), (5, 3, 8))
    """
    _checks.positive("max_distance", max_distance)
    _checks.positive("heads", heads)
    k_distance, k_path, k_count = jax.random.split(key, 3)

    def normal(key, *shape):
        return STANDARD_DEVIATION * jax.random.normal(key, shape, jnp.float32)

    return GraphormerBiasParams(
        distance=normal(k_distance, distance_buckets(max_distance).count, heads),
        path=None
        if edge_features is None
        else init_path_bias(k_path, max_distance, edge_features, heads),
        common_neighbours=normal(k_count, heads) if common_neighbours else None,
    )


def graphormer_bias(
    params: GraphormerBiasParams,
    distances: ArrayLike,
    *,
    edges: ArrayLike | None = None,
    paths: ArrayLike | None = None,
    common_neighbours: ArrayLike | None = None,
) -> Array:
    """The attention bias of Graphormer, to pass as `bias=` to any layer.

        b_ij = b_φ(i,j)  [ + c_ij ]  [ + w log(1 + n_ij) ]

    for each head, with φ the distance of the pair, c_ij the `path_bias` of the edges between its nodes, and n_ij the
    number of its common neighbours. Graphormer's attention is `ga.attention.GraphTransformer` over
    `ga.graphs.all_pairs` with this bias; its [VNode] is `ga.graphs.add_virtual_node` of the pairs, see the example. The
    term of common neighbours is this library's: neither the paper nor its code has one.

    Args:
      params: from `init_graphormer_bias`, which decides about the terms.
      distances: `[E_pattern]` integers in `[0, K + 4)`, from `shortest_path_distances`.
      edges: `[E, D_e]` floating-point features of the edges of the graph, for the path term.
      paths: `[E_pattern, K]` integer ids of edges, −1 behind the end, from `edge_features_on_paths`.
      common_neighbours: `[E_pattern]` nonnegative integers, from the function of this name.

    Returns:
      `[E_pattern, H]` in the dtype of the table.

    Raises:
      ValueError: a term without its arrays or arrays without their term, shapes or dtypes that do not fit, or (outside
        `jit`) ids out of range.

    Cost: O(E_pattern H), with paths that of `path_bias`.
    Padding: row by row; padding pairs get the bias of distance 0.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1], nodes=np.eye(3, dtype=np.float32))
      >>> pairs = ga.graphs.all_pairs(graph)
      >>> distances = ga.encodings.shortest_path_distances(graph, 2, pattern=pairs)
      >>> virtual = ga.encodings.distance_buckets(2).virtual
      >>> distances = ga.encodings.extend_to_virtual_nodes(distances, pairs, virtual)
      >>> bias = ga.encodings.graphormer_bias(
      ...     ga.encodings.init_graphormer_bias(jax.random.key(0), 2, 4), distances)
      >>> bias.shape  # 9 pairs, and two edges between the virtual node and each node
      (15, 4)
      >>> layer = ga.attention.GraphTransformer(channels=8, heads=4)
      >>> params = layer.init(jax.random.key(1), in_features=3)
      >>> layer.apply(params, ga.graphs.add_virtual_node(pairs), bias=bias).graph.nodes.shape
      (4, 32)

    Source: Ying et al., "Do Transformers Really Perform Bad for Graph Representation?" (Graphormer), NeurIPS 2021,
      arXiv:2106.05234, equations 6 and 7. Its code masks distant pairs and has one bucket for some distant and all
      unreachable ones; here each has its own.
    """
    _check_term("edges", edges, "edge_features", params.path)
    _check_term("paths", paths, "edge_features", params.path)
    _check_term(
        "common_neighbours", common_neighbours, "common_neighbours", params.common_neighbours
    )
    table = jnp.asarray(params.distance)
    _checks.ids("distances", distances)
    _checks.ids_in_range("distances", distances, table.shape[0], "buckets")
    bias = table_rows(table, distances)
    if params.path is not None and edges is not None and paths is not None:
        _checks.shape("paths", paths, (bias.shape[0], "K"))
        bias = bias + path_bias(params.path, edges, paths).astype(bias.dtype)
    if params.common_neighbours is not None and common_neighbours is not None:
        _checks.ids("common_neighbours", common_neighbours, bias.shape[0])
        count = jnp.log1p(jnp.asarray(common_neighbours).astype(bias.dtype))
        weight = jnp.asarray(params.common_neighbours).astype(bias.dtype)
        bias = bias + count[:, None] * weight[None]
    return bias


def _check_term(name: str, array: ArrayLike | None, option: str, params) -> None:
    """A term has parameters and arrays, or neither."""
    if (array is None) != (params is None):
        has, lacks = ("parameters", f"{name}=") if array is None else (f"{name}=", "parameters")
        raise ValueError(
            f"{name} does not fit the parameters: there are {has} and no {lacks}. Fix: give "
            f"{option}= to init_graphormer_bias and {name}= to graphormer_bias, or neither."
        )
