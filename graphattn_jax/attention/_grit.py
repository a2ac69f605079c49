"""GRIT: attention from an edge stream, over all pairs or over the edges of the graph."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.attention import _scores
from graphattn_jax.attention._pipeline import (
    attend_from_logits,
    combine_heads,
    finish,
    project,
)
from graphattn_jax.nn._arrays import read_edges, read_nodes
from graphattn_jax.nn._linear import Activation
from graphattn_jax.ops._segment import take
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GRITParams", "grit", "init_grit"]


class GRITParams(NamedTuple):
    """Arrays of a `grit` layer.

    query_weight, key_weight, value_weight `[D, H, C]`: W_Q, W_K (None if shared with the query) and W_V.
    query_bias `[H, C]`: of the sum of query and key, or None. edge_gate, edge_shift `[D_e, H, C]`: W_Ew and W_Eb, and
    their biases `[H, C]` or None. vector `[H, C]`: w_A, None for dot forms. edge_value `[H, C, C]`: W_Ev.
    pairwise `[H, C, C]`: for score="pairwise".
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
    pairwise: Array | None


def init_grit(
    key: PRNGKey,
    in_features: int,
    channels: int,
    heads: int = 1,
    *,
    edge_features: int,
    score: str = "standard",
    symmetric_init: bool = False,
    bias: bool = True,
) -> GRITParams:
    """Parameters of a `grit` layer.

    Args:
      key: typed PRNG key.
      in_features: D, width of the node features.
      channels: C, channels per head.
      heads: H.
      edge_features: D_e, width of the edge features: of the encoding in a first layer, H·C of the stream after it.
      score: one of `SCORES`; see `grit`.
      symmetric_init: start with W_K = W_Q (free to part in training), so that logits begin as symmetric as the edge
        features are.
      bias: whether query and edge maps have biases. Keys and values have none, as in the published code.

    Returns:
      `GRITParams`, float32, Glorot-normal; the biases start at zero.

    Raises:
      ValueError: sizes that are not positive integers, unknown score.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.attention.init_grit(jax.random.key(0), 16, 8, heads=4, edge_features=21)
      >>> params.edge_gate.shape, params.vector.shape
      ((21, 4, 8), (4, 8))
    """
    sizes = {
        "in_features": in_features,
        "channels": channels,
        "heads": heads,
        "edge_features": edge_features,
    }
    for name, size in sizes.items():
        _checks.positive(name, size)
    keys = jax.random.split(key, 7)
    glorot = partial(nn.initializer("glorot_normal"), dtype=jnp.float32)

    def weight(key, depth):
        return glorot(key, (depth, heads * channels)).reshape(-1, heads, channels)

    zeros = jnp.zeros((heads, channels), jnp.float32) if bias else None
    query_weight = weight(keys[0], in_features)
    if _scores.is_tied(score):
        key_weight = None
    else:
        key_weight = query_weight if symmetric_init else weight(keys[1], in_features)
    return GRITParams(
        query_weight=query_weight,
        query_bias=zeros,
        key_weight=key_weight,
        value_weight=weight(keys[2], in_features),
        edge_gate=weight(keys[3], edge_features),
        edge_gate_bias=zeros,
        edge_shift=weight(keys[4], edge_features),
        edge_shift_bias=zeros,
        vector=None if _scores.is_dot_form(score) else glorot(keys[5], (heads, channels)),
        edge_value=glorot(keys[6], (heads, channels, channels)),
        pairwise=_scores.identity_pairwise(score, heads, channels),
    )


def grit(
    params: GRITParams,
    graph: Any,
    *,
    layout: Any = None,
    score: str = "standard",
    normalizer: str | ops.Normalizer = "softmax",
    bias: ArrayLike | None = None,
    clamp: float | None = 5.0,
    temperature: float = 1.0,
    activation: str | Activation = "relu",
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    implementation: str | None = None,
    return_attention: bool = False,
):
    """Attention of GRIT, with new edge features.

        ê_ij = σ( ρ( (W_Q x_i + W_K x_j) ⊙ W_Ew e_ij ) + W_Eb e_ij ),     ρ(x) = sign(x) √|x|
        a_ij = softmax_j( clip( w_A · ê_ij, ±clamp ) + b_ij )
        x'_i = ‖_h [ Σ_j a_ij W_V x_j + W_Ev Σ_j a_ij ê_ij ],             e'_ij = ‖_h ê_ij

    with i the receiver and j the sender, ⊙ per channel. On `ga.graphs.all_pairs` with `ga.encodings.rrwp` of those
    pairs as edge features it is GRIT; on the graph's own edges, SparseGRIT. What stands around it is left to the
    network: `degree_scaler`, an output map for nodes and one for edges, dropout, residuals, norms.

    ρ has an infinite slope at 0. There, and only there, its derivative counts as 0, as in the published code; nearby
    it is 1 / (2 √|x|), large and finite.

    The scores differ in the logits alone, ê is always the one above: "shared" (W_K = W_Q) and "symmetrized" (the mean
    of w_A · ê over both directions) are symmetric where the edge features are, which `rrwp` is with `symmetric=True`;
    "cosine" and "pairwise" take a dot product of the queries for w_A · ê.

    Args:
      params: from `init_grit`, with the same `score`.
      graph: nodes `[N, D]`, edges `[E, D_e]`.
      layout: from `ga.graphs.layout`; optional, faster with it.
      score: "standard", "shared", "symmetrized", "cosine" or "pairwise".
      normalizer: "softmax", "sigmoid", "post_hoc", "symmetric", "sinkhorn", or an options tuple of `ga.ops`.
      bias: `[E, H]` added to the logits, behind the clip.
      clamp: the largest logit, positive; beyond it the score has no gradient. None = no clip.
      temperature: τ > 0 of the cosine score.
      activation: σ, a name or a callable; see `ga.nn.activation`.
      dropout_rate: probability in [0, 1), on the attention weights.
      dropout_key: typed key, required when the rate is positive.
      implementation: see `ga.ops.edge_attention`.
      return_attention: also return an `Attention`.

    Returns:
      The graph with new nodes `[N, H·C]` and new edges `[E, H·C]`, each in the dtype of the old; with
      `return_attention`, `(graph, Attention)`. A node without incoming edges gets 0.

    Raises:
      ValueError: features that do not fit the parameters, unknown options, dropout without a key.

    Cost: O((N D + E D_e + N C) H C) time. The new edges are an [E, H, C] array; what leads to it is computed again in
      the backward pass instead of kept.
    Padding: exact on real nodes and edges, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1], nodes=np.eye(3, 4, dtype=np.float32))
      >>> pairs = ga.graphs.all_pairs(graph)
      >>> pairs = pairs._replace(edges=ga.encodings.rrwp(graph, 5, pattern=pairs))
      >>> params = ga.attention.init_grit(jax.random.key(0), 4, 8, heads=2, edge_features=5)
      >>> out = ga.attention.grit(params, pairs)
      >>> out.nodes.shape, out.edges.shape
      ((3, 16), (9, 16))

    Source: Ma, Lin, Lim, Romero-Soriano, Dokania, Coates, Torr, Lim, "Graph Inductive Biases in Transformers without
      Message Passing", ICML 2023, arXiv:2305.17589, section 3.2; the clip and the biases as in its code. On the
      edges of the graph: Grötschla, Xie, Wattenhofer, "Benchmarking Positional Encodings for GNNs and Graph
      Transformers", 2024, arXiv:2411.12732.
    """
    _scores.check_params(score, params, second="key_weight", vector="vector")
    if clamp is not None and not clamp > 0:
        raise ValueError(f"clamp must be positive, or None for no clip, got {clamp!r}.")
    nodes = read_nodes(graph, params.query_weight.shape[0])
    edges = read_edges(graph, params.edge_gate.shape[0])
    query = project(nodes, params.query_weight, params.query_bias)
    key = query if params.key_weight is None else project(nodes, params.key_weight)
    value = project(nodes, params.value_weight)
    senders, receivers = graph.senders, graph.receivers
    stream = partial(_edge_stream, nn.activation(activation), params, query, key, edges)
    new_edges, logits = stream(senders, receivers)
    if _scores.is_dot_form(score):
        q, k, kernel = _scores.dot_form(score, query, params.pairwise, temperature)
        logits = ops.edge_scores(
            q,
            k,
            senders,
            receivers,
            score=kernel,
            layout=None if layout is None else layout.edges,
            implementation=implementation,
        )
    elif score == "symmetrized":
        _, back = stream(receivers, senders)
        logits = 0.5 * (logits + back)
    if clamp is not None:
        logits = jnp.clip(logits, -clamp, clamp)
    if bias is not None:
        _checks.shape("bias", bias, logits.shape)
        logits = logits + jnp.asarray(bias).astype(logits.dtype)
    attention = attend_from_logits(
        logits,
        value,
        graph,
        normalizer=normalizer,
        layout=layout,
        dropout_rate=dropout_rate,
        dropout_key=dropout_key,
        implementation=implementation,
    )
    heard = attention.applied[:, :, None] * new_edges
    heard = ops.segment_sum(heard, receivers, nodes.shape[0])
    heard = jnp.einsum("nhc,hcd->nhd", heard, jnp.asarray(params.edge_value).astype(heard.dtype))
    out = combine_heads(attention.out + heard.astype(value.dtype), True)
    graph = graph._replace(edges=combine_heads(new_edges, True).astype(edges.dtype))
    return finish(graph, out, attention, return_attention)


@partial(jax.checkpoint, static_argnums=0)
def _edge_stream(activation: Activation, params: GRITParams, query, key, edges, senders, receivers):
    """ê `[E, H, C]` and w_A · ê `[E, H]` (None without w_A), which keep for their gradient their arguments alone."""
    wide = accumulation_dtype(query.dtype)
    gate = _edge_map(edges, params.edge_gate, params.edge_gate_bias).astype(wide)
    shift = _edge_map(edges, params.edge_shift, params.edge_shift_bias).astype(wide)
    ends = take(query, receivers).astype(wide) + take(key, senders).astype(wide)
    new = activation(_signed_sqrt(ends * gate) + shift)
    if params.vector is None:
        return new, None
    return new, jnp.sum(new * jnp.asarray(params.vector).astype(wide)[None], axis=2)


def _edge_map(edges: Array, weight: ArrayLike, bias: ArrayLike | None) -> Array:
    """W e + b per edge, `[E, H, C]`, in float32."""
    wide = accumulation_dtype(edges.dtype)
    weight = jnp.asarray(weight).astype(edges.dtype)
    out = jnp.tensordot(edges, weight, axes=1, preferred_element_type=wide)
    return out if bias is None else out + jnp.asarray(bias).astype(wide)[None]


def _signed_sqrt(x: Array) -> Array:
    """sign(x) √|x|, with derivative 0 at 0."""
    size = jnp.abs(x)
    root = jnp.sqrt(jnp.where(size > 0, size, 1))
    return jnp.where(size > 0, jnp.sign(x) * root, 0)
