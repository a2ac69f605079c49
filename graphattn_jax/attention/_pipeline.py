"""What every attention layer is written with, around the ops of `ga.ops`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.attention._scores import Score, Standard, check_score
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["AttentionLayer", "combine_heads", "project"]


def project(
    x: Array | ops.SparseFeatures, weight: ArrayLike, bias: ArrayLike | None = None
) -> Array:
    """Per-head linear map x W (+ b): `[N, D]` and `[D, H, C]` to `[N, H, C]`, in the dtype of `x`.

    Args:
      x: `[N, D]`, an array or `SparseFeatures`.
      weight: `[D, H, C]`.
      bias: `[H, C]` or None.

    Returns:
      `[N, H, C]`, accumulated in float32.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.attention.project(jnp.ones((2, 3)), jnp.ones((3, 4, 5))).shape
      (2, 4, 5)
    """
    weight = jnp.asarray(weight)
    depth, heads, channels = weight.shape
    flat = ops.matmul(x, weight.reshape(depth, heads * channels))
    out = flat.reshape(x.shape[0], heads, channels)
    if bias is not None:
        out = out + jnp.asarray(bias).astype(out.dtype)[None]
    return out.astype(x.dtype)


def split_heads(x: Array, heads: int) -> Array:
    """`[N, H·C]` to `[N, H, C]`."""
    return x.reshape(x.shape[0], heads, x.shape[1] // heads)


def combine_heads(x: Array, concat: bool) -> Array:
    """`[N, H, C]` to `[N, H·C]`, or to the mean over heads `[N, C]`.

    Args:
      x: `[N, H, C]`.
      concat: True = side by side, False = mean.

    Returns:
      `[N, H·C]` or `[N, C]` in the dtype of `x`.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.attention.combine_heads(jnp.ones((2, 4, 5)), True).shape
      (2, 20)
    """
    if concat:
        nodes, heads, channels = x.shape
        return x.reshape(nodes, heads * channels)
    return x.mean(axis=1, dtype=accumulation_dtype(x.dtype)).astype(x.dtype)


class Widths(NamedTuple):
    """Of the inputs of an attention layer; edges None without. channels per head."""

    senders: int
    receivers: int
    edges: int | None
    channels: int


@dataclass(frozen=True, repr=False)
class AttentionLayer(nn.Layer):
    """The choices that all attention layers have; a layer adds its own.

    Args:
      channels: C per head; None = as many as make H·C the width of the receivers.
      heads: H.
      score: `Standard`, `Shared`, `Symmetrized`, `Cosine`, `Pairwise`, or one of your own (`Score`).
      normalizer: `ga.ops.Softmax`, `Sigmoid`, `PostHoc`, `Symmetric`, `Sinkhorn`, or one of your own.
      dropout: probability in [0, 1), on the attention weights.
      symmetric_init: both projections of the score start equal (free to part in training), so that logits begin
        symmetric.
      use_bias: whether the maps have biases.
      implementation: of the op, see `ga.ops.edge_attention`; None = chosen.
    """

    channels: int | None = None
    heads: int = 1
    _: KW_ONLY
    score: Score = Standard()
    normalizer: ops.Normalizer = ops.Softmax()
    dropout: float = 0.0
    symmetric_init: bool = False
    use_bias: bool = True
    implementation: str | None = None

    implementations: ClassVar[Iterable[str]] = tuple(ops.IMPLEMENTATIONS)
    """What `implementation` may be."""

    def __post_init__(self) -> None:
        if self.channels is not None:
            _checks.positive("channels", self.channels)
        _checks.positive("heads", self.heads)
        check_score(self.score)
        ops.check_normalizer(self.normalizer)
        constrained = getattr(self.normalizer, "heads", None)
        if constrained is not None and len(constrained) != self.heads:
            raise ValueError(
                f"normalizer.heads must have one bool for each of heads={self.heads}, got {constrained}."
            )
        _checks.rate("dropout", self.dropout)
        check_switches(self, "symmetric_init", "use_bias")
        if self.implementation is not None:
            _checks.choice("implementation", self.implementation, self.implementations)

    @abstractmethod
    def apply(
        self,
        params: Any,
        graph: Any,
        *,
        bias: ArrayLike | None = None,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer; `bias` is added to its logits."""

    def widths(
        self, in_features: int | tuple[int, int], edge_features: int | None = None
    ) -> Widths:
        """The sizes of the parameters for these inputs."""
        senders, receivers = nn.widths_of_ends(in_features)
        if edge_features is not None:
            _checks.positive("edge_features", edge_features)
        if senders != receivers and (self.score.is_tied or self.symmetric_init):
            raise ValueError(
                f"{self} has one projection for both ends, and needs them equally wide, got "
                f"in_features={in_features}. Fix: score=Standard() and symmetric_init=False."
            )
        if self.channels is None:
            _checks.divisible("in_features", receivers, self.heads, "heads")
        return Widths(senders, receivers, edge_features, self.channels or receivers // self.heads)

    def attend(
        self,
        query: Array,
        key: Array,
        value: Array,
        edges: ops.Edges,
        score: ops.Score,
        dropout: ops.Dropout | None,
    ) -> ops.EdgeAttention:
        """`ops.edge_attention` with the choices of this layer."""
        return ops.edge_attention(
            query,
            key,
            value,
            edges,
            score=score,
            normalizer=self.normalizer,
            dropout=dropout,
            implementation=self.implementation,
        )

    def scores(self, query: Array, key: Array, edges: ops.Edges, score: ops.Score) -> Array:
        """`ops.edge_scores` with the choices of this layer."""
        return ops.edge_scores(query, key, edges, score=score, implementation=self.implementation)

    def attend_from_logits(
        self, logits: Array, value: Array, edges: ops.Edges, dropout: ops.Dropout | None
    ) -> ops.EdgeAttention:
        """`ops.attend_from_logits` with the choices of this layer."""
        return ops.attend_from_logits(
            logits,
            value,
            edges,
            normalizer=self.normalizer,
            dropout=dropout,
            implementation=self.implementation,
        )


# --- choices ------------------------------------------------------------------------------------------------


def check_switches(layer: Any, *names: str) -> None:
    """Fields that are True or False."""
    for name in names:
        if not isinstance(getattr(layer, name), bool):
            raise ValueError(f"{name} must be True or False, got {getattr(layer, name)!r}.")


def check_clamp(value: Any) -> None:
    """Where logits are cut, None for nowhere."""
    if value is not None:
        _checks.number("clamp", value, zero=False)


def check_output(value: Any) -> None:
    """False, True or a width."""
    if not isinstance(value, bool):
        _checks.positive("output", value)


# --- parameters ---------------------------------------------------------------------------------------------


def check_params(params: Any, want: type, layer: Any, **parts: bool) -> None:
    """Parameters of this layer: of its type, with parts (not None) just where its choices want them."""
    _checks.params(params, want, layer)
    for name, is_wanted in parts.items():
        if (getattr(params, name) is not None) != is_wanted:
            state = "None" if is_wanted else "given"
            raise ValueError(
                f"params are not those of {layer}: {name} is {state}. Fix: params = layer.init(key, ...) of this layer."
            )


def check_bias(bias: ArrayLike | None, graph: Any, heads: int) -> None:
    """A number per edge and head, by the name that the caller of a layer knows."""
    if bias is not None:
        _checks.shape("bias", bias, (graph.senders.shape[0], heads))
        _checks.floating("bias", bias)


def needed_edges(layer: Any, edge_features: int | None) -> int:
    """`edge_features` of a layer that is nothing without them."""
    if edge_features is None:
        raise ValueError(
            f"{layer} reads edge features. Fix: layer.init(key, in_features, edge_features=their width)."
        )
    return edge_features


def init_projection(
    key: PRNGKey, depth: int, heads: int, channels: int, init: str = "glorot_uniform"
) -> Array:
    """`[D, H, C]`, as one map to all heads."""
    flat = partial(nn.initializer(init), dtype=jnp.float32)(key, (depth, heads * channels))
    return flat.reshape(depth, heads, channels)


def init_head_bias(layer: Any, channels: int) -> Array | None:
    """`[H, C]`, of a projection."""
    return jnp.zeros((layer.heads, channels), jnp.float32) if layer.use_bias else None


def init_output(key: PRNGKey, layer: Any, width: int, in_features: int) -> nn.LinearParams | None:
    """The map of the heads side by side that `layer.output` asks for."""
    if layer.output is False:
        return None
    out_features = in_features if layer.output is True else layer.output
    return nn.init_linear(key, width, out_features, bias=layer.use_bias)


def init_output_bias(layer: Any, channels: int) -> Array | None:
    """Of the combined heads."""
    if not layer.use_bias:
        return None
    return jnp.zeros(layer.heads * channels if layer.concat else channels, jnp.float32)


# --- parts of a layer ---------------------------------------------------------------------------------------


def edge_term(weight: ArrayLike, graph: Any, bias: ArrayLike | None = None) -> Array:
    """W_e e (+ b) of the edge features of a graph."""
    return weighted_edges(nn.read_edges(graph, weight.shape[0]), weight, bias)


def weighted_edges(edges: Array, weight: ArrayLike, bias: ArrayLike | None = None) -> Array:
    """W_e e (+ b) per edge, `[E, H, C]` or `[E, H]`, in float32."""
    wide = accumulation_dtype(edges.dtype)
    weight = jnp.asarray(weight).astype(edges.dtype)
    out = jnp.tensordot(edges, weight, axes=1, preferred_element_type=wide)
    return out if bias is None else out + jnp.asarray(bias).astype(wide)[None]


def add_output_bias(out: Array, bias: ArrayLike | None) -> Array:
    """The layer's own bias on its combined heads."""
    if bias is None:
        return out
    _checks.shape("params.bias", bias, out.shape[1:])
    return out + jnp.asarray(bias).astype(out.dtype)[None]


def clamped(logits: Array, clamp: float | None) -> Array:
    """Cut to [-clamp, clamp]."""
    return logits if clamp is None else jnp.clip(logits, -clamp, clamp)


def finish(graph: Any, out: Array, attention: ops.Attention) -> nn.LayerOutput:
    """The graph with new node features, and how it attended."""
    return nn.LayerOutput(nn.with_nodes(graph, out), attention)
