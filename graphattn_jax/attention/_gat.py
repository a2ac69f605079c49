"""GAT: additive attention with one linear map of the nodes."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.attention._pipeline import (
    AttentionLayer,
    add_output_bias,
    check_bias,
    check_params,
    check_switches,
    combine_heads,
    edge_term,
    finish,
    init_output_bias,
    init_projection,
    project,
)
from graphattn_jax.attention._scores import add_bias
from graphattn_jax.graphs import pattern
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GAT", "GATParams"]


class GATParams(NamedTuple):
    """Arrays of a `GAT` layer.

    weight `[D_s, H, C]`: W. receiver_weight `[D_r, H, C]`: W of the receivers, None if it is the same.
    receiver_vector `[H, C]`: a₁, None for dot products. sender_vector `[H, C]`: a₂, None if both ends share a₁.
    edge_weight `[D_e, H]`: the edge term of the score, or None. score: arrays of the score, or None.
    bias `[H·C]` or `[C]`: added to the output, or None.
    """

    weight: Array
    receiver_weight: Array | None
    receiver_vector: Array | None
    sender_vector: Array | None
    edge_weight: Array | None
    score: Any
    bias: Array | None


@dataclass(frozen=True, repr=False)
class GAT(AttentionLayer):
    """Graph attention network layer.

        a_ij = softmax_j( LeakyReLU( a₁·W x_i + a₂·W x_j + u·e_ij ) + b_ij ),    x'_i = ‖_h Σ_j a_ij W x_j + b

    with i the receiver and j the sender. Where the paper writes a for the concatenation, ours is a = [a₁ ‖
    a₂]; the edge term is the product of PyG's edge projection and edge attention vector. Attention runs
    over the graph's edges as they are: add self-loops with `ga.graphs.add_self_loops` for the paper's
    setting. The score `Shared` has a₂ = a₁; `Cosine` and `Pairwise` work on W x. Made with
    `in_features=(senders, receivers)` the receivers have a W of their own, unless the score shares it.

    Args:
      channels, heads, score, normalizer, dropout, symmetric_init, use_bias, implementation: see `AttentionLayer`;
        symmetric_init starts with a₂ = a₁, and use_bias is that of the output.
      concat: True = heads side by side `[N, H·C]`, False = their mean `[N, C]`.
      negative_slope: of the LeakyReLU.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D H C + E H C) time.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 0], nodes=np.eye(3, 4, dtype=np.float32))
      >>> layer = ga.attention.GAT(channels=8, heads=2)
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> out = jax.jit(layer.apply)(params, ga.graphs.prepare(graph))
      >>> out.graph.nodes.shape, out.attention.weights.shape
      ((3, 16), (3, 2))

    Source: Veličković et al., "Graph Attention Networks", ICLR 2018, arXiv:1710.10903, equations 3 to 6.
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
    ) -> GATParams:
        """Parameters, float32, Glorot-uniform as in the reference implementation; see `ga.nn.Layer.init`."""
        size, heads = self.widths(in_features, edge_features), self.heads
        channels, score = size.channels, self.score
        k_weight, k_receiver, k_sender, k_edge = jax.random.split(key, 4)
        glorot = nn.initializer("glorot_uniform")
        receiver_weight = edge_weight = None
        if isinstance(in_features, tuple) and not score.is_tied:
            k_own = jax.random.fold_in(k_weight, 1)
            receiver_weight = init_projection(k_own, size.receivers, heads, channels)
        receiver_vector = glorot(k_receiver, (heads, channels), jnp.float32)
        sender_vector = receiver_vector
        if not self.symmetric_init:
            sender_vector = glorot(k_sender, (heads, channels), jnp.float32)
        if size.edges is not None:
            edge_weight = glorot(k_edge, (size.edges, heads), jnp.float32)
        return GATParams(
            weight=init_projection(k_weight, size.senders, heads, channels),
            receiver_weight=receiver_weight,
            receiver_vector=None if score.is_dot else receiver_vector,
            sender_vector=None if score.is_tied else sender_vector,
            edge_weight=edge_weight,
            score=score.init(heads, channels),
            bias=init_output_bias(self, channels),
        )

    def apply(
        self,
        params: GATParams,
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
        parts = {
            "sender_vector": not self.score.is_tied,
            "receiver_vector": not self.score.is_dot,
        }
        check_params(params, GATParams, self, **parts)
        check_bias(bias, graph, self.heads)
        weight = params.weight if params.receiver_weight is None else params.receiver_weight
        senders, receivers = nn.read_ends(
            graph, params.weight.shape[0], weight.shape[0], allow_sparse=True
        )
        x_j = project(senders, params.weight)
        same = senders is receivers and params.receiver_weight is None
        x_i = x_j if same else project(receivers, weight)
        edge = None if params.edge_weight is None else edge_term(params.edge_weight, graph)
        if params.receiver_vector is None:
            query, keys, own = x_i, x_j, ops.DotScore(bias=add_bias(bias, edge))
        else:
            query = keys = _along(x_i, params.receiver_vector)
            if params.sender_vector is not None:
                keys = _along(x_j, params.sender_vector)
            elif not same:
                keys = _along(x_j, params.receiver_vector)
            own = ops.AdditiveScore(self.negative_slope, edge, bias)
        query, keys, kernel = self.score.apply(params.score, query, keys, own)
        dropout = nn.training_dropout(self.dropout, training, key)
        out, attention = self.attend(query, keys, x_j, pattern(graph), kernel, dropout)
        out = add_output_bias(combine_heads(out, self.concat), params.bias)
        return finish(graph, out, attention)


def _along(x: Array, vector: ArrayLike) -> Array:
    """Σ_c x[n, h, c] a[h, c] in float32."""
    wide = accumulation_dtype(x.dtype)
    return jnp.einsum("nhc,hc->nh", x.astype(wide), jnp.asarray(vector).astype(wide))
