"""PNA: several aggregators, each scaled by the degree in several ways."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import wide
from graphattn_jax.message_passing._aggregation import (
    check_fields,
    in_degrees,
    incoming,
    real_edges,
)
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["PNA", "PNAParams"]

_AGGREGATORS = (ops.segment_mean, ops.segment_min, ops.segment_max, ops.segment_std)


class PNAParams(NamedTuple):
    """Arrays of a `PNA` layer with T towers of F channels.

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


@dataclass(frozen=True, repr=False)
class PNA(nn.Layer):
    """Principal neighbourhood aggregation.

        m_ij = M_r x_i + M_s x_j + M_e e_ij + b
        a_i  = [ mean_j m_ij ‖ min_j m_ij ‖ max_j m_ij ‖ std_j m_ij ]
        x'_i = W ( R x_i + U [ a_i ‖ log(d_i + 1) / δ · a_i ‖ δ / log(d_i + 1) · a_i ] )

    with i the receiver, j the sender, d_i the number of incoming edges and δ the mean of log(d + 1) over the training
    set. Towers have their own M and U, side by side, and W mixes them. The receiver's part of its messages is common
    to all of them: it is added to mean, minimum and maximum, and std does not see it. U is applied before the scalers,
    so that the twelve-fold concatenation is not formed.

    Args:
      features: D_out, width of the new node features, a multiple of `towers`; None = that of the receivers.
      log_degree_mean: δ > 0, from `ga.message_passing.log_degree_mean` of the training graphs.
      towers: T, independent copies of the layer, narrower ones, mixed at the end.
      channels: F, width of a tower's messages; None = that of the receivers / T, so that towers save arithmetic.
      implementation: None, or "reference", plain gathers and sums, which have a forward mode.

    Raises:
      ValueError: sizes that are not positive integers, or that the towers do not divide; δ that is not positive.

    Cost: O(N D T F + N T F D_out + E T F) time and an [E, T F] array; O(E D_e T F) time more with edges.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> layer = ga.message_passing.PNA(8, log_degree_mean=ga.message_passing.log_degree_mean([graph]), towers=2)
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> params.update.shape, layer.apply(params, graph).graph.nodes.shape
      ((3, 4, 2, 2, 4), (2, 8))

    Source: Corso et al., "Principal Neighbourhood Aggregation for Graph Nets", NeurIPS 2020, arXiv:2004.05718,
      equations 5 to 8, with linear M and U; std without the paper's ε inside the root.
    """

    features: int | None = None
    _: KW_ONLY
    log_degree_mean: float = 1.0
    towers: int = 1
    channels: int | None = None
    implementation: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        delta = self.log_degree_mean
        if not _checks.is_number(delta) or not 0 < delta < math.inf:
            raise ValueError(
                f"log_degree_mean must be a positive number, got {_checks.describe(delta)}. "
                "Fix: ga.message_passing.log_degree_mean(training_graphs)."
            )
        _checks.positive("towers", self.towers)
        if self.features is not None:
            _checks.divisible("features", self.features, self.towers, "towers")
        if self.channels is not None:
            _checks.positive("channels", self.channels)

    def init(
        self, key: PRNGKey, in_features: int | tuple[int, int], edge_features: int | None = None
    ) -> PNAParams:
        """Parameters, float32, Glorot-uniform but for `root` and `mix` (`ga.nn.init_linear`); biases start at zero.

        Raises:
          ValueError: sizes that are not positive integers, or that the towers do not divide.
        """
        senders, receivers = nn.widths_of_ends(in_features)
        if self.channels is None or self.features is None:
            _checks.divisible("in_features", receivers, self.towers, "towers")
        if edge_features is not None:
            _checks.positive("edge_features", edge_features)
        features = self.features or receivers
        towers, channels = self.towers, self.channels or receivers // self.towers
        keys = jax.random.split(key, 6)
        glorot = partial(nn.initializer("glorot_uniform"), dtype=jnp.float32)

        def message(key, width):
            return glorot(key, (width, towers * channels)).reshape(width, towers, channels)

        update = glorot(keys[3], (3 * 4 * channels, features))
        return PNAParams(
            receiver=message(keys[0], receivers),
            sender=message(keys[1], senders),
            edge=None if edge_features is None else message(keys[2], edge_features),
            message_bias=jnp.zeros((towers, channels), jnp.float32),
            update=update.reshape(3, 4, channels, towers, -1),
            root=nn.init_linear(keys[4], receivers, features),
            mix=nn.init_linear(keys[5], features, features),
        )

    def apply(
        self, params: PNAParams, graph: Any, *, training: bool = False, key: Array | None = None
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`, or a `NodePair`; edges `[E, D_e]` if made with `edge_features`.
          training, key: without effect, there is no dropout.

        Returns:
          The graph with new nodes `[N, D_out]`, in the dtype of the old; edges stay. A node without incoming edges
          aggregates 0.

        Raises:
          ValueError: features that do not fit the parameters.
        """
        _checks.params(params, PNAParams, self)
        senders, x = nn.read_ends(graph, params.sender.shape[0], params.receiver.shape[0])
        edges = incoming(self, graph)
        dtype = wide(x).dtype
        messages = ops.sender_rows(_project(senders, params.sender), edges)
        if params.edge is not None:
            features = nn.read_edges(graph, params.edge.shape[0])
            messages = messages + _project(features.astype(senders.dtype), params.edge)
        mean, low, high, std = (
            f(messages, edges.receivers, edges.num_rows, where=edges.mask) for f in _AGGREGATORS
        )
        degree = in_degrees(real_edges(edges, dtype), edges)
        common = _project(x, params.receiver) + params.message_bias.astype(dtype).reshape(1, -1)
        common = jnp.where(degree[:, None] > 0, common, 0)
        a = jnp.stack([mean + common, low + common, high + common, std], axis=1)
        a = a.reshape(edges.num_rows, 4, *params.message_bias.shape)

        log_degree = jnp.log1p(jnp.maximum(degree, 1)) / self.log_degree_mean  # else a = 0 anyway
        scalers = jnp.stack([jnp.ones_like(degree), log_degree, 1 / log_degree])
        update = jnp.einsum("natf,safto->snto", a, params.update.astype(dtype))
        update = jnp.einsum("sn,snto->nto", scalers, update)
        own = wide(nn.linear(params.root, x))
        out = nn.linear(params.mix, (own + update.reshape(own.shape)).astype(x.dtype))
        return nn.LayerOutput(nn.with_nodes(graph, out))


def _project(x: Array, weight: Array) -> Array:
    """The product x W in float32, `[rows, T F]`."""
    return ops.matmul(x, weight.reshape(weight.shape[0], -1))
