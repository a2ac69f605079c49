"""GATv2: additive attention whose non-linearity comes before the attention vector."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax.attention._pipeline import (
    AttentionLayer,
    add_output_bias,
    check_bias,
    check_params,
    check_switches,
    combine_heads,
    edge_term,
    finish,
    init_head_bias,
    init_output_bias,
    init_projection,
    project,
)
from graphattn_jax.attention._scores import add_bias
from graphattn_jax.graphs import pattern
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GATv2", "GATv2Params"]


class GATv2Params(NamedTuple):
    """Arrays of a `GATv2` layer.

    sender_weight `[D_s, H, C]`: W_s, also makes the values. receiver_weight `[D_r, H, C]`: W_r, None if shared.
    sender_bias, receiver_bias `[H, C]`: of the two maps. vector `[H, C]`: a, None for dot products.
    edge_weight `[D_e, H, C]`: W_e (`[D_e, H]` for dot products), or None. score: arrays of the score, or None.
    bias `[H·C]` or `[C]`: added to the output, or None.
    """

    sender_weight: Array
    sender_bias: Array | None
    receiver_weight: Array | None
    receiver_bias: Array | None
    vector: Array | None
    edge_weight: Array | None
    score: Any
    bias: Array | None


@dataclass(frozen=True, repr=False)
class GATv2(AttentionLayer):
    """Graph attention with a dynamic score: which neighbour ranks first depends on the receiver.

        a_ij = softmax_j( a · LeakyReLU( W_r x_i + W_s x_j + W_e e_ij ) + b_ij ),    x'_i = ‖_h Σ_j a_ij W_s x_j + b

    with i the receiver and j the sender. The paper writes W for [W_r ‖ W_s]. Attention runs over the
    graph's edges as they are: add self-loops with `ga.graphs.add_self_loops` for the paper's setting. The score
    `Shared` has W_r = W_s; `Cosine` and `Pairwise` work on W_s x.

    Args:
      channels, heads, score, normalizer, dropout, symmetric_init, use_bias, implementation: see `AttentionLayer`.
      concat: True = heads side by side `[N, H·C]`, False = their mean `[N, C]`.
      negative_slope: of the LeakyReLU.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D H C + E H C) time; with edge features an [E, H, C] array is kept.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 0], nodes=np.eye(3, 4, dtype=np.float32))
      >>> layer = ga.attention.GATv2(channels=8, heads=2, normalizer=ga.ops.Sinkhorn())
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> out = jax.jit(layer.apply)(params, ga.graphs.prepare(graph))
      >>> out.graph.nodes.shape, out.attention.weights.shape
      ((3, 16), (3, 2))

    Source: Brody, Alon, Yahav, "How Attentive are Graph Attention Networks?", ICLR 2022, arXiv:2105.14491, equation 7.
    """

    _: KW_ONLY
    concat: bool = True
    negative_slope: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_switches(self, "concat")
        _checks.number("negative_slope", self.negative_slope, zero=True)

    def init(
        self, key: PRNGKey, in_features: int | tuple[int, int], edge_features: int | None = None
    ) -> GATv2Params:
        """Parameters, float32, Glorot-uniform; see `ga.nn.Layer.init`."""
        size, heads = self.widths(in_features, edge_features), self.heads
        channels, score = size.channels, self.score
        k_sender, k_receiver, k_vector, k_edge = jax.random.split(key, 4)
        sender_weight = init_projection(k_sender, size.senders, heads, channels)
        receiver_weight = edge_weight = None
        if not score.is_tied:
            receiver_weight = init_projection(k_receiver, size.receivers, heads, channels)
            if self.symmetric_init:
                receiver_weight = sender_weight
        if size.edges is not None:
            edge_weight = init_projection(
                k_edge, size.edges, heads, 1 if score.is_dot else channels
            )
            edge_weight = edge_weight[..., 0] if score.is_dot else edge_weight
        zeros = init_head_bias(self, channels)
        vector = nn.initializer("glorot_uniform")(k_vector, (heads, channels), jnp.float32)
        return GATv2Params(
            sender_weight=sender_weight,
            sender_bias=zeros,
            receiver_weight=receiver_weight,
            receiver_bias=None if score.is_tied else zeros,
            vector=None if score.is_dot else vector,
            edge_weight=edge_weight,
            score=score.init(heads, channels),
            bias=init_output_bias(self, channels),
        )

    def apply(
        self,
        params: GATv2Params,
        graph: Any,
        *,
        bias: ArrayLike | None = None,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`, `SparseFeatures` or a `NodePair`; edges `[E, D_e]` if made with `edge_features`.
          bias: `[E, H]` added to the logits.
          training: whether there is dropout.
          key: typed key, required in training when the rate is positive.

        Returns:
          The graph with new nodes in the dtype of the old, and the attention.

        Raises:
          ValueError: features that do not fit the parameters, dropout without a key.
        """
        parts = {"receiver_weight": not self.score.is_tied, "vector": not self.score.is_dot}
        check_params(params, GATv2Params, self, **parts)
        check_bias(bias, graph, self.heads)
        weight, shift = params.receiver_weight, params.receiver_bias
        if weight is None:
            weight, shift = params.sender_weight, params.sender_bias
        senders, receivers = nn.read_ends(
            graph, params.sender_weight.shape[0], weight.shape[0], allow_sparse=True
        )
        value = project(senders, params.sender_weight, params.sender_bias)
        same = senders is receivers and params.receiver_weight is None
        query = value if same else project(receivers, weight, shift)
        edge = None if params.edge_weight is None else edge_term(params.edge_weight, graph)
        if params.vector is None:
            own = ops.DotScore(bias=add_bias(bias, edge))
        else:
            own = ops.GATv2Score(params.vector, self.negative_slope, edge, bias)
        query, keys, kernel = self.score.apply(params.score, query, value, own)
        dropout = nn.training_dropout(self.dropout, training, key)
        out, attention = self.attend(query, keys, value, pattern(graph), kernel, dropout)
        out = add_output_bias(combine_heads(out, self.concat), params.bias)
        return finish(graph, out, attention)
