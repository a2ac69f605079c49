"""SGFormer as a whole network for nodes: one layer of attention beside graph convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from graphattn_jax import _checks, nn
from graphattn_jax.linear_attention import SGFormerAttention
from graphattn_jax.message_passing import GCN
from graphattn_jax.models._depth import in_one_program
from graphattn_jax.models._difformer import check_share
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._network import Network, Output, check_arrays, check_layer
from graphattn_jax.models._norm import real_rows
from graphattn_jax.models._trunk import Trunk, TrunkParams
from graphattn_jax.models._widths import Widths, check_width
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["SGFormer", "SGFormerParams", "SGFormerState"]


class SGFormerParams(NamedTuple):
    """trunk: of the attention. input, local, norms: of the convolutions, with one more norm. output."""

    trunk: TrunkParams
    input: nn.LinearParams
    local: tuple[Any, ...]
    norms: tuple[nn.BatchNormParams, ...]
    output: nn.LinearParams


class SGFormerState(NamedTuple):
    """Running statistics of the norms."""

    norms: tuple[nn.BatchNormState, ...]


@dataclass(frozen=True, repr=False)
class SGFormer(Network):
    """Attention of all nodes and graph convolutions side by side, for nodes.

        z = drop( ReLU( LN( W_z x ) ) ),    z ← drop( ReLU( LN( ½ layer(z) + ½ z ) ) )  per layer of attention
        h = h_0 = drop( ReLU( BN( W_h x ) ) ),    h ← drop( ReLU( BN( local(h) ) ) ) + h_0  per convolution
        y = W_out ( w h + (1 − w) z )

    Args:
      in_features: D, width of the node features.
      out_features: T, classes or targets per node.
      width: of the network.
      num_layers: of attention and of convolutions, a pair.
      layer, local: of the two branches, their outputs as wide as the network.
      local_weight: w.
      dropout: of both branches, a pair.

    Raises:
      ValueError: not layers, sizes that are not positive integers, a weight outside of (0, 1].

    Cost: that of its layers.
    Padding: exact on real nodes, values, gradients and statistics.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> network = ga.models.SGFormer(4, 3, width=8)
      >>> params, state = network.init(jax.random.key(0))
      >>> jax.jit(network.apply)(params, state, ga.graphs.prepare(graph)).prediction.shape
      (2, 3)

    Source: Wu et al., "SGFormer: Simplifying and Empowering Transformers for Large-Graph Representations", NeurIPS
      2023, arXiv:2306.10759, section 3.2, with norms, residuals and defaults of the authors' code.
    """

    in_features: int
    out_features: int
    width: int = 64
    num_layers: tuple[int, int] = (1, 1)
    layer: nn.Layer = SGFormerAttention()
    local: nn.Layer = GCN()
    local_weight: float = 0.8
    dropout: tuple[float, float] = (0.5, 0.5)

    def __post_init__(self) -> None:
        for name in ("in_features", "out_features", "width"):
            _checks.positive(name, getattr(self, name))
        for name in ("num_layers", "dropout"):
            value = getattr(self, name)
            if not isinstance(value, tuple) or len(value) != 2:
                raise ValueError(f"{name} must be a pair (attention, convolutions), got {value!r}.")
        for number, rate in zip(self.num_layers, self.dropout):
            _checks.positive("num_layers", number)
            _checks.rate("dropout", rate)
        check_layer("layer", self.layer, "ga.linear_attention.SGFormerAttention()")
        check_layer("local", self.local, "ga.message_passing.GCN()")
        check_share("local_weight", self.local_weight)

    @property
    def _trunk(self) -> Trunk:
        return Trunk(self.layer, self.num_layers[0], 0.5, self.dropout[0], "relu", "relu")

    @in_one_program
    def init(self, key: PRNGKey) -> tuple[SGFormerParams, SGFormerState]:
        """Parameters and running statistics; see `Network.init`.

        Raises:
          ValueError: a layer whose output is not as wide as the network.
        """
        width, number = self.width, self.num_layers[1]
        check_width("local", self.local, Widths(width, None))
        k_trunk, k_input, k_output, *keys = jax.random.split(key, number + 3)
        norms = [nn.init_batch_norm(width) for _ in range(number + 1)]
        params = SGFormerParams(
            trunk=self._trunk.init(k_trunk, self.in_features, width),
            input=nn.init_linear(k_input, self.in_features, width),
            local=tuple(self.local.init(k, width) for k in keys),
            norms=tuple(params for params, _ in norms),
            output=nn.init_linear(k_output, width, self.out_features),
        )
        return params, SGFormerState(tuple(state for _, state in norms))

    def apply(
        self,
        params: SGFormerParams,
        state: SGFormerState,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`, or as training left them.
          graph: nodes `[N, D]`, an array or `SparseFeatures`; the authors add self-loops.
          training: whether there is dropout, and norms are by the statistics of this graph.
          key: typed key, required in training when something is random.

        Returns:
          Predictions `[N, T]`, the renewed statistics, and how every layer of attention attended.

        Raises:
          ValueError: as the layers, something random without a key.
        """
        check_arrays(self, params, SGFormerParams, state, SGFormerState)
        mode, rate = Mode.of(training, key), self.dropout[1]
        z, attention = self._trunk.run(params.trunk, graph, mode.at(0))
        here, (where, _), renewed = mode.at(1), real_rows(graph), []

        def normed(index: int, x: Array) -> Array:
            own = params.norms[index], state.norms[index]
            x, new = nn.batch_norm(*own, x, training=training, where=where)
            renewed.append(new)
            return here.dropout(jax.nn.relu(x), rate, 2 * index)

        h = first = normed(0, nn.linear(params.input, nn.real_nodes(graph, graph.nodes)))
        for index, own in enumerate(params.local, start=1):
            out = here.layer(self.local, own, graph._replace(nodes=h), 2 * index + 1)
            h = normed(index, out.graph.nodes) + first
        y = nn.linear(params.output, self.local_weight * h + (1 - self.local_weight) * z)
        return Output(y, SGFormerState(tuple(renewed)) if training else state, attention)
