"""The network of the GAT paper: attention layers with ELU between them."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from graphattn_jax import _checks, ops
from graphattn_jax.attention import Attention
from graphattn_jax.models._attention_spec import AttentionLayerParams, AttentionSpec
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["PlainNetworkParams", "init_plain_network", "plain_network"]


class PlainNetworkParams(NamedTuple):
    """One entry per layer."""

    layers: tuple[AttentionLayerParams, ...]


def init_plain_network(
    key: PRNGKey,
    in_features: int,
    out_features: int,
    *,
    spec: AttentionSpec,
    channels: int = 8,
    heads: int = 8,
    num_layers: int = 2,
) -> PlainNetworkParams:
    """Parameters of a `plain_network`.

    Args:
      key: typed PRNG key.
      in_features: D, width of the node features.
      out_features: classes or targets per node.
      spec: which attention.
      channels: C per head of the hidden layers.
      heads: H of the hidden layers; the last layer has one head of `out_features` channels.
      num_layers: attention layers in all.

    Returns:
      `PlainNetworkParams`.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.models.init_plain_network(jax.random.key(0), 16, 3, spec=ga.models.AttentionSpec())
      >>> len(params.layers)
      2
    """
    _checks.positive("num_layers", num_layers)
    keys = jax.random.split(key, num_layers)
    layers, width = [], in_features
    for layer_key in keys[:-1]:
        layers.append(spec.init(layer_key, width, channels, heads))
        width = channels * heads
    layers.append(spec.init(keys[-1], width, out_features, 1))
    return PlainNetworkParams(tuple(layers))


def plain_network(
    params: PlainNetworkParams,
    graph: Any,
    *,
    spec: AttentionSpec,
    layout: Any = None,
    buckets: ArrayLike | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    implementation: str | None = None,
) -> tuple[Array, tuple[Attention, ...]]:
    """Node logits by stacked attention layers.

        x ← ELU( layer( dropout(x) ) )  for all layers but the last,    logits = layer( dropout(x) )

    Args:
      params: from `init_plain_network`, with the same `spec`.
      graph: nodes `[N, D]`, an array or `ops.SparseFeatures`; add self-loops first for the paper's setting.
      spec: which attention.
      layout: from `ga.graphs.layout`.
      buckets: `[E]` relative-position buckets if the spec has `relative_buckets`.
      dropout_rate: on layer inputs and on attention weights, as in the paper.
      dropout_key: typed key, required when the rate is positive.
      implementation: see `ga.ops.edge_attention`.

    Returns:
      Logits `[N, out_features]`, and the `Attention` of every layer.

    Raises:
      ValueError: as the layers.

    Cost: that of its layers.
    Padding: exact on real nodes.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> spec = ga.models.AttentionSpec("gat")
      >>> params = ga.models.init_plain_network(jax.random.key(0), 4, 3, spec=spec)
      >>> logits, attention = ga.models.plain_network(params, graph, spec=spec)
      >>> logits.shape, len(attention)
      ((2, 3), 2)

    Source: Veličković et al., "Graph Attention Networks", ICLR 2018, section 3.3: two layers, 8 heads of 8 channels,
      dropout 0.6, L2 of 5e-4, Adam at 5e-3.
    """
    _checks.dropout(dropout_rate, dropout_key)
    maps = []
    for index, layer in enumerate(params.layers):
        input_key, weight_key = split_or_none(dropout_key, index)
        graph = graph._replace(nodes=ops.dropout(graph.nodes, dropout_rate, input_key))
        graph, attention = spec.apply(
            layer,
            graph,
            buckets=buckets,
            layout=layout,
            dropout_rate=dropout_rate,
            dropout_key=weight_key,
            implementation=implementation,
        )
        if index < len(params.layers) - 1:
            graph = graph._replace(nodes=jax.nn.elu(graph.nodes))
        maps.append(attention)
    return graph.nodes, tuple(maps)


def split_or_none(key: Array | None, index: int, num: int = 2) -> tuple[Array | None, ...]:
    """Keys for layer `index`, or Nones without a key."""
    if key is None:
        return (None,) * num
    return tuple(jax.random.split(jax.random.fold_in(key, index), num))
