"""What SGFormer, DIFFormer and NodeFormer have in common: attention of all nodes, mixed with its input and normed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from graphattn_jax import nn
from graphattn_jax.models._depth import init_blocks, run_blocks
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._widths import Widths, check_width
from graphattn_jax.typing import Array, PRNGKey


class TrunkBlockParams(NamedTuple):
    """A layer, and the norm behind it."""

    layer: Any
    norm: nn.LayerNormParams


class TrunkParams(NamedTuple):
    """Input map with its norm, and blocks (`ga.nn.unstack` gives them one by one)."""

    input: nn.LinearParams
    input_norm: nn.LayerNormParams
    blocks: TrunkBlockParams


@dataclass(frozen=True)
class Trunk:
    """x = drop(σ( LN(W x) )),  x ← drop(σ'( LN(α layer(x) + (1 − α) x) ))  for every layer."""

    layer: nn.Layer
    num_layers: int
    mix: float
    dropout: float
    activation: str
    inner_activation: str

    def init(self, key: PRNGKey, in_features: int, width: int) -> TrunkParams:
        """Parameters; the layer must give nodes as wide as the network."""
        check_width("layer", self.layer, Widths(width, None))
        k_input, *keys = jax.random.split(key, self.num_layers + 1)

        def block(key: PRNGKey) -> TrunkBlockParams:
            return TrunkBlockParams(self.layer.init(key, width), nn.init_layer_norm(width))

        return TrunkParams(
            input=nn.init_linear(k_input, in_features, width),
            input_norm=nn.init_layer_norm(width),
            blocks=init_blocks(block, jax.numpy.stack(keys)),
        )

    def run(self, params: TrunkParams, graph: Any, mode: Mode) -> tuple[Array, tuple[Any, ...]]:
        """The nodes behind the last layer, and how each attended."""
        first, inner = nn.activation(self.activation), nn.activation(self.inner_activation)
        x = nn.linear(params.input, nn.real_nodes(graph, graph.nodes))
        x = mode.dropout(first(nn.layer_norm(params.input_norm, x)), self.dropout, self.num_layers)

        def block(x: Array, own: TrunkBlockParams, here: Mode) -> tuple[Array, None, Any]:
            out = here.layer(self.layer, own.layer, graph._replace(nodes=x), 0)
            mixed = self.mix * out.graph.nodes + (1 - self.mix) * x
            x = inner(nn.layer_norm(own.norm, mixed))
            return here.dropout(x, self.dropout, 1), None, out.attention

        x, _, attention = run_blocks(block, x, params.blocks, mode, scan=False)
        return x, attention
