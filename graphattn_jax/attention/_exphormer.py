"""Exphormer's sparse attention: channels of the dot product weighed by the edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from graphattn_jax import nn
from graphattn_jax.attention._edge_modulated import EdgeModulated, EdgeModulatedParams
from graphattn_jax.attention._pipeline import check_params
from graphattn_jax.graphs import pattern
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["Exphormer", "ExphormerParams"]


class ExphormerParams(NamedTuple):
    """Arrays of an `Exphormer` layer.

    score: maps of query, key and edge. value_weight `[D, H, C]` and its bias `[H, C]` or None. output: linear map of
    the heads side by side, or None.
    """

    score: EdgeModulatedParams
    value_weight: Array
    value_bias: Array | None
    output: nn.LinearParams | None


@dataclass(frozen=True, repr=False)
class Exphormer(EdgeModulated):
    """Transformer attention on a sparse pattern, where every edge weighs the channels of the dot product.

        a_ij = softmax_j( clamp( Σ_c (W_q x_i)_c (W_k x_j)_c (W_e e_ij)_c / √C ) + b_ij )
        x'_i = W_o ‖_h Σ_j a_ij W_v x_j

    with i the receiver and j the sender. `ga.graphs.exphormer_pattern` makes the pattern; edges of each kind need
    features of their own, since an edge with W_e e = 0 has the logit 0 whatever its ends are. The symmetric scores
    are so where the features of an edge equal those of its reverse; `Pairwise` is symmetrized, and `Cosine` divides
    Σ_c by τ, not √C.

    The authors' code divides by Σ_j + 10⁻⁶ and never applies its output map. Here the weights of a receiver sum to 1
    exactly, and there is an output map if `output` asks for one.

    Args:
      channels, heads, score, normalizer, dropout, symmetric_init, implementation: see `AttentionLayer`; the
        implementation "xla" has no such score, None takes the fast one after it.
      use_bias: whether the maps have biases; that of the edges lets an edge without features have a score.
      output: False = no map W_o, the heads side by side; True = one to the width of the input; an integer = one to
        that width.
      clamp: scores are cut to [-clamp, clamp]; None = not at all. The bias is added after it.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D H C + E D_e H C) time; an [E, H, C] array is kept.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, 4, dtype=np.float32))
      >>> graph, kinds, _, _ = ga.graphs.exphormer_pattern(path)
      >>> graph = graph._replace(edges=np.eye(4, dtype=np.float32)[kinds])
      >>> layer = ga.attention.Exphormer(channels=8, heads=2)
      >>> params = layer.init(jax.random.key(0), in_features=4, edge_features=4)
      >>> jax.jit(layer.apply)(params, ga.graphs.prepare(graph)).graph.nodes.shape
      (4, 16)

    Source: Shirzad, Velingker, Venkatachalam, Sutherland, Sinop, "Exphormer: Sparse Transformers for Graphs",
      ICML 2023, arXiv:2303.06147; the score, with its clamp, is that of the authors' code.
    """

    def init(
        self, key: PRNGKey, in_features: int, edge_features: int | None = None
    ) -> ExphormerParams:
        """Parameters, float32, Glorot-uniform but for the map `output` (`ga.nn.init_linear`); `edge_features` are
        needed. See `ga.nn.Layer.init`.
        """
        size = self.widths(in_features, edge_features)
        k_score, k_update = jax.random.split(key)
        return ExphormerParams(
            score=self.init_score(k_score, size), **self.init_update(k_update, size)
        )

    def apply(
        self,
        params: ExphormerParams,
        graph: Any,
        *,
        bias: ArrayLike | None = None,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`; edges `[E, D_e]`.
          bias: `[E, H]` added to the logits, after the clamp.
          training: whether there is dropout.
          key: typed key, required in training when the rate is positive.

        Returns:
          The graph with new nodes in the dtype of the old, and the attention.

        Raises:
          ValueError: features that do not fit the parameters, dropout without a key.
        """
        check_params(params, ExphormerParams, self, output=self.output is not False)
        edges = pattern(graph)
        logits = self.logits(params.score, graph, edges)
        dropout = nn.training_dropout(self.dropout, training, key)
        return self.update(params, graph, edges, logits, bias, dropout)
