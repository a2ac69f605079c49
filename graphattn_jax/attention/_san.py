"""SAN's attention: over all pairs of nodes, with a score of its own for the pairs that are no edges."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax.attention._edge_modulated import (
    EdgeModulatedParams,
    edge_modulated_logits,
    init_edge_modulated,
    init_update,
    update,
)
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["SANParams", "init_san", "san"]


class SANParams(NamedTuple):
    """Arrays of a `san` layer.

    real, fake: maps of query, key and edge, for the edges of the graph and for the other pairs; fake None if there are
    no others. value_weight `[D, H, C]` and its bias `[H, C]` or None. output: linear map of the heads side by side, or
    None.
    """

    real: EdgeModulatedParams
    fake: EdgeModulatedParams | None
    value_weight: Array
    value_bias: Array | None
    output: nn.LinearParams | None


def init_san(
    key: PRNGKey,
    in_features: int,
    channels: int,
    heads: int,
    edge_features: int,
    *,
    full: bool = True,
    out_features: int | None = None,
    score: str = "standard",
    symmetric_init: bool = False,
    bias: bool = False,
) -> SANParams:
    """Parameters of a `san` layer.

    Args:
      key: typed PRNG key.
      in_features: D, width of the node features.
      channels: C, channels per head.
      heads: H.
      edge_features: D_e, width of the edge features.
      full: whether pairs that are no edges attend too, by maps of their own. False is the paper's sparse SAN.
      out_features: width of the output map; None = no output map, the layer gives the heads side by side.
      score: one of `SCORES`; see `san`.
      symmetric_init: start with W_k = W_q (free to part in training), so that logits begin symmetric.
      bias: whether the maps have biases.

    Returns:
      `SANParams`, float32, Glorot-uniform but for the map `output` (`ga.nn.init_linear`).

    Raises:
      ValueError: sizes that are not positive integers, unknown score.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.attention.init_san(jax.random.key(0), 16, 8, 4, 5)
      >>> params.fake.edge_weight.shape
      (5, 4, 8)
    """
    k_real, k_fake, k_update = jax.random.split(key, 3)
    sizes = (in_features, channels, heads, edge_features)
    options = {"score": score, "symmetric_init": symmetric_init, "bias": bias}
    return SANParams(
        real=init_edge_modulated(k_real, *sizes, **options),
        fake=init_edge_modulated(k_fake, *sizes, **options) if full else None,
        **init_update(k_update, in_features, channels, heads, out_features, bias),
    )


def san(
    params: SANParams,
    graph: Any,
    *,
    real: ArrayLike | None = None,
    gamma: float = 1e-5,
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
    """Full attention that knows which pairs are edges, and how much the others count.

        l_ij = clamp( Σ_c (W_q x_i)_c (W_k x_j)_c (W_e e_ij)_c / √C ) + log 1 / (1 + γ)     (i, j) an edge
        l_ij = clamp( the same with maps W'_q, W'_k, W'_e ) + log γ / (1 + γ)               any other pair
        a_ij = softmax_j( l_ij + b_ij ),    x'_i = W_o ‖_h Σ_j a_ij W_v x_j

    with i the receiver and j the sender. So γ is a weight before the division by the sum, and works with every
    normalizer: γ = 0 leaves only the edges, γ = 1 counts all pairs alike. `real` and the pattern come from
    `ga.graphs.all_pairs`. A pair that is no edge needs features too, a learned vector say: with W'_e e = 0 its logit
    is log γ / (1 + γ) whatever its ends are.

    The authors' code divides by Σ_j + 10⁻⁶; here the weights of a receiver sum to 1 exactly. Without the second maps
    it is `exphormer`.

    Args:
      params: from `init_san`, with the same `score`.
      graph: nodes `[N, D]`; edges `[E, D_e]`, one per pair.
      real: `[E]` bool, True = an edge of the graph; None without the second maps (`full=False`).
      gamma: γ ≥ 0, a Python number. 1e-5 to 0.1 in the paper's experiments.
      layout: from `ga.graphs.layout` of this pattern; optional, faster with it.
      score: "standard", "shared" (W_k = W_q), "symmetrized" (½ (s_ij + s_ji)), "cosine" or "pairwise" (symmetrized).
      normalizer: "softmax", "sigmoid", "post_hoc", "symmetric", "sinkhorn", or an options tuple of `ga.ops`.
      bias: `[E, H]` added to the logits, after the clamp.
      temperature: τ > 0 of the cosine score, whose Σ_c is then divided by τ, not √C.
      clamp: scores are cut to [-clamp, clamp]; None = not at all.
      dropout_rate: probability in [0, 1), on the attention weights.
      dropout_key: typed key, required when the rate is positive.
      implementation: see `ga.ops.edge_attention`; "xla" has no such score, None takes the fast one after it.
      return_attention: also return an `Attention`.

    Returns:
      The graph with new nodes, in the dtype of the old; with `return_attention`, `(graph, Attention)`. With γ = 0 a
      node without an edge gets 0, and pairs that are no edges have weight 0 and the logits of the first maps.

    Raises:
      ValueError: features that do not fit the parameters, unknown options, γ negative, dropout without a key, `real`
        missing or given in vain.

    Cost: O(N D H C + E D_e H C) time with E = N² for all pairs; two [E, H, C] arrays are kept.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, 4, dtype=np.float32))
      >>> graph, edge_ids = ga.graphs.all_pairs(path, return_edge_ids=True)
      >>> graph = graph._replace(edges=np.ones((9, 1), np.float32))
      >>> params = ga.attention.init_san(jax.random.key(0), 4, 8, 2, edge_features=1)
      >>> ga.attention.san(params, graph, real=edge_ids >= 0, gamma=0.1).nodes.shape
      (3, 16)

    Source: Kreuzer, Beaini, Hamilton, Létourneau, Tossou, "Rethinking Graph Transformers with Spectral Attention",
      NeurIPS 2021, arXiv:2106.03893, the main graph transformer; the sum over both kinds of pairs in the denominator
      and the clamp are those of the authors' code.
    """
    if (params.fake is None) != (real is None):
        raise ValueError(
            "real says which pairs are edges, for parameters with full=True; got "
            + ("full=False and real=." if params.fake is None else "full=True without it.")
            + " Fix: full=True with real=edge_ids >= 0 of all_pairs, or full=False without."
        )
    if not 0 <= gamma < math.inf:
        raise ValueError(f"gamma must be a number in [0, inf), got {gamma!r}.")
    options = {
        "score": score,
        "temperature": temperature,
        "clamp": clamp,
        "layout": layout,
        "implementation": implementation,
    }
    logits = edge_modulated_logits(params.real, graph, **options)
    where = None
    if params.fake is not None and real is not None:
        _checks.mask("real", real, logits.shape[0])
        if gamma == 0:
            where = real
        else:
            others = edge_modulated_logits(params.fake, graph, **options)
            logits = jnp.where(jnp.asarray(real)[:, None], logits, others + math.log(gamma))
            logits = logits - math.log1p(gamma)
    return update(
        params,
        graph,
        logits,
        bias=bias,
        where=where,
        normalizer=normalizer,
        layout=layout,
        dropout_rate=dropout_rate,
        dropout_key=dropout_key,
        implementation=implementation,
        return_attention=return_attention,
    )
