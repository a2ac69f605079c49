"""Exphormer's sparse attention: channels of the dot product weighed by the edge."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from graphattn_jax import nn, ops
from graphattn_jax.attention._edge_modulated import (
    EdgeModulatedParams,
    edge_modulated_logits,
    init_edge_modulated,
    init_update,
    update,
)
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["ExphormerParams", "exphormer", "init_exphormer"]


class ExphormerParams(NamedTuple):
    """Arrays of an `exphormer` layer.

    score: maps of query, key and edge. value_weight `[D, H, C]` and its bias `[H, C]` or None. output: linear map of
    the heads side by side, or None.
    """

    score: EdgeModulatedParams
    value_weight: Array
    value_bias: Array | None
    output: nn.LinearParams | None


def init_exphormer(
    key: PRNGKey,
    in_features: int,
    channels: int,
    heads: int,
    edge_features: int,
    *,
    out_features: int | None = None,
    score: str = "standard",
    symmetric_init: bool = False,
    bias: bool = False,
) -> ExphormerParams:
    """Parameters of an `exphormer` layer.

    Args:
      key: typed PRNG key.
      in_features: D, width of the node features.
      channels: C, channels per head.
      heads: H.
      edge_features: D_e, width of the edge features.
      out_features: width of the output map; None = no output map, the layer gives the heads side by side.
      score: one of `SCORES`; see `exphormer`.
      symmetric_init: start with W_k = W_q (free to part in training), so that logits begin symmetric.
      bias: whether the maps have biases; that of the edges lets an edge without features have a score.

    Returns:
      `ExphormerParams`, float32, Glorot-uniform.

    Raises:
      ValueError: sizes that are not positive integers, unknown score.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.attention.init_exphormer(jax.random.key(0), 16, 8, 4, 5, out_features=32)
      >>> params.score.edge_weight.shape, params.output.weight.shape
      ((5, 4, 8), (32, 32))
    """
    k_score, k_update = jax.random.split(key)
    options = {"score": score, "symmetric_init": symmetric_init, "bias": bias}
    return ExphormerParams(
        score=init_edge_modulated(k_score, in_features, channels, heads, edge_features, **options),
        **init_update(k_update, in_features, channels, heads, out_features, bias),
    )


def exphormer(
    params: ExphormerParams,
    graph: Any,
    *,
    layout: Any = None,
    score: str = "standard",
    normalizer: str | ops.Normalizer = "softmax",
    bias: ArrayLike | None = None,
    temperature: float = 1.0,
    clamp: float | None = 5.0,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    implementation: str | None = None,
    return_attention: bool = False,
):
    """Transformer attention on a sparse pattern, where every edge weighs the channels of the dot product.

        a_ij = softmax_j( clamp( Σ_c (W_q x_i)_c (W_k x_j)_c (W_e e_ij)_c / √C ) + b_ij )
        x'_i = W_o ‖_h Σ_j a_ij W_v x_j

    with i the receiver and j the sender. `ga.graphs.exphormer_pattern` makes the pattern; edges of each kind need
    features of their own, since an edge with W_e e = 0 has the logit 0 whatever its ends are. The symmetric scores
    are so where the features of an edge equal those of its reverse.

    The authors' code divides by Σ_j + 10⁻⁶ and never applies its output map. Here the weights of a receiver sum to 1
    exactly, and there is an output map if `out_features` asked for one.

    Args:
      params: from `init_exphormer`, with the same `score`.
      graph: nodes `[N, D]`; edges `[E, D_e]`.
      layout: from `ga.graphs.layout`; optional, faster with it.
      score: "standard", "shared" (W_k = W_q), "symmetrized" (½ (s_ij + s_ji)), "cosine" or "pairwise" (symmetrized).
      normalizer: "softmax", "sigmoid", "post_hoc", "symmetric", "sinkhorn", or an options tuple of `ga.ops`.
      bias: `[E, H]` added to the logits, after the clamp.
      temperature: τ > 0 of the cosine score, whose Σ_c is then divided by τ, not √C.
      clamp: logits are cut to [-clamp, clamp]; None = not at all.
      dropout_rate: probability in [0, 1), on the attention weights.
      dropout_key: typed key, required when the rate is positive.
      implementation: see `ga.ops.edge_attention`; "xla" has no such score, None takes the fast one after it.
      return_attention: also return an `Attention`.

    Returns:
      The graph with new nodes, in the dtype of the old; with `return_attention`, `(graph, Attention)`.

    Raises:
      ValueError: features that do not fit the parameters, unknown options, dropout without a key.

    Cost: O(N D H C + E D_e H C) time; an [E, H, C] array is kept.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, 4, dtype=np.float32))
      >>> graph, kinds, _, _ = ga.graphs.exphormer_pattern(path)
      >>> graph = graph._replace(edges=np.eye(4, dtype=np.float32)[kinds])
      >>> params = ga.attention.init_exphormer(jax.random.key(0), 4, 8, 2, edge_features=4)
      >>> ga.attention.exphormer(params, graph).nodes.shape
      (4, 16)

    Source: Shirzad, Velingker, Venkatachalam, Sutherland, Sinop, "Exphormer: Sparse Transformers for Graphs",
      ICML 2023, arXiv:2303.06147; the score, with its clamp, is that of the authors' code.
    """
    logits = edge_modulated_logits(
        params.score,
        graph,
        score=score,
        temperature=temperature,
        clamp=clamp,
        layout=layout,
        implementation=implementation,
    )
    return update(
        params,
        graph,
        logits,
        bias=bias,
        normalizer=normalizer,
        layout=layout,
        dropout_rate=dropout_rate,
        dropout_key=dropout_key,
        implementation=implementation,
        return_attention=return_attention,
    )
