"""Which attention a network uses: a layer and its choices at the four seams, as one hashable value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from graphattn_jax import _checks, attention, ops
from graphattn_jax.attention._pipeline import add_bias
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["AttentionSpec"]

_LAYERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "gat": (attention.init_gat, attention.gat),
    "gatv2": (attention.init_gatv2, attention.gatv2),
    "graph_transformer": (attention.init_graph_transformer, attention.graph_transformer),
}


class AttentionLayerParams(NamedTuple):
    """Parameters of the layer, and its table `[num_buckets, H]` of relative biases or None."""

    layer: Any
    relative: Array | None


@dataclass(frozen=True)
class AttentionSpec:
    """An attention layer by name, with its score and normalizer.

    Args:
      layer: "gat", "gatv2" or "graph_transformer".
      score: one of `ga.attention.SCORES`.
      normalizer: "softmax", "sigmoid", "post_hoc", "symmetric" or "sinkhorn".
      sinkhorn_iterations: steps of the Sinkhorn normalizer.
      symmetric_init: start with both ends' projections equal.
      temperature: τ of the cosine score.
      relative_buckets: rows of a learned bias per edge bucket, 0 for none; the network then needs `buckets=`.

    Raises:
      ValueError: unknown options (lists the valid ones).

    Example:
      >>> import graphattn_jax as ga
      >>> ga.models.AttentionSpec("gatv2", normalizer="sinkhorn").score
      'standard'
    """

    layer: str = "gat"
    score: str = "standard"
    normalizer: str = "softmax"
    sinkhorn_iterations: int = 20
    symmetric_init: bool = False
    temperature: float = 1.0
    relative_buckets: int = 0

    def __post_init__(self) -> None:
        _checks.choice("layer", self.layer, _LAYERS)
        _checks.choice("score", self.score, attention.SCORES)
        _checks.choice("normalizer", self.normalizer, ops.NORMALIZERS)
        _checks.positive("sinkhorn_iterations", self.sinkhorn_iterations)

    def init(
        self, key: PRNGKey, in_features: int, channels: int, heads: int, **options: Any
    ) -> AttentionLayerParams:
        """Parameters of one layer; `options` go to the layer's own init."""
        init, _ = _LAYERS[self.layer]
        layer = init(
            key,
            in_features,
            channels,
            heads,
            score=self.score,
            symmetric_init=self.symmetric_init,
            **options,
        )
        relative = None
        if self.relative_buckets:
            table_key = jax.random.fold_in(key, 1)
            relative = attention.init_relative_bias(table_key, self.relative_buckets, heads)
        return AttentionLayerParams(layer, relative)

    def apply(
        self,
        params: AttentionLayerParams,
        graph: Any,
        *,
        buckets: ArrayLike | None,
        bias: ArrayLike | None = None,
        **options: Any,
    ) -> tuple[Any, attention.Attention]:
        """One layer: the graph with new nodes, and how it attended."""
        if (params.relative is None) != (buckets is None):
            raise ValueError(
                f"relative_buckets={self.relative_buckets} "
                + ("needs buckets=, one id per edge." if buckets is None else "takes no buckets=.")
                + " Fix: give both or neither."
            )
        _, layer = _LAYERS[self.layer]
        if params.relative is not None and buckets is not None:
            bias = add_bias(bias, attention.relative_bias(params.relative, buckets))
        normalizer: str | ops.Normalizer = self.normalizer
        if normalizer == "sinkhorn":
            normalizer = ops.Sinkhorn(iterations=self.sinkhorn_iterations)
        return layer(
            params.layer,
            graph,
            score=self.score,
            temperature=self.temperature,
            normalizer=normalizer,
            bias=bias,
            return_attention=True,
            **options,
        )
