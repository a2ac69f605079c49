"""GATv2: additive attention whose non-linearity comes before the attention vector."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.attention import _scores
from graphattn_jax.attention._pipeline import (
    add_bias,
    add_output_bias,
    attend,
    combine_heads,
    finish,
    project,
)
from graphattn_jax.nn._arrays import read_edges, read_sparse_nodes
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GATv2Params", "gatv2", "init_gatv2"]


class GATv2Params(NamedTuple):
    """Arrays of a `gatv2` layer.

    sender_weight `[D, H, C]`: W_s, also makes the values. receiver_weight `[D, H, C]`: W_r, None if shared.
    sender_bias, receiver_bias `[H, C]`: of the two maps. vector `[H, C]`: a, None for dot forms.
    edge_weight `[D_e, H, C]`: W_e (`[D_e, H]` for dot forms), or None. pairwise `[H, C, C]`: for score="pairwise".
    bias `[H·C]` or `[C]`: added to the output, or None.
    """

    sender_weight: Array
    sender_bias: Array | None
    receiver_weight: Array | None
    receiver_bias: Array | None
    vector: Array | None
    edge_weight: Array | None
    pairwise: Array | None
    bias: Array | None


def init_gatv2(
    key: PRNGKey,
    in_features: int,
    channels: int,
    heads: int = 1,
    *,
    edge_features: int | None = None,
    score: str = "standard",
    symmetric_init: bool = False,
    concat: bool = True,
    bias: bool = True,
) -> GATv2Params:
    """Parameters of a `gatv2` layer.

    Args:
      key: typed PRNG key.
      in_features: D, width of the node features.
      channels: C, output channels per head.
      heads: H.
      edge_features: D_e, width of the edge features, or None for none.
      score: one of `SCORES`; see `gatv2`.
      symmetric_init: start with W_r = W_s (free to part in training), so that logits begin symmetric.
      concat: whether `gatv2` will be called with `concat=True`; sizes the output bias.
      bias: whether the maps and the output have biases.

    Returns:
      `GATv2Params`, float32, Glorot-uniform.

    Raises:
      ValueError: sizes that are not positive integers, unknown score.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.attention.init_gatv2(jax.random.key(0), 16, 8, heads=4).vector.shape
      (4, 8)
    """
    for name, size in (("in_features", in_features), ("channels", channels), ("heads", heads)):
        _checks.positive(name, size)
    k_sender, k_receiver, k_vector, k_edge = jax.random.split(key, 4)
    glorot = partial(nn.initializer("glorot_uniform"), dtype=jnp.float32)

    def weight(key):
        return glorot(key, (in_features, heads * channels)).reshape(-1, heads, channels)

    tied, dot_form = _scores.is_tied(score), _scores.is_dot_form(score)
    edge_weight = None
    if edge_features is not None:
        _checks.positive("edge_features", edge_features)
        shape = (edge_features, heads) if dot_form else (edge_features, heads * channels)
        edge_weight = glorot(k_edge, shape)
        edge_weight = edge_weight if dot_form else edge_weight.reshape(-1, heads, channels)
    zeros = jnp.zeros((heads, channels), jnp.float32) if bias else None
    sender_weight = weight(k_sender)
    return GATv2Params(
        sender_weight=sender_weight,
        sender_bias=zeros,
        receiver_weight=None if tied else sender_weight if symmetric_init else weight(k_receiver),
        receiver_bias=None if tied else zeros,
        vector=None if dot_form else glorot(k_vector, (heads, channels)),
        edge_weight=edge_weight,
        pairwise=_scores.identity_pairwise(score, heads, channels),
        bias=jnp.zeros(heads * channels if concat else channels, jnp.float32) if bias else None,
    )


def gatv2(
    params: GATv2Params,
    graph: Any,
    *,
    layout: Any = None,
    score: str = "standard",
    normalizer: str | ops.Normalizer = "softmax",
    bias: ArrayLike | None = None,
    negative_slope: float = 0.2,
    temperature: float = 1.0,
    concat: bool = True,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    implementation: str | None = None,
    return_attention: bool = False,
):
    """Graph attention with a dynamic score: which neighbour ranks first depends on the receiver.

        a_ij = softmax_j( a · LeakyReLU( W_r x_i + W_s x_j + W_e e_ij ) ),    x'_i = ‖_h Σ_j a_ij W_s x_j + b

    with i the receiver and j the sender. The paper writes W for [W_r ‖ W_s]. Attention runs over the
    graph's edges as they are: add self-loops with `ga.graphs.add_self_loops` for the paper's setting.

    Args:
      params: from `init_gatv2`, with the same `score`.
      graph: nodes `[N, D]` or `SparseFeatures`; edges `[E, D_e]` if the parameters have an edge term, else anything.
      layout: from `ga.graphs.layout`; optional, faster with it.
      score: "standard", "shared" (W_r = W_s), "symmetrized", "cosine" or "pairwise" (on the features W_s x).
      normalizer: "softmax", "sigmoid", "post_hoc", "symmetric", "sinkhorn", or an options tuple of `ga.ops`.
      bias: `[E, H]` added to the logits, for example a `relative_bias`.
      negative_slope: of LeakyReLU.
      temperature: τ > 0 of the cosine score.
      concat: True = heads side by side `[N, H·C]`, False = their mean `[N, C]`.
      dropout_rate: probability in [0, 1), on the attention weights.
      dropout_key: typed key, required when the rate is positive.
      implementation: see `ga.ops.edge_attention`.
      return_attention: also return an `Attention`.

    Returns:
      The graph with new nodes, in the dtype of the old; with `return_attention`, `(graph, Attention)`.

    Raises:
      ValueError: features that do not fit the parameters, unknown options, dropout without a key.

    Cost: O(N D H C + E H C) time; with edge features an [E, H, C] array is kept.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 0], nodes=np.eye(3, 4, dtype=np.float32))
      >>> params = ga.attention.init_gatv2(jax.random.key(0), 4, 8, heads=2)
      >>> ga.attention.gatv2(params, graph, normalizer="sinkhorn").nodes.shape
      (3, 16)

    Source: Brody, Alon, Yahav, "How Attentive are Graph Attention Networks?", ICLR 2022, arXiv:2105.14491, equation 7.
    """
    _scores.check_params(score, params, second="receiver_weight", vector="vector")
    nodes = read_sparse_nodes(graph, params.sender_weight.shape[0])
    value = project(nodes, params.sender_weight, params.sender_bias)
    edge = None
    if params.edge_weight is not None:
        edge = _edge_term(params.edge_weight, graph)
    if _scores.is_dot_form(score):
        query, key, kernel = _scores.dot_form(score, value, params.pairwise, temperature)
        bias = add_bias(bias, edge)
    else:
        query = (
            value
            if params.receiver_weight is None
            else project(nodes, params.receiver_weight, params.receiver_bias)
        )
        key = value
        kernel = _scores.native(
            score, ops.GATv2Score(jnp.asarray(params.vector), negative_slope, edge)
        )
    attention = attend(
        query,
        key,
        value,
        graph,
        score=kernel,
        bias=bias,
        normalizer=normalizer,
        layout=layout,
        dropout_rate=dropout_rate,
        dropout_key=dropout_key,
        implementation=implementation,
    )
    out = add_output_bias(combine_heads(attention.out, concat), params.bias)
    return finish(graph, out, attention, return_attention)


def _edge_term(weight: Array, graph: Any) -> Array:
    """W_e e per edge: `[E, H, C]`, or `[E, H]` for dot forms, in float32."""
    edges = read_edges(graph, weight.shape[0])
    return jnp.tensordot(
        edges,
        weight.astype(edges.dtype),
        axes=1,
        preferred_element_type=accumulation_dtype(edges.dtype),
    )
