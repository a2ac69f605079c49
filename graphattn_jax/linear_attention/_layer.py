"""What all layers of linear attention are written with."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax._dtypes import wide
from graphattn_jax.graphs import PreparedGraph
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["LinearAttentionLayer", "QueryKeyValue"]


class QueryKeyValue(NamedTuple):
    """Linear maps `[D, H·C]` of the nodes to heads side by side."""

    query: nn.LinearParams
    key: nn.LinearParams
    value: nn.LinearParams


@dataclass(frozen=True, repr=False)
class LinearAttentionLayer(nn.Layer):
    """The choices that all layers of linear attention have; a layer adds its own.

    Args:
      channels: C per head; None = what makes the output as wide as the input.
      heads: H.
      use_bias: whether the maps have biases.
      implementation: of the sums over all pairs, see `ga.ops.kernel_sum`; None = chosen.
    """

    channels: int | None = None
    heads: int = 1
    _: KW_ONLY
    use_bias: bool = True
    implementation: str | None = None

    def __post_init__(self) -> None:
        if self.channels is not None:
            _checks.positive("channels", self.channels)
        _checks.positive("heads", self.heads)
        _checks.choice("use_bias", self.use_bias, (True, False))
        _checks.choice("implementation", self.implementation, (None, "xla", "reference"))

    def init(self, key: PRNGKey, in_features: int, edge_features: int | None = None) -> Any:
        """Parameters, float32, as `ga.nn.init_linear` starts them; `edge_features` are ignored."""
        _checks.positive("in_features", in_features)
        return self.init_maps(key, in_features, self.channels or in_features)

    def channels_of_each(self, in_features: int) -> int:
        """C where the heads stand side by side."""
        _checks.positive("in_features", in_features)
        if self.channels is None:
            _checks.divisible("in_features", in_features, self.heads, "heads")
        return self.channels or in_features // self.heads

    def init_maps(self, key: PRNGKey, in_features: int, channels: int) -> QueryKeyValue:
        """Of query, key and value, as `ga.nn.init_linear` starts them."""
        size = in_features, self.heads * channels
        keys = jax.random.split(key, 3)
        return QueryKeyValue(*(nn.init_linear(k, *size, bias=self.use_bias) for k in keys))

    def split_heads(self, params: nn.LinearParams, x: Any) -> Array:
        """A linear map to `[N, H, C]`, in the precision of sums."""
        out = wide(nn.linear(params, x))
        return out.reshape(out.shape[0], self.heads, out.shape[1] // self.heads)

    def kernel_sum(self, query: Array, key: Array, value: Array, rows: Rows) -> Array:
        """`ops.kernel_sum` with the choices of this layer."""
        how = self.implementation
        return ops.kernel_sum(query, key, value, rows.sizes, where=rows.where, implementation=how)

    def linear_attention(self, query: Array, key: Array, value: Array, rows: Rows) -> Array:
        """`ops.linear_attention` with the choices of this layer."""
        how = self.implementation
        return ops.linear_attention(
            query, key, value, rows.sizes, where=rows.where, implementation=how
        )


class Rows(NamedTuple):
    """Which nodes share a graph: how many each graph has, the graph of each, and which are real (None = all)."""

    sizes: Any
    ids: Any
    where: Any

    @classmethod
    def of(cls, graph: Any) -> Rows:
        """Those of a graph or batch."""
        where = graphs.node_mask(graph) if graphs.is_padded(graph) else None
        return cls(graph.n_node, jnp.asarray(graphs.node_graph_ids(graph)), where)

    def sum(self, x: Array) -> Array:
        """The sum of the real rows of its graph, for every row."""
        return ops.take(ops.segment_sum(x, self.ids, self.num_graphs, where=self.where), self.ids)

    def max(self, x: Array) -> Array:
        """The maximum of the real rows of its graph, for every row; 0 in a graph without any."""
        return ops.take(ops.segment_max(x, self.ids, self.num_graphs, where=self.where), self.ids)

    @property
    def counts(self) -> Array:
        """`[N]`, of the real nodes of its graph, in float32."""
        return self.sum(jnp.ones(self.ids.shape, jnp.float32))

    @property
    def num_graphs(self) -> int:
        """G."""
        return self.sizes.shape[0]


def unit_norm(x: Array, rows: Rows) -> Array:
    """Rows `[N, H, C]` over the Frobenius norm of those of their graph, over all its nodes and heads."""
    square = rows.sum(jnp.sum(jnp.square(x), axis=(1, 2)))
    return (
        x * jnp.where(square > 0, 1 / jnp.sqrt(jnp.where(square > 0, square, 1)), 0)[:, None, None]
    )


def combine_heads(x: Array) -> Array:
    """`[N, H, C]` to `[N, H·C]`, heads side by side."""
    nodes, heads, channels = x.shape
    return x.reshape(nodes, heads * channels)


def attention_in_blocks(
    graph: Any, query: Array, key: Array, own: Array | None = None
) -> ops.Attention | None:
    """How nodes attend with weights ∝ q_i · k_j (+ own_i where j = i), where the graph has blocks; None elsewhere."""
    if not isinstance(graph, PreparedGraph) or graph.layout.blocks is None:
        return None
    blocks = graph.layout.blocks

    def compute() -> ops.Weights:
        q, k = (ops.to_blocks(x, blocks) for x in (query, key))
        kernel = jnp.einsum("bnhm,blhm->bhnl", q, k)
        if own is not None:
            diagonal = jnp.eye(q.shape[1], dtype=q.dtype)[None]
            kernel = kernel + (ops.to_blocks(own, blocks)[:, :, None] * diagonal)[:, None]
        pairs = blocks.mask[:, :, None] & blocks.mask[:, None, :]
        kernel = jnp.where(pairs[:, None], kernel, 0)
        total = kernel.sum(axis=-1, keepdims=True)
        weights = kernel / jnp.where(total == 0, 1, total)
        return ops.Weights(weights, weights, kernel)

    return ops.Attention(compute)
