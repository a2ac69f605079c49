"""LSPE: positions that are learned along with the features, and the loss that keeps them positions."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.encodings.device._propagation import check_rows, degrees, own_edges, propagate
from graphattn_jax.graphs import GraphsTuple, node_mask
from graphattn_jax.nn import LinearParams, init_linear, linear
from graphattn_jax.typing import Array, ArrayLike, PRNGKey


class LSPEParams(NamedTuple):
    """own: the map of a node's own position; other: that of its neighbours' positions, without bias."""

    own: LinearParams
    other: LinearParams


def init_lspe(key: PRNGKey, width: int) -> LSPEParams:
    """Parameters of one layer of `lspe`.

    Args:
      key: typed PRNG key.
      width: D of the positions.

    Returns:
      `LSPEParams(own, other)`.

    Raises:
      ValueError: a width that is not a positive integer.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.encodings.init_lspe(jax.random.key(0), 8).own.weight.shape
      (8, 8)
    """
    _checks.positive("width", width)
    own, other = jax.random.split(key)
    return LSPEParams(
        init_linear(own, width, width, init="glorot_uniform"),
        init_linear(other, width, width, bias=False, init="glorot_uniform"),
    )


def lspe(
    params: LSPEParams,
    graph: GraphsTuple,
    positions: ArrayLike,
    *,
    edge_gate: ArrayLike | None = None,
) -> Array:
    """One layer of learnable structural and positional encodings: messages between positions.

        p_i ← p_i + tanh( p_i C₁ + Σ_j η_ij ⊙ p_j C₂ )

    Features take the positions in, h_i ← layer([h_i, p_i]), with a layer of one's choice; positions never see
    features, except through the gates η. Start from `rwse` or Laplacian eigenvectors through a linear map.

    Args:
      params: from `init_lspe`.
      graph: the graph or batch. Inside `jax.jit` it needs node features, or to be prepared.
      positions: p, `[N, D]` floating point.
      edge_gate: η, `[E, H]` with H a divisor of D: one gate per D / H features, such as attention weights;
        None = 1 / degree_i, the mean over neighbours.

    Returns:
      `[N, D]` in the dtype of `positions`.

    Raises:
      ValueError: shapes that disagree.

    Cost: O(N D² + E D).
    Padding: rows of padding nodes are 0; what padding holds changes neither values nor gradients.

    Example:
      >>> import jax, jax.numpy as jnp, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> params = ga.encodings.init_lspe(jax.random.key(0), 4)
      >>> ga.encodings.lspe(params, path, jnp.ones((3, 4))).shape
      (3, 4)

    Source: Dwivedi, Luu, Laurent, Bengio, Bresson, "Graph Neural Networks with Learnable Structural and Positional
      Representations", ICLR 2022, arXiv:2110.07875, the position update of GatedGCN-LSPE; the mean as default
      gate is ours.
    """
    check_rows("positions", positions, graph)
    edges, real = own_edges(graph), jnp.asarray(node_mask(graph))[:, None]
    positions = jnp.where(real, jnp.asarray(positions), 0)
    if edge_gate is None:
        weight, degree = degrees(edges, None)
        gate = (weight / jnp.maximum(degree, 1)[edges.receivers])[:, None]
    else:
        _checks.shape("edge_gate", edge_gate, (edges.num_edges, "H"))
        _checks.divisible("width", positions.shape[1], edge_gate.shape[1], "columns of edge_gate")
        gate = jnp.asarray(edge_gate)
        if edges.mask is not None:
            gate = jnp.where(jnp.asarray(edges.mask)[:, None], gate, 0)
    message = propagate(edges, gate, linear(params.other, positions))
    updated = positions + jnp.tanh(linear(params.own, positions) + message)
    return jnp.where(real, updated, 0)
