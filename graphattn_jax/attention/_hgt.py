"""HGT: attention with projections by type and matrices by relation."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax.attention._graph_transformer import edge_logits, edge_messages
from graphattn_jax.attention._pipeline import (
    AttentionLayer,
    check_params,
    check_switches,
    combine_heads,
    finish,
    init_projection,
    split_heads,
)
from graphattn_jax.attention._scores import Shared, Standard, Symmetrized, with_bias
from graphattn_jax.attention._typed import attend, check_scores
from graphattn_jax.graphs import Schema, check_schema
from graphattn_jax.ops import take
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["HGT", "HGTParams"]


class HGTParams(NamedTuple):
    """Arrays of an `HGT` layer, of T types and R relations.

    query, key, value: maps by type, of the sharing, to `[H·C]`; no key where the score is `Shared`. relation_key,
    relation_value `[R, H, C, C]`; prior `[R, H]`. edge_key, edge_value `[D_e, H, C]` and time, a map of D, or None.
    output: a map by type; skip `[T]`; norm_scale, norm_bias `[T, F]`, or None without norm.
    """

    query: nn.TypedLinearParams
    key: nn.TypedLinearParams | None
    value: nn.TypedLinearParams
    relation_key: Array
    relation_value: Array
    prior: Array
    edge_key: Array | None
    edge_value: Array | None
    time: nn.LinearParams | None
    output: nn.TypedLinearParams
    skip: Array
    norm_scale: Array | None
    norm_bias: Array | None


@dataclass(frozen=True, repr=False)
class HGT(AttentionLayer):
    """Heterogeneous graph transformer: who speaks to whom, by which relation, decides the matrices.

        s_ij = μ_φ ( K_τ(j) x_j ) A_φ · ( Q_τ(i) x_i ) / √C,      a_ij = softmax_j( s_ij )  over all relations together
        m_i  = Σ_j a_ij ( V_τ(j) x_j ) M_φ
        x'_i = LN_τ(i)( σ(g_τ(i)) O_τ(i) drop( gelu( m_i ) ) + (1 − σ(g_τ(i))) x_i )

    with φ the relation of the edge j → i, τ the type of a node, A_φ and M_φ per head. Where the input is not as wide as
    the output there is no skip, x' = LN( O gelu(m) ). With edge features, s_ij also has (Q x_i) · W_ek e_ij / √C and
    the message W_ev e_ij. With times, x_j is x_j + W_t sinusoid(t_ij), t_ij = `edges.time`, one for each sender,
    relation and time: see `relative_time`. The score `Shared` has K = Q, and A_φ̄ = A_φᵀ of the reverse relation φ̄;
    symmetric normalizers pair an edge with one of the reverse relation, and need a prepared graph.

    Args:
      channels, heads, score, normalizer, dropout, symmetric_init, use_bias, implementation: see `AttentionLayer`; the
        scores are `Standard`, `Shared` and `Symmetrized`.
      schema: the types and relations, `ga.graphs.schema_of(graph)`.
      features: F, width of the new nodes; None = H·C.
      sharing: how the maps by type share parameters.
      norm: whether there is LN, with a scale and a bias per type.
      relative_time: whether the layer reads `edges.time`.
      output_dropout: on gelu(m); `dropout` is on the weights.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D H C + U D H C + E H C) with U the pairs of a sender and a relation, at most E: x W_τ A_φ is one product
      per pair, by the matrices W_τ A_φ. With times U is E. Memory O(U H C), none per relation.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_types(
      ...     {"author": np.ones((2, 8), np.float32), "paper": np.ones((3, 8), np.float32)},
      ...     {("author", "writes", "paper"): ([0, 1, 1], [0, 1, 2])}, reverse=True)
      >>> layer = ga.attention.HGT(heads=2, schema=ga.graphs.schema_of(graph))
      >>> params = layer.init(jax.random.key(0), in_features=8)
      >>> out = jax.jit(layer.apply)(params, ga.graphs.prepare(graph))
      >>> out.graph.nodes.features.shape, out.attention.weights.shape
      ((5, 8), (6, 2))

    Source: Hu, Dong, Wang, Sun, "Heterogeneous Graph Transformer", WWW 2020, arXiv:2003.01332, equations 3 to 5 and 7;
      μ per relation and head, gelu, norm and the gate as in the authors' code. Edge features and symmetry are ours.
    """

    _: KW_ONLY
    schema: Schema
    features: int | None = None
    sharing: nn.Sharing = nn.Full()
    norm: bool = False
    relative_time: bool = False
    output_dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_schema(self.schema)
        _checks.instance("sharing", self.sharing, nn.Sharing, "ga.nn.Full() or ga.nn.Basis(4)")
        check_scores(self, Standard, Shared, Symmetrized)
        check_switches(self, "norm", "relative_time")
        _checks.rate("output_dropout", self.output_dropout)
        if self.features is not None:
            _checks.positive("features", self.features)

    def init(self, key: PRNGKey, in_features: int, edge_features: int | None = None) -> HGTParams:
        """Parameters, float32, Glorot-uniform; priors and gates start at 1. See `ga.nn.Layer.init`."""
        size, heads = self.widths(in_features, edge_features), self.heads
        channels, width = size.channels, size.channels * heads
        features = self.features or width
        num_types, num_relations = len(self.schema.types), len(self.schema.relations)
        keys = jax.random.split(key, 9)

        def by_type(key: PRNGKey, depth: int, out: int) -> nn.TypedLinearParams:
            return nn.init_typed_linear(
                key, num_types, depth, out, bias=self.use_bias, sharing=self.sharing
            )

        def by_relation(key: PRNGKey) -> Array:
            flat = nn.Full().init(key, num_relations * heads, channels, channels)
            return flat.reshape(num_relations, heads, channels, channels)

        edge_key = edge_value = None
        if edge_features is not None:
            edge_key, edge_value = (
                init_projection(k, edge_features, heads, channels) for k in keys[6:8]
            )
        query = by_type(keys[0], in_features, width)
        own = query if self.symmetric_init else by_type(keys[1], in_features, width)
        return HGTParams(
            query=query,
            key=None if self.score.is_tied else own,
            value=by_type(keys[2], in_features, width),
            relation_key=by_relation(keys[3]),
            relation_value=by_relation(keys[4]),
            prior=jnp.ones((num_relations, heads), jnp.float32),
            edge_key=edge_key,
            edge_value=edge_value,
            time=nn.init_linear(keys[8], in_features, in_features) if self.relative_time else None,
            output=by_type(keys[5], width, features),
            skip=jnp.ones(num_types, jnp.float32),
            norm_scale=jnp.ones((num_types, features), jnp.float32) if self.norm else None,
            norm_bias=jnp.zeros((num_types, features), jnp.float32) if self.norm else None,
        )

    def apply(
        self,
        params: HGTParams,
        graph: Any,
        *,
        bias: ArrayLike | None = None,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: typed, with nodes `[N, D]`; edge features `[E, D_e]` if made with `edge_features`, and times `[E]` if
            `relative_time`.
          bias: `[E, H]` added to the logits.
          training: whether there is dropout.
          key: typed key, required in training when a rate is positive.

        Returns:
          The graph with new nodes in the dtype of the old, and the attention over its edges.

        Raises:
          ValueError: features that do not fit the parameters, another schema, dropout without a key.
        """
        parts = {"key": not self.score.is_tied, "time": self.relative_time, "norm_scale": self.norm}
        check_params(params, HGTParams, self, **parts)
        self.schema.check(graph)
        x = nn.read_nodes(graph, self.sharing.matrices(params.query.weight).shape[1])
        types, ends = graphs.node_groups(graph), graphs.relation_ends(graph)
        query = split_heads(
            nn.typed_linear(params.query, x, types, sharing=self.sharing), self.heads
        )
        keys, value = self._spoken(params, graph, x, ends)
        kernel: Any = ops.DotScore(bias=bias)
        if params.edge_key is not None:
            edges = nn.read_edges(graph, params.edge_key.shape[0])
            term = edge_logits(query, edges, params.edge_key, graph.receivers)
            kernel = with_bias(kernel, query.shape[-1] ** -0.5 * term)
        k_weights, k_output = (None, None) if key is None else jax.random.split(key)
        dropout = nn.training_dropout(self.dropout, training, k_weights)
        message, attention = attend(self, graph, query, keys, value, kernel, dropout)
        if params.edge_value is not None:
            message = message + edge_messages(params.edge_value, graph, attention.applied, message)
        heard = jax.nn.gelu(combine_heads(message, True), approximate=False)
        dropped = nn.training_dropout(self.output_dropout, training, k_output)
        if dropped is not None:
            heard = ops.dropout(heard, dropped.rate, dropped.key)
        out = nn.typed_linear(params.output, heard, types, sharing=self.sharing)
        if out.shape == x.shape:
            gate = types.rows(jax.nn.sigmoid(params.skip))[:, None].astype(out.dtype)
            out = gate * out + (1 - gate) * x
        if params.norm_scale is not None and params.norm_bias is not None:
            out = nn.layer_norm(nn.init_layer_norm(out.shape[1]), out)
            scale, shift = types.rows(params.norm_scale), types.rows(params.norm_bias)
            out = out * scale.astype(out.dtype) + shift.astype(out.dtype)
        return finish(graph, out, attention)

    def _spoken(
        self, params: HGTParams, graph: Any, x: Array, ends: graphs.Ends
    ) -> tuple[Array, Array]:
        """Keys and values of the pairs (node, relation): x_j by the matrices K_τ A_φ and V_τ M_φ side by side."""
        sources = jnp.asarray(self.schema.sources)
        by_key = params.query if params.key is None else params.key
        turned = params.relation_key * params.prior[:, :, None, None]
        if params.key is None:
            turned = _tied(turned, self.schema)
        both = zip((by_key, params.value), (turned, params.relation_value), strict=True)
        weights, shifts = [], []
        for of_type, of_relation in both:
            matrices = self.sharing.matrices(of_type.weight)[sources]
            split = matrices.reshape(*matrices.shape[:2], self.heads, -1)
            weights.append(_flat(jnp.einsum("rdhc,rhce->rdhe", split, of_relation)))
            if of_type.bias is not None:
                shift = of_type.bias[sources].reshape(len(sources), self.heads, -1)
                shifts.append(_flat(jnp.einsum("rhc,rhce->rhe", shift, of_relation)))
        heard = take(x, ends.node)
        if params.time is not None:
            if ends.time is None:
                raise ValueError(
                    "relative_time=True reads edges.time. Fix: from_types(..., edge_time=...), or relative_time=False."
                )
            heard = heard + nn.linear(
                params.time, nn.sinusoid(ends.time, x.shape[1]).astype(x.dtype)
            )
        spoken = ops.grouped_matmul(heard, jnp.concatenate(weights, axis=-1), ends.relations)
        if shifts:
            shift = ends.relations.rows(jnp.concatenate(shifts, axis=-1))
            spoken = spoken + shift.astype(spoken.dtype)
        keys, value = jnp.split(spoken, 2, axis=-1)
        return split_heads(keys, self.heads), split_heads(value, self.heads)


def _flat(x: Array) -> Array:
    """The heads side by side."""
    return x.reshape(*x.shape[:-2], -1)


def _tied(matrices: Array, schema: Schema) -> Array:
    """½ (A_φ + A_φ̄ᵀ) where there is a reverse relation."""
    reverse = jnp.asarray(schema.reverses)
    partner = matrices[jnp.maximum(reverse, 0)].swapaxes(-1, -2)
    return jnp.where(reverse[:, None, None, None] < 0, matrices, 0.5 * (matrices + partner))
