"""PEARL: learned positional encodings from random or basis vectors, without eigenvectors."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer

from graphattn_jax import _checks
from graphattn_jax.encodings.device._propagation import (
    degrees,
    own_edges,
    propagate,
    symmetric_weights,
)
from graphattn_jax.graphs import GraphsTuple, graph_mask, node_graph_ids, node_mask
from graphattn_jax.nn import MLPParams, init_mlp, mlp
from graphattn_jax.typing import Array, PRNGKey

KINDS = ("random", "basis")
REDUCTIONS = ("mean", "sum")


class PEARLParams(NamedTuple):
    """filter: an MLP on the filtered vectors of a node; layers: the MLP of each message passing layer; epsilon `[L]`:
    how much more than a neighbour each layer weighs the node itself.
    """

    filter: MLPParams
    layers: tuple[MLPParams, ...]
    epsilon: Array


def init_pearl(
    key: PRNGKey, num_powers: int, width: int, out_features: int, *, num_layers: int = 2
) -> PEARLParams:
    """Parameters of `pearl`.

    Args:
      key: typed PRNG key.
      num_powers: K, powers of the operator including the zeroth.
      width: D of the hidden layers.
      out_features: D_out of the encoding.
      num_layers: message passing layers, at least one.

    Returns:
      `PEARLParams(filter, layers, epsilon)`.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.encodings.init_pearl(jax.random.key(0), 8, 16, 4)
      >>> len(params.layers), params.epsilon.tolist()
      (2, [0.0, 0.0])
    """
    _checks.positive("num_powers", num_powers)
    _checks.positive("width", width)
    _checks.positive("out_features", out_features)
    _checks.positive("num_layers", num_layers)
    first, *keys = jax.random.split(key, num_layers + 1)
    widths = [width] * num_layers + [out_features]
    return PEARLParams(
        filter=init_mlp(first, [num_powers, width, width], init="glorot_uniform"),
        layers=tuple(
            init_mlp(k, [n, width, m], init="glorot_uniform")
            for k, n, m in zip(keys, widths, widths[1:])
        ),
        epsilon=jnp.zeros(num_layers, jnp.float32),
    )


def pearl(
    params: PEARLParams,
    graph: GraphsTuple,
    *,
    kind: str = "random",
    num_samples: int,
    sample_key: PRNGKey | None = None,
    reduction: str = "mean",
) -> Array:
    """Positional encodings learned on vectors that tell nodes apart, averaged over the vectors.

        f_i^m = MLP( [w^m, N w^m, ..., N^{K−1} w^m]_i ),     w^m = a random vector, or the basis vector e_m
        f_i^m ← MLP_l( (1 + ε_l) f_i^m + Σ_j f_j^m ),        l = 1..L
        p_i   = mean_m f_i^m   or   Σ_m f_i^m

    "random" (R-PEARL) draws w from N(0, 1), O(E M) for M samples; it is equivariant in expectation, with an error
    that falls with 1 / √M. "basis" (B-PEARL) takes all basis vectors of each graph, O(E N): exactly equivariant, for
    graphs of up to some hundred nodes. The paper's filter is in powers of a Laplacian I − N; powers of N span the
    same filters and stay bounded. The batch norms of its code are left out: no state, no statistics across graphs.

    Args:
      params: from `init_pearl`.
      graph: an undirected graph or batch, padded or not. Inside `jax.jit` it needs node features, or to be prepared.
      kind: "random" or "basis".
      num_samples: M, static. For "basis" at least the nodes of the largest graph.
      sample_key: typed PRNG key, for "random".
      reduction: "mean" or "sum" over samples; for "basis" over those that exist in the node's graph.

    Returns:
      `[N, D_out]` float32.

    Raises:
      ValueError: unknown options, "random" without a key, too few samples for "basis" (outside `jit`).

    Cost: O(E M (K + L D)) time, O(N M D) memory on a prepared graph, O(E M D) on another. Random samples can also be
      run in several calls and averaged.
    Padding: rows of padding nodes are 0; real rows are those of the unpadded graph.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> params = ga.encodings.init_pearl(jax.random.key(0), 4, 8, 2)
      >>> positions = ga.encodings.pearl(params, path, kind="basis", num_samples=3)
      >>> positions.shape, bool((abs(positions[0] - positions[2]) < 1e-5).all())  # the two ends
      ((3, 2), True)

    Source: Kanatsoulis, Choi, Jegelka, Leskovec, Ribeiro, "Learning Efficient Positional Encodings with Graph Neural
      Networks", ICLR 2025, arXiv:2502.01122.
    """
    _checks.choice("kind", kind, KINDS)
    _checks.choice("reduction", reduction, REDUCTIONS)
    _checks.positive("num_samples", num_samples)
    edges = own_edges(graph)
    if kind == "random":
        if sample_key is None:
            raise ValueError(
                "kind='random' needs sample_key. Fix: pass a typed key, or kind='basis'."
            )
        _checks.typed_key("sample_key", sample_key)
        vectors = jax.random.normal(sample_key, (edges.num_rows, num_samples), jnp.float32)
        exists = jnp.broadcast_to(jnp.asarray(node_mask(graph))[:, None], vectors.shape)
    else:
        vectors, exists = _basis(graph, num_samples)

    weights = symmetric_weights(edges, None)
    powers = [vectors]
    for _ in range(params.filter.layers[0].weight.shape[0] - 1):
        powers.append(propagate(edges, weights, powers[-1]))
    features = jax.nn.relu(mlp(params.filter, jnp.stack(powers, axis=-1)))
    ones, _ = degrees(edges, None)
    for i, layer in enumerate(params.layers):
        hidden = jax.nn.relu(features) if i else features
        features = mlp(layer, (1 + params.epsilon[i]) * hidden + propagate(edges, ones, hidden))
    total = jnp.where(exists[:, :, None], features, 0).sum(1)
    if reduction == "sum":
        return total
    return total / jnp.maximum(exists.sum(1, keepdims=True, dtype=jnp.float32), 1)


def _basis(graph: GraphsTuple, num_samples: int) -> tuple[Array, Array]:
    """Basis vectors of each graph `[N, M]`, and which of the M there are."""
    arrays = graph.n_node, node_mask(graph), graph_mask(graph), node_graph_ids(graph)
    sizes, real_nodes, real_graphs, ids = (jnp.asarray(x) for x in arrays)
    if not isinstance(sizes, Tracer):
        largest = int(jnp.where(real_graphs, sizes, 0).max(initial=0))
        if num_samples < largest:
            raise ValueError(
                f"num_samples must be at least {largest}, the nodes of the largest graph, for kind='basis', got "
                f"{num_samples}. Fix: take more, or kind='random'."
            )
    start = jnp.cumsum(sizes, dtype=sizes.dtype) - sizes
    rank = jnp.arange(ids.shape[0], dtype=start.dtype) - start[ids]
    sample = jnp.arange(num_samples, dtype=rank.dtype)[None]
    exists = (sample < sizes[ids][:, None]) & real_nodes[:, None]
    return ((sample == rank[:, None]) & exists).astype(jnp.float32), exists
