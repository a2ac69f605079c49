"""A deep residual network of attention and feed-forward blocks, for node-level tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from graphattn_jax import _checks, nn
from graphattn_jax.models._depth import in_one_program, init_blocks, run_blocks
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._network import Network, Output, check_layer
from graphattn_jax.models._residual_block import (
    ResidualBlockParams,
    init_residual_block,
    residual_block,
)
from graphattn_jax.models._widths import Widths, check_width
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["ResidualNetwork", "ResidualNetworkParams"]


class ResidualNetworkParams(NamedTuple):
    """Input map, blocks (`ga.nn.unstack` gives them one by one), output norm and map."""

    input: nn.LinearParams
    blocks: ResidualBlockParams
    output_norm: nn.LayerNormParams
    output: nn.LinearParams


@dataclass(frozen=True, repr=False)
class ResidualNetwork(Network):
    """Pre-norm residual blocks, for nodes.

        x = GELU( dropout( W_in x ) )
        x ← x + dropout( layer( LN(x) ) ),    x ← x + dropout( W₂ dropout( GELU( W₁ LN(x) ) ) )    per block
        y = W_out LN(x)

    Every layer reads the edge features of the graph as they are.

    Args:
      in_features: D, width of the node features.
      out_features: T, classes or targets per node.
      layer: of all blocks, its output as wide as the network.
      width: of the residual stream.
      num_layers: blocks.
      dropout: on the outputs of the maps. That of the attention weights is the layer's.
      edge_features: D_e, width of the edge features that every layer reads, None without.
      scan: one block in a loop instead of all in the program, which compiles faster; see the page on speed.

    Raises:
      ValueError: not a layer, sizes that are not positive integers.

    Cost: that of its layers.
    Padding: exact on real nodes: layer norm looks at one node at a time.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> layer = ga.attention.GraphTransformer(heads=8, output=True, separate=True)
      >>> network = ga.models.ResidualNetwork(4, 3, layer, width=16, num_layers=2)
      >>> params, state = network.init(jax.random.key(0))
      >>> jax.jit(network.apply)(params, state, ga.graphs.prepare(graph)).prediction.shape
      (2, 3)

    Source: Platonov et al., "A critical look at the evaluation of GNNs under heterophily", ICLR 2023,
      arXiv:2302.11640, section 5: 5 layers, width 512, 8 heads, dropout 0.2, Adam at 3e-5, 1,000 steps.
    """

    in_features: int
    out_features: int
    layer: nn.Layer
    width: int = 512
    num_layers: int = 5
    dropout: float = 0.2
    edge_features: int | None = None
    scan: bool = False

    def __post_init__(self) -> None:
        _checks.switches(self)
        for name in ("in_features", "out_features", "width", "num_layers"):
            _checks.positive(name, getattr(self, name))
        check_layer("layer", self.layer, "ga.attention.GraphTransformer(heads=8, output=True)")
        _checks.rate("dropout", self.dropout)
        if self.edge_features is not None:
            _checks.positive("edge_features", self.edge_features)

    @in_one_program
    def init(self, key: PRNGKey) -> tuple[ResidualNetworkParams, None]:
        """Parameters, and no statistics; see `Network.init`.

        Raises:
          ValueError: a layer whose output is not as wide as the network.
        """
        width, init = self.width, "glorot_uniform"
        check_width("layer", self.layer, Widths(width, self.edge_features))

        def block(key: PRNGKey) -> ResidualBlockParams:
            return init_residual_block(key, self.layer, (width, width), self.edge_features, init)

        keys = jax.random.split(key, self.num_layers + 2)
        k_input, k_output = keys[:2]
        params = ResidualNetworkParams(
            input=nn.init_linear(k_input, self.in_features, width, init=init),
            blocks=init_blocks(block, keys[2:]),
            output_norm=nn.init_layer_norm(width),
            output=nn.init_linear(k_output, width, self.out_features, init=init),
        )
        return params, None

    def apply(
        self,
        params: ResidualNetworkParams,
        state: None,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`.
          graph: nodes `[N, D]`, an array or `SparseFeatures`; edges `[E, D_e]` if made with `edge_features`.
          training: whether there is dropout.
          key: typed key, required in training when a rate is positive.

        Returns:
          Predictions `[N, T]`, and how every block attended.

        Raises:
          ValueError: as the layers, dropout without a key.
        """
        _checks.params(params, ResidualNetworkParams, self)
        mode = Mode.of(training, key)
        x = nn.linear(params.input, nn.real_nodes(graph, graph.nodes))
        x = jax.nn.gelu(mode.dropout(x, self.dropout, self.num_layers))
        block = residual_block(self.layer, self.dropout, graph)
        x, _, attention = run_blocks(block, x, params.blocks, mode, scan=self.scan)
        prediction = nn.linear(params.output, nn.layer_norm(params.output_norm, x))
        return Output(prediction, None, attention)
