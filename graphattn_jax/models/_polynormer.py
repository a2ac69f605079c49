"""Polynormer as a whole network for nodes: gated local attention, then gated attention of all nodes."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn
from graphattn_jax.attention import GAT
from graphattn_jax.linear_attention import PolynormerAttention
from graphattn_jax.models._depth import in_one_program
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._network import Network, Output, check_layer
from graphattn_jax.models._widths import Widths, check_width
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["Polynormer", "PolynormerParams"]


class PolynormerBlockParams(NamedTuple):
    """Of a local layer: the layer, maps of the skip and of the gate, β before its sigmoid, norm."""

    layer: Any
    skip: nn.LinearParams
    gate: nn.LinearParams
    beta: Array
    norm: nn.LayerNormParams


class PolynormerParams(NamedTuple):
    """Input map, local blocks and their output map; norm of their sum, global layers with the one map that they share,
    and their output map.
    """

    input: nn.LinearParams
    blocks: tuple[PolynormerBlockParams, ...]
    local_output: nn.LinearParams
    norm: nn.LayerNormParams
    layers: tuple[Any, ...]
    shared: nn.LinearParams
    global_output: nn.LinearParams


@dataclass(frozen=True, repr=False)
class Polynormer(Network):
    """Polynomials of the features: gated attention to neighbours, then to all nodes, for nodes.

        a = drop( ReLU( local(x) + W x ) ),  x ← (1 − σ(β)) LN( ReLU(W_h x) ⊙ a ) + σ(β) a,  s = Σ x  per local layer
        y = W_l s;    with the global part  g = LN(s),  g ← drop( ReLU( W_o attention(g) ) )  per layer,    y = W_g g

    The authors train in two stages, the local part alone and then both. The parameters are those of both from the
    start: train `dataclasses.replace(network, use_global=False)` first, and go on from its parameters with the network.

    Args:
      in_features: D, width of the node features.
      out_features: T, classes or targets per node.
      width: of the network.
      num_layers: local and global ones, a pair.
      local: its output as wide as the network.
      heads: of the global attention.
      dropout: on the input, in the local and in the global part.
      use_global: whether there is the second part.

    Raises:
      ValueError: not a layer, sizes that are not positive integers, rates that are not three.

    Cost: that of its layers.
    Padding: exact on real nodes.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> network = ga.models.Polynormer(4, 3, width=8, num_layers=(2, 1))
      >>> params, state = network.init(jax.random.key(0))
      >>> jax.jit(network.apply)(params, state, ga.graphs.prepare(graph)).prediction.shape
      (2, 3)

    Source: Deng, Yue, Zhang, "Polynormer: Polynomial-Expressive Graph Transformer in Linear Time", ICLR 2024,
      arXiv:2403.01232, section 3.2, with places of norms and rates of the authors' code.
    """

    in_features: int
    out_features: int
    width: int = 512
    num_layers: tuple[int, int] = (7, 2)
    local: nn.Layer = GAT(heads=8, use_bias=False)
    _: KW_ONLY
    heads: int = 8
    dropout: tuple[float, float, float] = (0.15, 0.5, 0.5)
    use_global: bool = True

    def __post_init__(self) -> None:
        for name in ("in_features", "out_features", "width", "heads"):
            _checks.positive(name, getattr(self, name))
        for name, length in (("num_layers", 2), ("dropout", 3)):
            value = getattr(self, name)
            if not isinstance(value, tuple) or len(value) != length:
                raise ValueError(f"{name} must be a tuple of {length} numbers, got {value!r}.")
        for number in self.num_layers:
            _checks.positive("num_layers", number)
        for rate in self.dropout:
            _checks.rate("dropout", rate)
        check_layer("local", self.local, "ga.attention.GAT(heads=8)")
        _checks.divisible("width", self.width, self.heads, "heads")
        _checks.choice("use_global", self.use_global, (True, False))

    @property
    def _attention(self) -> PolynormerAttention:
        return PolynormerAttention(heads=self.heads, output=False)

    @in_one_program
    def init(self, key: PRNGKey) -> tuple[PolynormerParams, None]:
        """Parameters of both parts, and no statistics; see `Network.init`.

        Raises:
          ValueError: a layer whose output is not as wide as the network.
        """
        width, (num_local, num_global) = self.width, self.num_layers
        check_width("local", self.local, Widths(width, None))
        keys = jax.random.split(key, 4 + num_local + num_global)

        def block(key: PRNGKey) -> PolynormerBlockParams:
            k_layer, k_skip, k_gate, k_beta = jax.random.split(key, 4)
            return PolynormerBlockParams(
                layer=self.local.init(k_layer, width),
                skip=nn.init_linear(k_skip, width, width),
                gate=nn.init_linear(k_gate, width, width),
                beta=nn.initializer("glorot_normal")(k_beta, (1, width), jnp.float32)[0],
                norm=nn.init_layer_norm(width),
            )

        params = PolynormerParams(
            input=nn.init_linear(keys[0], self.in_features, width),
            blocks=tuple(block(k) for k in keys[4 : 4 + num_local]),
            local_output=nn.init_linear(keys[1], width, self.out_features),
            norm=nn.init_layer_norm(width),
            layers=tuple(self._attention.init(k, width) for k in keys[4 + num_local :]),
            shared=nn.init_linear(keys[2], width, width),
            global_output=nn.init_linear(keys[3], width, self.out_features),
        )
        return params, None

    def apply(
        self,
        params: PolynormerParams,
        state: None,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`.
          graph: nodes `[N, D]`, an array or `SparseFeatures`.
          training: whether there is dropout.
          key: typed key, required in training when a rate is positive.

        Returns:
          Predictions `[N, T]`, and how every local and every global layer attended.

        Raises:
          ValueError: as the layers, dropout without a key.
        """
        _checks.params(params, PolynormerParams, self)
        mode, attention = Mode.of(training, key), []
        at_input, at_local, at_global = self.dropout
        x = mode.dropout(nn.real_nodes(graph, graph.nodes), at_input, 0)
        x = mode.dropout(nn.linear(params.input, x), at_local, 1)
        total = jnp.zeros_like(x)
        for index, own in enumerate(params.blocks):
            here = mode.at(2 + index)
            out = here.layer(self.local, own.layer, graph._replace(nodes=x), 0)
            a = jax.nn.relu(out.graph.nodes + nn.linear(own.skip, x))
            a = here.dropout(a, at_local, 1)
            beta = jax.nn.sigmoid(own.beta).astype(x.dtype)[None]
            gated = nn.layer_norm(own.norm, jax.nn.relu(nn.linear(own.gate, x)) * a)
            x = (1 - beta) * gated + beta * a
            total = total + x
            attention.append(out.attention)
        if not self.use_global:
            return Output(nn.linear(params.local_output, total), None, tuple(attention))
        g = nn.layer_norm(params.norm, total)
        for index, own in enumerate(params.layers):
            here = mode.at(2 + len(params.blocks) + index)
            out = here.layer(self._attention, own, graph._replace(nodes=g), 0)
            g = jax.nn.relu(nn.linear(params.shared, out.graph.nodes))
            g = here.dropout(g, at_global, 1)
            attention.append(out.attention)
        return Output(nn.linear(params.global_output, g), None, tuple(attention))
