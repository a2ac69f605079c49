"""DIFFormer and NodeFormer as whole networks for nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from graphattn_jax import _checks, nn
from graphattn_jax.linear_attention import DIFFormerAttention, NodeFormerAttention
from graphattn_jax.models._depth import in_one_program
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._network import Network, Output, check_layer
from graphattn_jax.models._trunk import Trunk, TrunkParams
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["DIFFormer", "GlobalNetworkParams", "NodeFormer"]


class GlobalNetworkParams(NamedTuple):
    """trunk: input map, layers, norms. output: map to the predictions."""

    trunk: TrunkParams
    output: nn.LinearParams


class _GlobalNetwork(Network, ABC):
    """A trunk and an output map."""

    in_features: int
    out_features: int
    width: int
    num_layers: int
    layer: nn.Layer
    dropout: float

    def __post_init__(self) -> None:
        for name in ("in_features", "out_features", "width", "num_layers"):
            _checks.positive(name, getattr(self, name))
        check_layer("layer", self.layer, "ga.linear_attention.DIFFormerAttention()")
        _checks.rate("dropout", self.dropout)

    @property
    @abstractmethod
    def _trunk(self) -> Trunk: ...

    @in_one_program
    def init(self, key: PRNGKey) -> tuple[GlobalNetworkParams, None]:
        """Parameters, and no statistics; see `Network.init`.

        Raises:
          ValueError: a layer whose output is not as wide as the network.
        """
        k_trunk, k_output = jax.random.split(key)
        trunk = self._trunk.init(k_trunk, self.in_features, self.width)
        return GlobalNetworkParams(
            trunk, nn.init_linear(k_output, self.width, self.out_features)
        ), None

    def apply(
        self,
        params: GlobalNetworkParams,
        state: None,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`.
          graph: nodes `[N, D]`, an array or `SparseFeatures`; the authors add self-loops.
          training: whether there is dropout, and noise of the layers.
          key: typed key, required in training when something is random.

        Returns:
          Predictions `[N, T]`, and how every layer attended.

        Raises:
          ValueError: as the layers, something random without a key.
        """
        _checks.params(params, GlobalNetworkParams, self)
        x, attention = self._trunk.run(params.trunk, graph, Mode.of(training, key))
        return Output(nn.linear(params.output, x), None, attention)


@dataclass(frozen=True, repr=False)
class DIFFormer(_GlobalNetwork):
    """Steps of diffusion among all nodes and along the edges, for nodes.

        x = drop( ReLU( LN( W_in x ) ) ),    x ← drop( LN( τ layer(x) + (1 − τ) x ) )  L times,    y = W_out x

    Args:
      in_features: D, width of the node features.
      out_features: T, classes or targets per node.
      width: of the network.
      num_layers: L.
      layer: its output as wide as the network.
      step: τ in (0, 1].
      dropout: on the outputs of the layers.

    Raises:
      ValueError: not a layer, sizes that are not positive integers, a step outside of (0, 1].

    Cost: that of its layers.
    Padding: exact on real nodes.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> network = ga.models.DIFFormer(4, 3, width=8)
      >>> params, state = network.init(jax.random.key(0))
      >>> jax.jit(network.apply)(params, state, ga.graphs.prepare(graph)).prediction.shape
      (2, 3)

    Source: Wu et al., "DIFFormer: Scalable (Graph) Transformers Induced by Energy Constrained Diffusion", ICLR 2023,
      arXiv:2301.09474, section 4.1, with defaults of the authors' code.
    """

    in_features: int
    out_features: int
    width: int = 64
    num_layers: int = 2
    layer: nn.Layer = DIFFormerAttention()
    step: float = 0.5
    dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("step", self.step)

    @property
    def _trunk(self) -> Trunk:
        return Trunk(self.layer, self.num_layers, self.step, self.dropout, "relu", "identity")


@dataclass(frozen=True, repr=False)
class NodeFormer(_GlobalNetwork):
    """Attention on sampled graphs of all nodes, with residual connections, for nodes.

        x = drop( ELU( LN( W_in x ) ) ),    x ← drop( LN( layer(x) + x ) )  L times,    y = W_out x

    The authors add `ga.linear_attention.edge_regularization` of every layer's attention to the loss.

    Args:
      in_features: D, width of the node features.
      out_features: T, classes or targets per node.
      width: of the network.
      num_layers: L.
      layer: its output as wide as the network.
      dropout: on the outputs of the layers.

    Raises:
      ValueError: not a layer, sizes that are not positive integers.

    Cost: that of its layers.
    Padding: exact on real nodes, in evaluation.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> network = ga.models.NodeFormer(4, 3, width=8)
      >>> params, state = network.init(jax.random.key(0))
      >>> out = network.apply(params, state, graph)
      >>> loss, count = ga.linear_attention.edge_regularization(out.attention[0].weights, graph)
      >>> out.prediction.shape, int(count)
      ((2, 3), 2)

    Source: Wu et al., "NodeFormer: A Scalable Graph Structure Learning Transformer for Node Classification", NeurIPS
      2022, arXiv:2306.08385, with defaults of the authors' code.
    """

    in_features: int
    out_features: int
    width: int = 32
    num_layers: int = 2
    layer: nn.Layer = NodeFormerAttention(heads=4)
    dropout: float = 0.0

    @property
    def _trunk(self) -> Trunk:
        # The norm takes the half of a sum for the sum.
        return Trunk(self.layer, self.num_layers, 0.5, self.dropout, "elu", "identity")


def check_share(name: str, value: Any) -> None:
    """A number in (0, 1]."""
    _checks.number(name, value, zero=False)
    if value > 1:
        raise ValueError(f"{name} must be a number in (0, 1], got {value!r}.")
