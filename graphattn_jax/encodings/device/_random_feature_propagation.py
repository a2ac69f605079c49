"""Random feature propagation: the path of a power iteration as node features."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.encodings.device._propagation import own_edges, propagate, symmetric_weights
from graphattn_jax.graphs import GraphsTuple, node_graph_ids, node_mask, num_graphs
from graphattn_jax.ops import segment_mean
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

OPERATORS = ("adjacency", "laplacian")


def random_feature_propagation(
    key: PRNGKey,
    graph: GraphsTuple,
    *,
    num_features: int,
    num_steps: int,
    operator: str = "adjacency",
    edge_weight: ArrayLike | None = None,
) -> Array:
    """The trajectory of a normalised power iteration from random features.

        X_0 ~ N(0, 1)^{N × R},     X_t = normalise(S X_{t−1}),     out = [X_0, X_1, ..., X_T]

    with S = N = D^−½ A D^−½ (operator "adjacency") or I − N ("laplacian"). `normalise` gives each column mean square 1
    over the nodes of each graph. Early steps tell nodes apart as random features do; late ones approach the dominant
    eigenvector of S, up to sign. The encoding is equivariant in distribution only: draw a new key every training step,
    and average predictions over keys in evaluation.

    Args:
      key: typed PRNG key.
      graph: an undirected graph or batch, padded or not. Inside `jax.jit` it needs node features, or to be prepared.
      num_features: R, static.
      num_steps: T ≥ 1, static.
      operator: "adjacency" or "laplacian".
      edge_weight: `[E]` or `[E, 1]` nonnegative and symmetric, None = 1. A learned one has gradients.

    Returns:
      `[N, (T + 1) R]` float32, step by step. A column that S maps to zero stays zero.

    Raises:
      ValueError: sizes that are not positive integers, an unknown operator, an old key, shapes that disagree.

    Cost: O(E R T) time.
    Padding: rows of padding nodes are 0; real rows are those of the unpadded graph for the same key.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> key = jax.random.key(0)
      >>> ga.encodings.random_feature_propagation(key, path, num_features=4, num_steps=2).shape
      (3, 12)

    Source: Eliasof, Frasca, Bevilacqua, Treister, Chechik, Maron, "Graph Positional Encoding via Random Feature
      Propagation", ICML 2023, arXiv:2303.02918; with its l2 normalisation, scaled by √n, not the orthonormal one.
    """
    _checks.positive("num_features", num_features)
    _checks.positive("num_steps", num_steps)
    _checks.choice("operator", operator, OPERATORS)
    _checks.typed_key("key", key)
    edges = own_edges(graph)
    weights, nodes = symmetric_weights(edges, edge_weight), edges.num_rows
    real, ids = (jnp.asarray(x) for x in (node_mask(graph), node_graph_ids(graph)))
    start = jax.random.normal(key, (nodes, num_features), jnp.float32)
    start = jnp.where(real[:, None], start, 0)

    def step(x: Array, _: None) -> tuple[Array, Array]:
        y = propagate(edges, weights, x)
        if operator == "laplacian":
            y = x - y
        square = segment_mean(jnp.square(y), ids, num_graphs(graph))[ids]
        positive = square > 0
        y = jnp.where(positive, y * jax.lax.rsqrt(jnp.where(positive, square, 1)), 0)
        return y, y

    _, path = jax.lax.scan(step, start, length=num_steps)
    return jnp.concatenate(
        [start, path.swapaxes(0, 1).reshape(nodes, num_steps * num_features)], axis=1
    )
