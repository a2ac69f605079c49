"""PNA: several aggregators, each scaled by the degree in several ways."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax.message_passing._aggregation import in_degrees, real_edges, wide
from graphattn_jax.nn._arrays import product, read_edges, read_nodes
from graphattn_jax.ops._segment import take
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["PNAParams", "init_pna", "pna"]

_AGGREGATORS = (ops.segment_mean, ops.segment_min, ops.segment_max, ops.segment_std)


class PNAParams(NamedTuple):
    """Arrays of a `pna` layer with T towers of F channels.

    receiver, sender `[D, T, F]`, edge `[D_e, T, F]` (or None), message_bias `[T, F]`: the map of a message.
    update `[3, 4, F, T, O]`: of what is aggregated, by scaler and aggregator; O = D_out / T. root: map of the node
    itself to D_out, with the bias of the update. mix: map over all towers, D_out to D_out.
    """

    receiver: Array
    sender: Array
    edge: Array | None
    message_bias: Array
    update: Array
    root: nn.LinearParams
    mix: nn.LinearParams


def init_pna(
    key: PRNGKey,
    in_features: int,
    out_features: int,
    *,
    towers: int = 1,
    channels: int | None = None,
    edge_features: int | None = None,
) -> PNAParams:
    """Parameters of a `pna` layer.

    Args:
      key: typed PRNG key.
      in_features: D, width of the node features.
      out_features: D_out, width of the new node features, a multiple of `towers`.
      towers: T, independent copies of the layer, narrower ones, mixed at the end.
      channels: F, width of a tower's messages; None = `in_features // towers`, so that towers save arithmetic.
      edge_features: D_e, width of the edge features, or None for none.

    Returns:
      `PNAParams`, float32, Glorot-uniform but for `root` and `mix` (`ga.nn.init_linear`); biases start at zero.

    Raises:
      ValueError: sizes that are not positive integers, or that the towers do not divide.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.message_passing.init_pna(jax.random.key(0), 16, 8, towers=2).update.shape
      (3, 4, 8, 2, 4)
    """
    for name, size in (("in_features", in_features), ("out_features", out_features)):
        _checks.positive(name, size)
    _checks.positive("towers", towers)
    _checks.divisible("out_features", out_features, towers, "towers")
    if channels is None:
        _checks.divisible("in_features", in_features, towers, "towers")
        channels = in_features // towers
    _checks.positive("channels", channels)
    keys = jax.random.split(key, 6)
    glorot = partial(nn.initializer("glorot_uniform"), dtype=jnp.float32)

    def message(key, width):
        return glorot(key, (width, towers * channels)).reshape(width, towers, channels)

    if edge_features is not None:
        _checks.positive("edge_features", edge_features)
    update = glorot(keys[3], (3 * 4 * channels, out_features))
    return PNAParams(
        receiver=message(keys[0], in_features),
        sender=message(keys[1], in_features),
        edge=None if edge_features is None else message(keys[2], edge_features),
        message_bias=jnp.zeros((towers, channels), jnp.float32),
        update=update.reshape(3, 4, channels, towers, -1),
        root=nn.init_linear(keys[4], in_features, out_features),
        mix=nn.init_linear(keys[5], out_features, out_features),
    )


def pna(params: PNAParams, graph: Any, *, log_degree_mean: float, layout: Any = None):
    """Principal neighbourhood aggregation.

        m_ij = M_r x_i + M_s x_j + M_e e_ij + b
        a_i  = [ mean_j m_ij ‖ min_j m_ij ‖ max_j m_ij ‖ std_j m_ij ]
        x'_i = W ( R x_i + U [ a_i ‖ log(d_i + 1) / δ · a_i ‖ δ / log(d_i + 1) · a_i ] )

    with i the receiver, j the sender, d_i the number of incoming edges and δ the mean of log(d + 1) over the training
    set. Towers have their own M and U, side by side, and W mixes them. The receiver's part of its messages is common
    to all of them: it is added to mean, minimum and maximum, and std does not see it. U is applied before the scalers,
    so that the twelve-fold concatenation is not formed.

    Args:
      params: from `init_pna`.
      graph: nodes `[N, D]`; edges `[E, D_e]` if the parameters have an edge term, else anything.
      log_degree_mean: δ > 0, from `ga.message_passing.log_degree_mean` of the training graphs.
      layout: from `ga.graphs.layout`; optional, gives the mask of the edges.

    Returns:
      The graph with new nodes `[N, D_out]`, in the dtype of the old; edges stay. A node without incoming edges
      aggregates 0.

    Raises:
      ValueError: features that do not fit the parameters, δ that is not positive.

    Cost: O(N D T F + N T F D_out + E T F) time and an [E, T F] array; O(E D_e T F) time more with edges.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> params = ga.message_passing.init_pna(jax.random.key(0), 4, 8, towers=2)
      >>> delta = ga.message_passing.log_degree_mean([graph])
      >>> ga.message_passing.pna(params, graph, log_degree_mean=delta).nodes.shape
      (2, 8)

    Source: Corso et al., "Principal Neighbourhood Aggregation for Graph Nets", NeurIPS 2020, arXiv:2004.05718,
      equations 5 to 8, with linear M and U; std without the paper's ε inside the root.
    """
    if not isinstance(log_degree_mean, (int, float)) or not log_degree_mean > 0:
        raise ValueError(
            f"log_degree_mean must be a positive number, got {_checks.describe(log_degree_mean)}. "
            "Fix: ga.message_passing.log_degree_mean(training_graphs)."
        )
    depth, towers, channels = params.sender.shape
    x = read_nodes(graph, depth)
    dtype = wide(x).dtype
    messages = take(_project(x, params.sender), graph.senders)
    if params.edge is not None:
        edges = read_edges(graph, params.edge.shape[0])
        messages = messages + _project(edges.astype(x.dtype), params.edge)
    where = None if layout is None else layout.edge_mask
    aggregated = [f(messages, graph.receivers, x.shape[0], where=where) for f in _AGGREGATORS]

    degree = in_degrees(real_edges(graph, layout, dtype), graph, x.shape[0])
    own = _project(x, params.receiver) + params.message_bias.astype(dtype).reshape(1, -1)
    own = jnp.where(degree[:, None] > 0, own, 0)
    mean, low, high, std = aggregated
    a = jnp.stack([mean + own, low + own, high + own, std], axis=1)
    a = a.reshape(x.shape[0], 4, towers, channels)

    log_degree = jnp.log1p(jnp.maximum(degree, 1)) / log_degree_mean  # without edges a = 0 anyway
    scalers = jnp.stack([jnp.ones_like(degree), log_degree, 1 / log_degree])
    update = jnp.einsum("natf,safto->snto", a, params.update.astype(dtype))
    update = jnp.einsum("sn,snto->nto", scalers, update).reshape(
        x.shape[0], towers * update.shape[-1]
    )
    out = wide(nn.linear(params.root, x)) + update
    return graph._replace(nodes=nn.linear(params.mix, out.astype(x.dtype)))


def _project(x: Array, weight: Array) -> Array:
    """The product x W in float32, `[rows, T F]`."""
    return product(x, weight.reshape(weight.shape[0], -1))
