"""Softmax attention of all nodes of a graph in linear time, by random features."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax

from graphattn_jax import _checks, nn
from graphattn_jax.linear_attention._layer import (
    LinearAttentionLayer,
    QueryKeyValue,
    Rows,
    attention_in_blocks,
    combine_heads,
)
from graphattn_jax.linear_attention._random_features import orthogonal_projection, softmax_features
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["Performer", "PerformerParams"]


class PerformerParams(NamedTuple):
    """maps: to query, key and value. output: of the heads side by side, or None."""

    maps: QueryKeyValue
    output: nn.LinearParams | None


@dataclass(frozen=True, repr=False)
class Performer(LinearAttentionLayer):
    """The transformer's attention among all nodes of each graph, estimated in linear time (FAVOR+).

        a_ij ∝ φ(q_i) · φ(k_j) ≈ exp( q_i · k_j / √C ),    x'_i = W_o ‖_h Σ_j a_ij v_j
        φ(x)_m = exp( w_m · x / C^¼ − ½ |x|² / √C ) / √M

    with j over the nodes of i's graph, i among them, and M random directions w_m. The estimates of the exponentials are
    positive and unbiased, and off by about √(e^{|q + k|² / √C} / M) of their size: more features for larger logits.
    The edges of the graph are not read. Exponents are taken relative to the largest of the row (queries) or of the
    graph (keys), which cancels; 1e-6 of the largest feature is added to each.

    The directions follow from `seed`: the same in every call, saved with the layer, and no parameters, which weight
    decay would shrink. `redraw=True` draws new ones from the key of every training step.

    Args:
      channels, heads, use_bias, implementation: see `LinearAttentionLayer`.
      features: M per head; None = C log C.
      seed: of the directions.
      redraw: whether training draws new directions, from its key.
      output: False = no map W_o; True = one to the width of the input; an integer = one to that width.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D H C + N H M C) time, O(N H (M + C)) memory; nothing of size N².
    Padding: exact on real nodes, values and gradients; nothing of other graphs of a batch is heard.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, 4, dtype=np.float32))
      >>> layer = ga.linear_attention.Performer(heads=2, features=16, output=True)
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> jax.jit(layer.apply)(params, graph).graph.nodes.shape
      (3, 4)

    Source: Choromanski et al., "Rethinking Attention with Performers", ICLR 2021, arXiv:2009.14794, equation 5 and
      section 2.4.
    """

    _: KW_ONLY
    features: int | None = None
    seed: int = 0
    redraw: bool = False
    output: bool | int = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.features is not None:
            _checks.positive("features", self.features)
        check_seed(self.seed)
        _checks.choice("redraw", self.redraw, (True, False))
        if not isinstance(self.output, bool):
            _checks.positive("output", self.output)

    def init(
        self, key: PRNGKey, in_features: int, edge_features: int | None = None
    ) -> PerformerParams:
        """Parameters, float32, as `ga.nn.init_linear` starts them; `edge_features` are ignored."""
        channels = self.channels_of_each(in_features)
        k_maps, k_output = jax.random.split(key)
        output = None
        if self.output is not False:
            width = in_features if self.output is True else self.output
            output = nn.init_linear(k_output, self.heads * channels, width, bias=self.use_bias)
        return PerformerParams(self.init_maps(k_maps, in_features, channels), output)

    def apply(
        self,
        params: PerformerParams,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`, an array or `SparseFeatures`.
          training: whether directions are redrawn, with `redraw`.
          key: typed key, required in training with `redraw`.

        Returns:
          The graph with new nodes in the dtype of the old. The attention, estimated weights, in blocks of a graph that
          has them (`ga.graphs.prepare(graph, block_size=n)`), with φ(q) · φ(k) for logits; None elsewhere.

        Raises:
          ValueError: features that do not fit the parameters, redrawing without a key.
        """
        _checks.params(params, PerformerParams, self)
        nodes = nn.read_nodes(graph, params.maps.query.weight.shape[0], allow_sparse=True)
        rows = Rows.of(graph)
        query, keys, value = (self.split_heads(x, nodes) for x in params.maps)
        scale = query.shape[-1] ** -0.25
        projection = directions(self, query.shape[-1], training, key).astype(query.dtype)
        query, keys = softmax_features(scale * query, scale * keys, projection, rows)
        out = self.linear_attention(query, keys, value, rows)
        out = combine_heads(out).astype(nodes.dtype)
        if params.output is not None:
            out = nn.linear(params.output, out)
        return nn.LayerOutput(nn.with_nodes(graph, out), attention_in_blocks(graph, query, keys))


def check_seed(seed: Any) -> None:
    """A number that a key is made of."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be an integer, not negative, got {_checks.describe(seed)}.")


def directions(layer: Any, channels: int, training: bool, key: Array | None) -> Array:
    """`[H, M, C]`, of the seed of the layer, or of the key where it redraws them in training."""
    features = layer.features or max(1, round(channels * math.log(channels)))
    size = layer.heads, features, channels
    if training and layer.redraw:
        if key is None:
            raise ValueError(
                "redraw=True draws directions and needs key= in training. Fix: key=jax.random.key(seed), a new one at "
                "every step, or redraw=False."
            )
        return orthogonal_projection(key, *size)
    # A constant of the program, whatever it is traced in.
    with jax.ensure_compile_time_eval():
        return orthogonal_projection(jax.random.key(layer.seed), *size)
