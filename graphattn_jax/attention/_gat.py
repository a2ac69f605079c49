"""GAT: additive attention with one linear map of the nodes."""

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
from graphattn_jax.nn._arrays import product, read_edges, read_sparse_nodes
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GATParams", "gat", "init_gat"]


class GATParams(NamedTuple):
    """Arrays of a `gat` layer.

    weight `[D, H, C]`: W. receiver_vector `[H, C]`: a₁. sender_vector `[H, C]`: a₂, None if both ends share a₁.
    edge_weight `[D_e, H]`: the edge term of the score, or None. pairwise `[H, C, C]`: for score="pairwise".
    bias `[H·C]` or `[C]`: added to the output, or None.
    """

    weight: Array
    receiver_vector: Array | None
    sender_vector: Array | None
    edge_weight: Array | None
    pairwise: Array | None
    bias: Array | None


def init_gat(
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
) -> GATParams:
    """Parameters of a `gat` layer.

    Args:
      key: typed PRNG key.
      in_features: D, width of the node features.
      channels: C, output channels per head.
      heads: H.
      edge_features: D_e, width of the edge features, or None for none.
      score: one of `SCORES`; see `gat`.
      symmetric_init: start with a₂ = a₁ (free to part in training), so that logits begin symmetric.
      concat: whether `gat` will be called with `concat=True`; sizes the bias.
      bias: whether to add a bias.

    Returns:
      `GATParams`, float32, Glorot-uniform as in the reference implementation.

    Raises:
      ValueError: sizes that are not positive integers, unknown score.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.attention.init_gat(jax.random.key(0), 16, 8, heads=4).weight.shape
      (16, 4, 8)
    """
    for name, size in (("in_features", in_features), ("channels", channels), ("heads", heads)):
        _checks.positive(name, size)
    k_weight, k_receiver, k_sender, k_edge = jax.random.split(key, 4)
    glorot = partial(nn.initializer("glorot_uniform"), dtype=jnp.float32)
    receiver = glorot(k_receiver, (heads, channels))
    sender = receiver if symmetric_init else glorot(k_sender, (heads, channels))
    no_vectors = _scores.is_dot_form(score)
    edge_weight = None
    if edge_features is not None:
        _checks.positive("edge_features", edge_features)
        edge_weight = glorot(k_edge, (edge_features, heads))
    return GATParams(
        weight=glorot(k_weight, (in_features, heads * channels)).reshape(-1, heads, channels),
        receiver_vector=None if no_vectors else receiver,
        sender_vector=None if _scores.is_tied(score) else sender,
        edge_weight=edge_weight,
        pairwise=_scores.identity_pairwise(score, heads, channels),
        bias=jnp.zeros(heads * channels if concat else channels, jnp.float32) if bias else None,
    )


def gat(
    params: GATParams,
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
    """Graph attention network layer.

        a_ij = softmax_j( LeakyReLU( a₁·W x_i + a₂·W x_j + u·e_ij ) ),    x'_i = ‖_h Σ_j a_ij W x_j + b

    with i the receiver and j the sender. Where the paper writes a for the concatenation, ours is a = [a₁ ‖
    a₂]; the edge term is the product of PyG's edge projection and edge attention vector. Attention runs
    over the graph's edges as they are: add self-loops with `ga.graphs.add_self_loops` for the paper's
    setting.

    Args:
      params: from `init_gat`, with the same `score`.
      graph: nodes `[N, D]` or `SparseFeatures`; edges `[E, D_e]` if the parameters have an edge term, else anything.
      layout: from `ga.graphs.layout`; optional, faster with it.
      score: "standard", "shared" (a₂ = a₁), "symmetrized", "cosine" or "pairwise" (on the features W x).
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

    Cost: O(N D H C + E H C) time.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 0], nodes=np.eye(3, 4, dtype=np.float32))
      >>> params = ga.attention.init_gat(jax.random.key(0), 4, 8, heads=2)
      >>> out, attention = ga.attention.gat(params, graph, return_attention=True)
      >>> out.nodes.shape, attention.weights.shape
      ((3, 16), (3, 2))

    Source: Veličković et al., "Graph Attention Networks", ICLR 2018, arXiv:1710.10903, equations 3 to 6.
    """
    _scores.check_params(score, params, second="sender_vector", vector="receiver_vector")
    x = project(read_sparse_nodes(graph, params.weight.shape[0]), params.weight)
    edge = None if params.edge_weight is None else _edge_term(params.edge_weight, graph)
    if _scores.is_dot_form(score):
        query, key, kernel = _scores.dot_form(score, x, params.pairwise, temperature)
        bias = add_bias(bias, edge)
    else:
        query = _along(x, params.receiver_vector)
        key = query if _scores.is_tied(score) else _along(x, params.sender_vector)
        kernel = _scores.native(score, ops.AdditiveScore(negative_slope, edge))
    attention = attend(
        query,
        key,
        x,
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


def _along(x: Array, vector: Array | None) -> Array:
    """Σ_c x[n, h, c] a[h, c] in float32."""
    wide = accumulation_dtype(x.dtype)
    return jnp.einsum("nhc,hc->nh", x.astype(wide), jnp.asarray(vector).astype(wide))


def _edge_term(weight: Array, graph: Any) -> Array:
    """The edge term u · e of the score: `[E, H]` in float32."""
    return product(read_edges(graph, weight.shape[0]), weight)
