"""SAN's attention: over all pairs of nodes, with a score of its own for the pairs that are no edges."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn
from graphattn_jax.attention._edge_modulated import EdgeModulated, EdgeModulatedParams
from graphattn_jax.attention._pipeline import check_params, check_switches
from graphattn_jax.graphs import pattern
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["SAN", "SANParams"]


class SANParams(NamedTuple):
    """Arrays of a `SAN` layer.

    real, fake: maps of query, key and edge, for the edges of the graph and for the other pairs; fake None if there are
    no others. value_weight `[D, H, C]` and its bias `[H, C]` or None. output: linear map of the heads side by side, or
    None.
    """

    real: EdgeModulatedParams
    fake: EdgeModulatedParams | None
    value_weight: Array
    value_bias: Array | None
    output: nn.LinearParams | None


@dataclass(frozen=True, repr=False)
class SAN(EdgeModulated):
    """Full attention that knows which pairs are edges, and how much the others count.

        l_ij = clamp( Σ_c (W_q x_i)_c (W_k x_j)_c (W_e e_ij)_c / √C ) + log 1 / (1 + γ)     (i, j) an edge
        l_ij = clamp( the same with maps W'_q, W'_k, W'_e ) + log γ / (1 + γ)               any other pair
        a_ij = softmax_j( l_ij + b_ij ),    x'_i = W_o ‖_h Σ_j a_ij W_v x_j

    with i the receiver and j the sender. So γ is a weight before the division by the sum, and works with every
    normalizer: γ = 0 leaves only the edges, γ = 1 counts all pairs alike. The pattern, and which pairs are edges, come
    from `ga.graphs.all_pairs`. A pair that is no edge needs features too, a learned vector say: with W'_e e = 0 its
    logit is log γ / (1 + γ) whatever its ends are. The symmetric scores are so where the features of an edge equal
    those of its reverse; `Pairwise` is symmetrized, and `Cosine` divides Σ_c by τ, not √C.

    The authors' code divides by Σ_j + 10⁻⁶; here the weights of a receiver sum to 1 exactly. Without the second maps
    it is `Exphormer`.

    Args:
      channels, heads, score, normalizer, dropout, symmetric_init, implementation: see `AttentionLayer`; the
        implementation "xla" has no such score, None takes the fast one after it.
      use_bias, output, clamp: see `Exphormer`.
      gamma: γ ≥ 0. 1e-5 to 0.1 in the paper's experiments.
      full: whether pairs that are no edges attend too, by maps of their own. False is the paper's sparse SAN.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D H C + E D_e H C) time with E = N² for all pairs; two [E, H, C] arrays are kept.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, 4, dtype=np.float32))
      >>> graph, edge_ids = ga.graphs.all_pairs(path, return_edge_ids=True)
      >>> inputs = ga.nn.EdgeInputs(features=np.ones((9, 1), np.float32), real=edge_ids >= 0)
      >>> graph = ga.graphs.prepare(graph._replace(edges=inputs))
      >>> layer = ga.attention.SAN(channels=8, heads=2, gamma=0.1)
      >>> params = layer.init(jax.random.key(0), in_features=4, edge_features=1)
      >>> jax.jit(layer.apply)(params, graph).graph.nodes.shape
      (3, 16)

    Source: Kreuzer, Beaini, Hamilton, Létourneau, Tossou, "Rethinking Graph Transformers with Spectral Attention",
      NeurIPS 2021, arXiv:2106.03893, the main graph transformer; the sum over both kinds of pairs in the denominator
      and the clamp are those of the authors' code.
    """

    _: KW_ONLY
    gamma: float = 1e-5
    full: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.number("gamma", self.gamma, zero=True)
        check_switches(self, "full")

    def init(self, key: PRNGKey, in_features: int, edge_features: int | None = None) -> SANParams:
        """Parameters, float32, Glorot-uniform but for the map `output` (`ga.nn.init_linear`); `edge_features` are
        needed. See `ga.nn.Layer.init`.
        """
        size = self.widths(in_features, edge_features)
        k_real, k_fake, k_update = jax.random.split(key, 3)
        return SANParams(
            real=self.init_score(k_real, size),
            fake=self.init_score(k_fake, size) if self.full else None,
            **self.init_update(k_update, size),
        )

    def apply(
        self,
        params: SANParams,
        graph: Any,
        *,
        bias: ArrayLike | None = None,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`; one edge per pair, `ga.nn.EdgeInputs(features [E, D_e], real [E])`, with `real` True
            for the edges of the graph. With `full=False` all are, and the features may be `graph.edges` themselves.
          bias: `[E, H]` added to the logits, after the clamp.
          training: whether there is dropout.
          key: typed key, required in training when the rate is positive.

        Returns:
          The graph with new nodes in the dtype of the old, and the attention. With γ = 0 a node without an edge gets 0,
          and pairs that are no edges have weight 0 and the logits of the first maps.

        Raises:
          ValueError: features that do not fit the parameters, no `real` with `full=True`, dropout without a key.
        """
        check_params(params, SANParams, self, fake=self.full, output=self.output is not False)
        edges = pattern(graph)
        logits = self.logits(params.real, graph, edges)
        dropout = nn.training_dropout(self.dropout, training, key)
        if params.fake is None:
            return self.update(params, graph, edges, logits, bias, dropout)
        if not isinstance(graph.edges, nn.EdgeInputs) or graph.edges.real is None:
            raise ValueError(
                "graph.edges must say which pairs are edges, for full=True. Fix: graph.edges = "
                "ga.nn.EdgeInputs(features, real=edge_ids >= 0) with the edge_ids of all_pairs, or SAN(full=False)."
            )
        real = graph.edges.real
        _checks.mask("graph.edges.real", real, edges.num_edges)
        if self.gamma == 0:
            edges = edges.where(real)
        else:
            others = self.logits(params.fake, graph, edges) + math.log(self.gamma)
            logits = jnp.where(jnp.asarray(real)[:, None], logits, others)
            logits = logits - math.log1p(self.gamma)
        return self.update(params, graph, edges, logits, bias, dropout)
