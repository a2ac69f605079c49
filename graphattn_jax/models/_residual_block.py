"""The pre-norm block of a transformer: a layer and a feed-forward map, each beside a skip connection."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from graphattn_jax import nn
from graphattn_jax.models._depth import Block
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._widths import nodes_of
from graphattn_jax.typing import Array, PRNGKey


class ResidualBlockParams(NamedTuple):
    """Norm and layer, then norm and feed-forward map."""

    attention_norm: nn.LayerNormParams
    attention: Any
    feed_forward_norm: nn.LayerNormParams
    feed_forward: nn.MLPParams


def init_residual_block(
    key: PRNGKey, layer: nn.Layer, sizes: tuple[int, int], edge_features: int | None, init: str
) -> ResidualBlockParams:
    """Of a layer whose output is as wide as the first size; the second is the width inside the feed-forward map."""
    k_attention, k_feed_forward = jax.random.split(key)
    width, hidden = sizes
    return ResidualBlockParams(
        attention_norm=nn.init_layer_norm(width),
        attention=layer.init(k_attention, width, edge_features=edge_features),
        feed_forward_norm=nn.init_layer_norm(width),
        feed_forward=nn.init_mlp(k_feed_forward, (width, hidden, width), init=init),
    )


def residual_block(layer: nn.Layer, dropout: float, graph: Any) -> Block:
    """On the nodes of a graph x ← x + dropout( layer( LN(x) ) ),  x ← x + dropout( W₂ dropout( GELU( W₁ LN(x) ) ) )."""

    def block(x: Array, own: ResidualBlockParams, here: Mode) -> tuple[Any, None, Any]:
        normed = nn.layer_norm(own.attention_norm, x)
        out = here.layer(layer, own.attention, nn.with_nodes(graph, normed), 0)
        x = x + here.dropout(nodes_of(out.graph), dropout, 1)
        h = nn.layer_norm(own.feed_forward_norm, x)
        h = here.mlp(own.feed_forward, h, dropout, 2, activation="gelu")
        return x + here.dropout(h, dropout, 3), None, out.attention

    return block
