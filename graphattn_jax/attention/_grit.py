"""GRIT: attention from an edge stream, over all pairs or over the edges of the graph."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.attention._pipeline import (
    AttentionLayer,
    check_clamp,
    check_params,
    clamped,
    combine_heads,
    finish,
    init_head_bias,
    init_projection,
    needed_edges,
    project,
    weighted_edges,
)
from graphattn_jax.attention._scores import add_bias
from graphattn_jax.graphs import pattern
from graphattn_jax.ops import take
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GRIT", "GRITParams"]


class GRITParams(NamedTuple):
    """Arrays of a `GRIT` layer.

    query_weight, key_weight, value_weight `[D, H, C]`: W_Q, W_K (None if shared with the query) and W_V.
    query_bias `[H, C]`: of the sum of query and key, or None. edge_gate, edge_shift `[D_e, H, C]`: W_Ew and W_Eb, and
    their biases `[H, C]` or None. vector `[H, C]`: w_A, None for dot products. edge_value `[H, C, C]`: W_Ev.
    score: arrays of the score, or None.
    """

    query_weight: Array
    query_bias: Array | None
    key_weight: Array | None
    value_weight: Array
    edge_gate: Array
    edge_gate_bias: Array | None
    edge_shift: Array
    edge_shift_bias: Array | None
    vector: Array | None
    edge_value: Array
    score: Any


@dataclass(frozen=True, repr=False)
class GRIT(AttentionLayer):
    """Attention of GRIT, with new edge features.

        ê_ij = σ( ρ( (W_Q x_i + W_K x_j) ⊙ W_Ew e_ij ) + W_Eb e_ij ),     ρ(x) = sign(x) √|x|
        a_ij = softmax_j( clip( w_A · ê_ij, ±clamp ) + b_ij )
        x'_i = ‖_h [ Σ_j a_ij W_V x_j + W_Ev Σ_j a_ij ê_ij ],             e'_ij = ‖_h ê_ij

    with i the receiver and j the sender, ⊙ per channel. On `ga.graphs.all_pairs` with `ga.encodings.rrwp` of those
    pairs as edge features it is GRIT; on the graph's own edges, SparseGRIT. What stands around it is left to the
    network: `DegreeScaler`, an output map for nodes and one for edges, dropout, residuals, norms.

    ρ has an infinite slope at 0. There, and only there, its derivative counts as 0, as in the published code; nearby
    it is 1 / (2 √|x|), large and finite.

    The scores differ in the logits alone, ê is always the one above: `Shared` (W_K = W_Q) and `Symmetrized` (the mean
    of w_A · ê over both directions) are symmetric where the edge features are, which `rrwp` is with `symmetric=True`;
    `Cosine` and `Pairwise` take a dot product of the queries for w_A · ê.

    Args:
      channels, heads, score, normalizer, dropout, symmetric_init, implementation: see `AttentionLayer`.
      use_bias: whether query and edge maps have biases. Keys and values have none, as in the published code.
      clamp: the largest logit, positive; beyond it the score has no gradient. None = no clip. The bias is added behind
        it.
      activation: σ, a name or a callable; see `ga.nn.activation`.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O((N D + E D_e + N C) H C) time. The new edges are an [E, H, C] array; what leads to it is computed again in
      the backward pass instead of kept.
    Padding: exact on real nodes and edges, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1], nodes=np.eye(3, 4, dtype=np.float32))
      >>> pairs = ga.graphs.all_pairs(graph)
      >>> pairs = pairs._replace(edges=ga.encodings.rrwp(graph, 5, pattern=pairs))
      >>> layer = ga.attention.GRIT(channels=8, heads=2)
      >>> params = layer.init(jax.random.key(0), in_features=4, edge_features=5)
      >>> out = jax.jit(layer.apply)(params, ga.graphs.prepare(pairs)).graph
      >>> out.nodes.shape, out.edges.shape
      ((3, 16), (9, 16))

    Source: Ma, Lin, Lim, Romero-Soriano, Dokania, Coates, Torr, Lim, "Graph Inductive Biases in Transformers without
      Message Passing", ICML 2023, arXiv:2305.17589, section 3.2; the clip and the biases as in its code. On the
      edges of the graph: Grötschla, Xie, Wattenhofer, "Benchmarking Positional Encodings for GNNs and Graph
      Transformers", 2024, arXiv:2411.12732.
    """

    _: KW_ONLY
    clamp: float | None = 5.0
    activation: str | nn.Activation = "relu"

    updates_edges = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_clamp(self.clamp)
        nn.activation(self.activation)

    def init(self, key: PRNGKey, in_features: int, edge_features: int | None = None) -> GRITParams:
        """Parameters, float32, Glorot-normal; the biases start at zero.

        `edge_features` are needed: the width of the encoding in a first layer, H·C of the stream after it. See
        `ga.nn.Layer.init`.
        """
        _checks.positive("in_features", in_features)
        depth = needed_edges(self, edge_features)
        channels = self.widths(in_features, depth).channels
        heads, score = self.heads, self.score
        keys = jax.random.split(key, 7)
        glorot = partial(nn.initializer("glorot_normal"), dtype=jnp.float32)
        weight = partial(init_projection, heads=heads, channels=channels, init="glorot_normal")
        query_weight = weight(keys[0], in_features)
        key_weight = None
        if not score.is_tied:
            key_weight = query_weight if self.symmetric_init else weight(keys[1], in_features)
        zeros = init_head_bias(self, channels)
        return GRITParams(
            query_weight=query_weight,
            query_bias=zeros,
            key_weight=key_weight,
            value_weight=weight(keys[2], in_features),
            edge_gate=weight(keys[3], depth),
            edge_gate_bias=zeros,
            edge_shift=weight(keys[4], depth),
            edge_shift_bias=zeros,
            vector=None if score.is_dot else glorot(keys[5], (heads, channels)),
            edge_value=glorot(keys[6], (heads, channels, channels)),
            score=score.init(heads, channels),
        )

    def apply(
        self,
        params: GRITParams,
        graph: Any,
        *,
        bias: ArrayLike | None = None,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`, edges `[E, D_e]`.
          bias: `[E, H]` added to the logits, behind the clip.
          training: whether there is dropout.
          key: typed key, required in training when the rate is positive.

        Returns:
          The graph with new nodes `[N, H·C]` and new edges `[E, H·C]`, each in the dtype of the old, and the attention.
          A node without incoming edges gets 0.

        Raises:
          ValueError: features that do not fit the parameters, dropout without a key.
        """
        is_dot = self.score.is_dot
        parts = {"key_weight": not self.score.is_tied, "vector": not is_dot}
        check_params(params, GRITParams, self, **parts)
        nodes = nn.read_nodes(graph, params.query_weight.shape[0])
        features = nn.read_edges(graph, params.edge_gate.shape[0])
        query = project(nodes, params.query_weight, params.query_bias)
        keys = query if params.key_weight is None else project(nodes, params.key_weight)
        value = project(nodes, params.value_weight)
        edges = pattern(graph)
        stream = partial(
            _edge_stream, nn.activation(self.activation), params, query, keys, features
        )
        new_edges, logits = stream(edges)
        if is_dot:
            q, k, kernel = self.score.apply(params.score, query, keys, ops.DotScore())
            logits = ops.edge_scores(q, k, edges, score=kernel, implementation=self.implementation)
        elif self.score.is_symmetrized:
            _, back = stream(edges.T)
            logits = 0.5 * (logits + back)
        logits = jnp.asarray(add_bias(bias, clamped(logits, self.clamp)))
        dropout = nn.training_dropout(self.dropout, training, key)
        out, attention = self.attend_from_logits(logits, value, edges, dropout)
        heard = attention.applied[:, :, None] * new_edges
        heard = ops.segment_sum(heard, edges.receivers, edges.num_rows)
        weight = jnp.asarray(params.edge_value).astype(heard.dtype)
        heard = jnp.einsum("nhc,hcd->nhd", heard, weight)
        out = combine_heads(out + heard.astype(value.dtype), True)
        new_edges = combine_heads(new_edges, True).astype(features.dtype)
        return finish(nn.with_edges(graph, new_edges), out, attention)


@partial(jax.checkpoint, static_argnums=0)
def _edge_stream(
    activation: nn.Activation, params: GRITParams, query, key, features, edges: ops.Edges
):
    """ê `[E, H, C]` and w_A · ê `[E, H]` (None without w_A), which keep for their gradient their arguments alone."""
    wide = accumulation_dtype(query.dtype)
    gate = weighted_edges(features, params.edge_gate, params.edge_gate_bias).astype(wide)
    shift = weighted_edges(features, params.edge_shift, params.edge_shift_bias).astype(wide)
    ends = take(query, edges.receivers).astype(wide) + take(key, edges.senders).astype(wide)
    new = activation(_signed_sqrt(ops.real_or_zero(ends, edges) * gate) + shift)
    if params.vector is None:
        return new, None
    return new, jnp.sum(new * jnp.asarray(params.vector).astype(wide)[None], axis=2)


def _signed_sqrt(x: Array) -> Array:
    """sign(x) √|x|, with derivative 0 at 0."""
    size = jnp.abs(x)
    root = jnp.sqrt(jnp.where(size == 0, 1, size))
    return jnp.where(size == 0, 0, jnp.sign(x) * root)
