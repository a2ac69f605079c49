"""R-GAT: additive attention with a projection per relation."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax.attention._pipeline import (
    AttentionLayer,
    add_output_bias,
    check_params,
    check_switches,
    combine_heads,
    finish,
    init_output_bias,
    split_heads,
)
from graphattn_jax.attention._scores import Standard, Symmetrized
from graphattn_jax.attention._typed import attend_from_logits, check_scores
from graphattn_jax.graphs import Schema, check_schema, relation_ends
from graphattn_jax.ops import take
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["RGAT", "RGATParams"]


class RGATParams(NamedTuple):
    """Arrays of an `RGAT` layer: weight, of the sharing, to `[R, D, H·C]`; receiver_vector, sender_vector `[R, H, C]`;
    bias of the combined heads, or None.
    """

    weight: Any
    receiver_vector: Array
    sender_vector: Array
    bias: Array | None


@dataclass(frozen=True, repr=False)
class RGAT(AttentionLayer):
    """Relational graph attention.

        g_iφ = W_φ x_i,    s_ij = LeakyReLU( q_φ · g_iφ + k_φ · g_jφ ),    x'_i = ‖_h Σ_j a_ij g_jφ + b

    with φ the relation of the edge j → i, and a_ij the softmax of s_ij over all incoming edges (the paper's ARGAT), or
    over those of one relation (`within=True`, WIRGAT), whose weights then sum to one for each relation that is there.

    Args:
      channels, heads, score, normalizer, dropout, symmetric_init, use_bias, implementation: see `AttentionLayer`; the
        scores are `Standard` and `Symmetrized`, and symmetric_init starts with q = k.
      schema: the types and relations, `ga.graphs.schema_of(graph)`.
      sharing: how the W_φ share parameters.
      within: whether weights are normalised within each relation; a symmetric normalizer then acts within a relation
        and its reverse.
      concat: True = heads side by side `[N, H·C]`, False = their mean `[N, C]`.
      negative_slope: of the LeakyReLU.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(U D H C + E H C) with U the pairs of a sender and a relation, at most E.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> nodes, edges = {"page": np.eye(3, dtype=np.float32)}, {("page", "links", "page"): ([0, 1], [1, 2])}
      >>> graph = ga.graphs.from_types(nodes, edges)
      >>> layer = ga.attention.RGAT(channels=4, heads=2, schema=ga.graphs.schema_of(graph))
      >>> params = layer.init(jax.random.key(0), in_features=3)
      >>> layer.apply(params, ga.graphs.prepare(graph)).graph.nodes.features.shape
      (3, 8)

    Source: Busbridge, Sherburn, Cavallo, Hammerla, "Relational Graph Attention Networks", 2019, arXiv:1904.05811,
      equations 3, 4, 6, 8 and 9, additive form.
    """

    _: KW_ONLY
    schema: Schema
    sharing: nn.Sharing = nn.Full()
    within: bool = False
    concat: bool = True
    negative_slope: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_schema(self.schema)
        _checks.instance("sharing", self.sharing, nn.Sharing, "ga.nn.Full() or ga.nn.Basis(4)")
        check_scores(self, Standard, Symmetrized)
        check_switches(self, "within", "concat")
        _checks.number("negative_slope", self.negative_slope, zero=True)

    def init(self, key: PRNGKey, in_features: int, edge_features: int | None = None) -> RGATParams:
        """Parameters, float32, Glorot-uniform; the bias starts at zero. See `ga.nn.Layer.init`."""
        size, heads = self.widths(in_features), self.heads
        k_weight, k_receiver, k_sender = jax.random.split(key, 3)
        shape = (len(self.schema.relations), heads, size.channels)
        receiver_vector = nn.initializer("glorot_uniform")(k_receiver, shape, jnp.float32)
        sender_vector = receiver_vector
        if not self.symmetric_init:
            sender_vector = nn.initializer("glorot_uniform")(k_sender, shape, jnp.float32)
        return RGATParams(
            weight=self.sharing.init(k_weight, shape[0], in_features, heads * size.channels),
            receiver_vector=receiver_vector,
            sender_vector=sender_vector,
            bias=init_output_bias(self, size.channels),
        )

    def apply(
        self,
        params: RGATParams,
        graph: Any,
        *,
        bias: ArrayLike | None = None,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: typed, with nodes `[N, D]`.
          bias: `[E, H]` added to the logits.
          training: whether there is dropout.
          key: typed key, required in training when the rate is positive.

        Returns:
          The graph with new nodes in the dtype of the old, and the attention over its edges.

        Raises:
          ValueError: features that do not fit the parameters, another schema, dropout without a key.
        """
        check_params(params, RGATParams, self)
        self.schema.check(graph)
        matrices = self.sharing.matrices(params.weight)
        x = nn.read_nodes(graph, matrices.shape[1])
        spoken, heard = relation_ends(graph), relation_ends(graph, "receiver")

        def along(vector: ArrayLike, ends: graphs.Ends) -> Array:
            """(W_φ x) · v_φ as x · (W_φ v_φ)."""
            split = matrices.reshape(*matrices.shape[:2], *vector.shape[1:])
            turned = jnp.einsum("rdhc,rhc->rdh", split, jnp.asarray(vector).astype(split.dtype))
            return ops.grouped_matmul(take(x, ends.node), turned, ends.relations)

        value = ops.grouped_matmul(take(x, spoken.node), matrices, spoken.relations)
        value = split_heads(value, self.heads)
        query, keys = along(params.receiver_vector, heard), along(params.sender_vector, spoken)
        kernel = ops.AdditiveScore(self.negative_slope, bias=bias)
        logits = self.scores(query, keys, heard.edges, kernel)
        dropout = nn.training_dropout(self.dropout, training, key)
        out, attention = attend_from_logits(self, graph, logits, value, dropout, within=self.within)
        if self.within:
            out = ops.segment_sum(out, heard.node, x.shape[0])
        out = add_output_bias(combine_heads(out, self.concat), params.bias)
        return finish(graph, out, attention)
