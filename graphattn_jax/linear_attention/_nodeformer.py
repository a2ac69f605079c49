"""The attention of NodeFormer: estimated softmax with Gumbel noise, and a bias towards the edges."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax.linear_attention._layer import (
    LinearAttentionLayer,
    QueryKeyValue,
    Rows,
    combine_heads,
)
from graphattn_jax.linear_attention._performer import check_seed, directions
from graphattn_jax.linear_attention._propagation import neighbour_sum
from graphattn_jax.linear_attention._random_features import softmax_features
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["NodeFormerAttention", "NodeFormerAttentionParams", "edge_regularization"]


class NodeFormerAttentionParams(NamedTuple):
    """maps: to query, key and value. bias: `[H]`, b before its sigmoid, or None. output: map `[H·C, C]`."""

    maps: QueryKeyValue
    bias: Array | None
    output: nn.LinearParams


@dataclass(frozen=True, repr=False)
class NodeFormerAttention(LinearAttentionLayer):
    """Attention of all nodes of a graph as a graph that is sampled in training, next to the graph that is given.

        a_ij ∝ φ(q_i / √τ) · φ(k_j / √τ) exp(g_j / τ) ≈ exp( (q_i · k_j / √C + g_j) / τ )
        z_i  = mean over S samples of g of Σ_j a_ij v_j + σ(b) Σ_{j → i} v_j / √(d_i d_j),    x'_i = W_o ‖_h z_i

    with j over the nodes of i's graph, φ as in `Performer`, and g Gumbel noise per sender and head, in training only:
    one draw for all receivers, which is what keeps it linear. (Second sum: over the incoming edges, d_i the in-degree
    of i, d_j the out-degree of j; the layer adds no self-loops.) `edge_regularization` of the attention is the second
    loss of the authors.

    Args:
      channels, heads, use_bias, implementation: see `LinearAttentionLayer`. The output is C wide: None = D.
      features: M, random features per head.
      temperature: τ.
      samples: S in training; 0 = no noise.
      relational: whether to add the sum over neighbours.
      seed, redraw: of the directions of φ, see `Performer`.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D H C + N H M C S + E H C) time, O(N H (M + C S)) memory; nothing of size N². In evaluation S = 1.
    Padding: exact on real nodes, values and gradients, in evaluation. The draws of training depend on N.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, 4, dtype=np.float32))
      >>> layer = ga.linear_attention.NodeFormerAttention(heads=2)
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> out = jax.jit(layer.apply)(params, graph)
      >>> out.graph.nodes.shape, out.attention.weights.shape
      ((3, 4), (2, 2))

    Source: Wu et al., "NodeFormer: A Scalable Graph Structure Learning Transformer for Node Classification", NeurIPS
      2022, arXiv:2306.08385, equations 6 to 8, with defaults of the authors' code.
    """

    _: KW_ONLY
    features: int = 30
    temperature: float = 0.25
    samples: int = 10
    relational: bool = True
    seed: int = 0
    redraw: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.positive("features", self.features)
        _checks.number("temperature", self.temperature, zero=False)
        if self.samples != 0:
            _checks.positive("samples", self.samples)
        _checks.choice("relational", self.relational, (True, False))
        check_seed(self.seed)
        _checks.choice("redraw", self.redraw, (True, False))

    def init(
        self, key: PRNGKey, in_features: int, edge_features: int | None = None
    ) -> NodeFormerAttentionParams:
        """Parameters, float32, maps as `ga.nn.init_linear` starts them, b = 0.1; `edge_features` are ignored."""
        _checks.positive("in_features", in_features)
        channels = self.channels or in_features
        k_maps, k_output = jax.random.split(key)
        return NodeFormerAttentionParams(
            maps=self.init_maps(k_maps, in_features, channels),
            bias=jnp.full(self.heads, 0.1) if self.relational else None,
            output=nn.init_linear(k_output, self.heads * channels, channels, bias=self.use_bias),
        )

    def apply(
        self,
        params: NodeFormerAttentionParams,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`, an array or `SparseFeatures`.
          training: whether there is noise, and directions are redrawn.
          key: typed key, required in training for either.

        Returns:
          The graph with new nodes `[N, C]` in the dtype of the old. The attention on the edges of the graph, without
          noise, a share of all that the receiver hears: weights `[E, H]`, with φ(q) · φ(k) for logits.

        Raises:
          ValueError: features that do not fit the parameters, training without a key.
        """
        _checks.params(params, NodeFormerAttentionParams, self)
        nodes = nn.read_nodes(graph, params.maps.query.weight.shape[0], allow_sparse=True)
        rows = Rows.of(graph)
        k_directions = k_noise = None
        if training and (self.samples or self.redraw):
            if key is None:
                raise ValueError(
                    f"{self} draws noise or directions and needs key= in training. Fix: key=jax.random.key(seed), a "
                    "new one at every step, or samples=0 and redraw=False."
                )
            k_directions, k_noise = jax.random.split(key)
        query, keys, value = (self.split_heads(x, nodes) for x in params.maps)
        scale = query.shape[-1] ** -0.25 * self.temperature**-0.5
        projection = directions(self, query.shape[-1], training, k_directions).astype(query.dtype)
        query, keys = softmax_features(scale * query, scale * keys, projection, rows)
        if k_noise is not None and self.samples:
            out = self._sampled(query, keys, value, rows, k_noise)
        else:
            out = self.linear_attention(query, keys, value, rows)
        if params.bias is not None:
            share = jax.nn.sigmoid(params.bias).astype(out.dtype)[None, :, None]
            out = out + share * neighbour_sum(graph, value, self.implementation)
        out = nn.linear(params.output, combine_heads(out).astype(nodes.dtype))
        return nn.LayerOutput(
            nn.with_nodes(graph, out),
            ops.Attention(lambda: self._of_edges(graph, query, keys, rows)),
        )

    def _sampled(self, query, keys, value, rows, key):
        """The mean over samples; noise of a sender is a factor of its values and of their count."""
        shape = (*value.shape[:2], self.samples)
        noise = jax.random.gumbel(key, shape, value.dtype)
        factor = jnp.exp((noise - rows.max(noise)) / self.temperature)[..., None]
        counted = jnp.concatenate([value, jnp.ones((*shape[:2], 1), value.dtype)], axis=-1)
        scaled = (factor * counted[:, :, None]).reshape(*shape[:2], -1)
        sums = self.kernel_sum(query, keys, scaled, rows).reshape(*shape, -1)
        return (sums[..., :-1] / jnp.where(sums[..., -1:] == 0, 1, sums[..., -1:])).mean(axis=2)

    def _of_edges(self, graph, query, keys, rows):
        edges = graphs.pattern(graph)
        ones = jnp.ones((*keys.shape[:2], 1), keys.dtype)
        total = self.kernel_sum(query, keys, ones, rows)[..., 0]
        kernel = ops.take(query, edges.receivers) * ops.take(keys, edges.senders)
        kernel = ops.real_or_zero(kernel.sum(axis=-1), edges)
        weights = kernel / ops.take(jnp.where(total == 0, 1, total), edges.receivers)
        return ops.Weights(weights, weights, kernel)


def edge_regularization(weights: ArrayLike, graph: Any) -> tuple[Array, Array]:
    """How unlikely the given edges are in the sampled graph: NodeFormer's second loss.

        L = − mean_e mean_h log a_eh / d_e,    d_e the in-degree of the receiver of e

    Args:
      weights: `[E, H]` positive, of the attention of a `NodeFormerAttention`.
      graph: the graph that it attended on.

    Returns:
      `(sum, count)` over real edges, float32; `ga.losses` are such pairs too.

    Raises:
      ValueError: weights that do not fit the edges.

    Cost: O(E H).
    Padding: exact.

    Example:
      >>> import jax.numpy as jnp, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 1], nodes=np.ones((2, 1), np.float32))
      >>> sum, count = ga.linear_attention.edge_regularization(jnp.full((2, 1), 0.5), graph)
      >>> round(float(sum / count), 3)
      0.347

    Source: Wu et al., NodeFormer, NeurIPS 2022, arXiv:2306.08385, equation 9.
    """
    edges = graphs.pattern(graph)
    _checks.shape("weights", weights, (edges.num_edges, "H"))
    _checks.floating("weights", weights)
    weights = jnp.asarray(weights).astype(jnp.float32)
    real = ops.real_or_zero(jnp.ones(edges.num_edges, jnp.float32), edges)
    degree = jnp.maximum(ops.receiver_sum(real, edges), 1)
    surprise = -jnp.log(jnp.where(real[:, None] > 0, weights, 1)).mean(axis=1)
    return jnp.sum(surprise / ops.take(degree, edges.receivers)), jnp.sum(real)
