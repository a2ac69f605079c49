"""Attention to the k best of the incoming edges: the work of k, whatever the degree."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax._dtypes import wide
from graphattn_jax.attention._pipeline import (
    check_switches,
    combine_heads,
    init_projection,
    project,
)
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["TopKAttention", "TopKAttentionParams"]


class TopKAttentionParams(NamedTuple):
    """query, key, value `[D, H, C]`; select_receiver, select_sender `[D, S]`, whose product scores an edge; output."""

    query: Array
    key: Array
    value: Array
    select_receiver: nn.LinearParams
    select_sender: nn.LinearParams
    output: nn.LinearParams | None


@dataclass(frozen=True, repr=False)
class TopKAttention(nn.Layer):
    """Dot-product attention of each node to the k incoming edges that a cheap score selects.

        s_ij = (U x_i) · (V x_j) / √S  (+ Gumbel noise in training),    K_i = the k largest over the edges j → i
        a_ij = softmax_{j in K_i}( (W_q x_i) · (W_k x_j) / √C + s_ij / τ ),    x'_i = W_o ‖_h Σ_j a_ij W_v x_j

    The noise makes the choice a draw without replacement, with probabilities ∝ exp(s). The scores stay in the logits,
    so that the choice can be learned. Only the S channels of the score are read for every candidate: the H C channels
    of keys and values are gathered for k of them, in arrays `[N, k]`, and nothing of size E H C exists.

    Args:
      channels: C per head; None = as many as make H·C the width of the input.
      heads: H.
      k: edges per receiver; one with fewer takes all.
      select_channels: S.
      temperature: τ, unless the call says another.
      output: whether to map by W_o to the width of the input.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D (H C + S) + E S + N k H C) time and a sort of E pairs; O(E S + N k H C) memory.
    Padding: exact on real nodes, values and gradients, in evaluation. The draws of training depend on E.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 2], [2, 2, 0], nodes=np.eye(3, 4, dtype=np.float32))
      >>> layer = ga.attention.TopKAttention(heads=2, k=1)
      >>> out = layer.apply(layer.init(jax.random.key(0), in_features=4), graph)
      >>> out.graph.nodes.shape, sorted(out.attention.weights[:, 0].tolist())
      ((3, 4), [0.0, 1.0, 1.0])

    Source: Zheng et al., "Robust Graph Representation Learning via Neural Sparsification", ICML 2020, section 4, for k
      sampled neighbours; Kool, van Hoof, Welling, "Stochastic Beams and Where to Find Them", ICML 2019,
      arXiv:1903.06059, for Gumbel top-k.
    """

    channels: int | None = None
    heads: int = 1
    _: KW_ONLY
    k: int = 8
    select_channels: int = 8
    temperature: float = 1.0
    output: bool = True

    def __post_init__(self) -> None:
        for name in ("heads", "k", "select_channels"):
            _checks.positive(name, getattr(self, name))
        if self.channels is not None:
            _checks.positive("channels", self.channels)
        _checks.number("temperature", self.temperature, zero=False)
        check_switches(self, "output")

    def init(
        self, key: PRNGKey, in_features: int, edge_features: int | None = None
    ) -> TopKAttentionParams:
        """Parameters, float32, projections Glorot-uniform; `edge_features` are ignored."""
        _checks.positive("in_features", in_features)
        if self.channels is None:
            _checks.divisible("in_features", in_features, self.heads, "heads")
        channels, keys = self.channels or in_features // self.heads, jax.random.split(key, 6)
        query, key_weight, value = (
            init_projection(k, in_features, self.heads, channels) for k in keys[:3]
        )
        receiver, sender = (nn.init_linear(k, in_features, self.select_channels) for k in keys[3:5])
        width = self.heads * channels
        output = nn.init_linear(keys[5], width, in_features) if self.output else None
        return TopKAttentionParams(query, key_weight, value, receiver, sender, output)

    def apply(
        self,
        params: TopKAttentionParams,
        graph: Any,
        *,
        temperature: ArrayLike | None = None,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`; its edges are the candidates.
          temperature: τ of this call, such as an optax schedule's value at a step; None = that of the layer.
          training: whether there is noise.
          key: typed key, required in training.

        Returns:
          The graph with new nodes in the dtype of the old, 0 (or the bias of W_o) where a node hears nobody; and the
          attention, weights `[E, H]`, 0 on edges that were not chosen.

        Raises:
          ValueError: features that do not fit the parameters, training without a key.
        """
        _checks.params(params, TopKAttentionParams, self)
        nodes, edges = nn.read_nodes(graph, params.query.shape[0]), graphs.pattern(graph)
        i, j = (wide(nn.linear(p, nodes)) for p in (params.select_receiver, params.select_sender))
        scores = jnp.sum(ops.take(i, edges.receivers) * ops.take(j, edges.senders), axis=1)
        scores = scores * self.select_channels**-0.5
        if training:
            if key is None:
                raise ValueError(
                    f"{self} draws edges and needs key= in training. Fix: key=jax.random.key(seed), a new one at every "
                    "step, or training=False."
                )
            scores = scores + jax.random.gumbel(key, scores.shape, scores.dtype)
        chosen = ops.top_k_edges(scores, edges, self.k)
        tau = jnp.asarray(self.temperature if temperature is None else temperature, scores.dtype)
        query, keys, value = (wide(project(nodes, w)) for w in params[:3])
        # One row more: empty slots read it where there are no edges.
        senders = jnp.pad(jnp.asarray(edges.senders), (0, 1))[chosen.edge]
        selected = jnp.pad(scores, (0, 1))[chosen.edge]
        logits = jnp.einsum("nhc,nkhc->nkh", query, ops.take(keys, senders))
        logits = logits * query.shape[-1] ** -0.5 + (selected / tau)[..., None]
        weights = _softmax(logits, chosen.mask[..., None])
        heard = jnp.where(chosen.mask[..., None, None], ops.take(value, senders), 0)
        out = jnp.einsum("nkh,nkhc->nhc", weights, heard)
        out = combine_heads(out, True).astype(nodes.dtype)
        if params.output is not None:
            out = nn.linear(params.output, out)

        def attention() -> ops.Weights:
            ids = jnp.where(chosen.mask, chosen.edge, edges.num_edges).reshape(-1)
            flat = weights.reshape(-1, self.heads), logits.reshape(-1, self.heads)
            empty = jnp.zeros((edges.num_edges, self.heads), weights.dtype)
            found = [
                start.at[ids].set(x, mode="drop")
                for start, x in zip((empty, empty - jnp.inf), flat)
            ]
            return ops.Weights(found[0], found[0], found[1])

        return nn.LayerOutput(nn.with_nodes(graph, out), ops.Attention(attention))


def _softmax(logits: Array, mask: Array) -> Array:
    """Over the slots of a receiver; 0 where there is none."""
    top = jax.lax.stop_gradient(
        jnp.max(logits, axis=1, keepdims=True, where=mask, initial=-jnp.inf)
    )
    shifted = jnp.where(mask, logits - jnp.where(jnp.isfinite(top), top, 0), 0)
    powers = jnp.where(mask, jnp.exp(shifted), 0)
    total = powers.sum(axis=1, keepdims=True)
    return powers / jnp.where(total == 0, 1, total)
