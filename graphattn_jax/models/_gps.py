"""GraphGPS: message passing and global attention side by side in every layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from graphattn_jax import _checks, attention, message_passing, nn, ops
from graphattn_jax.models._inputs import InputParams, InputSpec, encode_inputs, init_inputs
from graphattn_jax.models._norm import NORMS, NormParams, NormState, init_norm, norm
from graphattn_jax.models._plain_network import split_or_none
from graphattn_jax.models._readout import init_readout, readout
from graphattn_jax.typing import Array, PRNGKey

__all__ = [
    "GPSConfig",
    "GPSLayerParams",
    "GPSLayerState",
    "GPSParams",
    "GPSState",
    "gps_layer",
    "gps_network",
    "init_gps_layer",
    "init_gps_network",
]

LOCAL = ("gcn", "sage", "gine", "gated_gcn", "pna")


@dataclass(frozen=True)
class GPSConfig:
    """A GraphGPS network; the default is that of ZINC.

    Args:
      inputs: features and encodings of the graphs.
      out_features: targets or classes.
      width: D of nodes and edges, divisible by `heads`.
      num_layers: L.
      heads: H of the attention.
      local: "gcn", "sage", "gine", "gated_gcn" or "pna"; None = attention alone.
      attention: whether there is global attention; False = message passing alone.
      score, normalizer: at the seams of the attention; see `ga.attention.graph_transformer`.
      norm: "batch" or "layer".
      dropout: on the outputs of message passing, attention and feed-forward maps.
      attention_dropout: on the attention weights.
      pool: "sum", "mean", "max", or None for predictions of nodes.
      log_degree_mean: of the data set, for "pna"; see `ga.message_passing.log_degree_mean`.

    Raises:
      ValueError: unknown options, neither `local` nor `attention`, sizes.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.models.GPSConfig.zinc().num_layers
      10
    """

    inputs: InputSpec
    out_features: int = 1
    width: int = 64
    num_layers: int = 10
    heads: int = 4
    local: str | None = "gine"
    attention: bool = True
    score: str = "standard"
    normalizer: str = "softmax"
    norm: str = "batch"
    dropout: float = 0.0
    attention_dropout: float = 0.5
    pool: str | None = "sum"
    log_degree_mean: float = 1.0

    def __post_init__(self) -> None:
        if self.local is not None:
            _checks.choice("local", self.local, LOCAL)
        elif not self.attention:
            raise ValueError("local=None needs attention=True: a layer must have one of the two.")
        _checks.choice("norm", self.norm, NORMS)
        _checks.choice("score", self.score, attention.SCORES)
        _checks.choice("normalizer", self.normalizer, ops.NORMALIZERS)
        _checks.positive("num_layers", self.num_layers)
        _checks.divisible("width", self.width, self.heads, "heads")

    @classmethod
    def zinc(cls, **changes: Any) -> GPSConfig:
        """ZINC with walks: 423,717 parameters and an ε per layer, published MAE 0.070 ± 0.004."""
        inputs = InputSpec(nodes=(28,), edges=(4,), encoding=20, encoding_width=28)
        return cls(**{"inputs": inputs} | changes)

    @classmethod
    def peptides(cls, **changes: Any) -> GPSConfig:
        """Peptides-func (10 classes); `out_features=11` for Peptides-struct. Published AP 0.6535 ± 0.0041."""
        inputs = InputSpec((119, 5, 12, 12, 10, 6, 6, 2, 2), (5, 6, 2), 10, 16, encoder="laplacian")
        options = {"width": 96, "num_layers": 4, "local": "gated_gcn", "pool": "mean"}
        return cls(**{"inputs": inputs, "out_features": 10} | options | changes)

    @classmethod
    def molhiv(cls, **changes: Any) -> GPSConfig:
        """ogbg-molhiv. Published ROC-AUC 0.7880 ± 0.0101."""
        inputs = InputSpec((119, 5, 12, 12, 10, 6, 6, 2, 2), (5, 6, 2), 16, 16)
        options = {"local": "gated_gcn", "pool": "mean", "dropout": 0.05}
        return cls(**{"inputs": inputs} | options | changes)


class GPSLayerParams(NamedTuple):
    """Of one layer. local, attention and their norms are None where the layer has none; edge_norm is GatedGCN's."""

    local: Any
    local_norm: NormParams | None
    inner_norm: NormParams | None
    edge_norm: NormParams | None
    attention: attention.GraphTransformerParams | None
    attention_norm: NormParams | None
    feed_forward: nn.MLPParams
    output_norm: NormParams


class GPSLayerState(NamedTuple):
    """Running statistics of the norms of one layer; None for layer norms and absent parts."""

    local_norm: NormState
    inner_norm: NormState
    edge_norm: NormState
    attention_norm: NormState
    output_norm: NormState


class GPSParams(NamedTuple):
    """Inputs, layers, readout."""

    inputs: InputParams
    layers: tuple[GPSLayerParams, ...]
    readout: nn.MLPParams


class GPSState(NamedTuple):
    """Running statistics of inputs and layers."""

    inputs: nn.BatchNormState | None
    layers: tuple[GPSLayerState, ...]


def init_gps_layer(key: PRNGKey, config: GPSConfig) -> tuple[GPSLayerParams, GPSLayerState]:
    """Parameters and running statistics of a `gps_layer`.

    Args:
      key: typed PRNG key.
      config: its inputs and readout are not read.

    Returns:
      `(GPSLayerParams, GPSLayerState)`.

    Raises:
      ValueError: as `GPSConfig`.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params, state = ga.models.init_gps_layer(jax.random.key(0), ga.models.GPSConfig.zinc())
      >>> params.feed_forward.layers[0].weight.shape, state.output_norm.mean.shape
      ((64, 128), (64,))
    """
    width = config.width
    k_local, k_attention, k_feed_forward = jax.random.split(key, 3)
    gated = config.local == "gated_gcn"
    edges = {"edge_features": width} if config.inputs.edges is not None else {}

    def made(present: bool) -> tuple[Any, Any]:
        return init_norm(config.norm, width) if present else (None, None)

    norms = {
        "local_norm": made(config.local is not None),
        "inner_norm": made(gated),
        "edge_norm": made(gated and bool(edges)),
        "attention_norm": made(config.attention),
        "output_norm": made(True),
    }
    local = attention_params = None
    if config.local == "gine":
        local = message_passing.init_gine(k_local, width, width)
    elif config.local is not None:
        init: Callable[..., Any] = getattr(message_passing, f"init_{config.local}")
        local = init(
            k_local, width, width, **(edges if config.local in ("gated_gcn", "pna") else {})
        )
    if config.attention:
        attention_params = attention.init_graph_transformer(
            k_attention,
            width,
            width // config.heads,
            config.heads,
            out_features=width,
            score=config.score,
        )
    params = GPSLayerParams(
        local=local,
        attention=attention_params,
        feed_forward=nn.init_mlp(k_feed_forward, (width, 2 * width, width)),
        **{name: pair[0] for name, pair in norms.items()},
    )
    return params, GPSLayerState(**{name: pair[1] for name, pair in norms.items()})


def gps_layer(
    params: GPSLayerParams,
    state: GPSLayerState,
    graph: Any,
    *,
    config: GPSConfig,
    layout: Any = None,
    training: bool = False,
    dropout_key: Array | None = None,
) -> tuple[Any, GPSLayerState]:
    """One layer: message passing and attention of the same input, summed, then a feed-forward map.

        h_loc = norm( x + drop( MPNN(x, e) ) ),    h_att = norm( x + drop( MHA(x) ) )
        h     = h_loc + h_att,                     x'    = norm( h + drop( W₂ drop( ReLU( W₁ h ) ) ) )

    GatedGCN brings its own residual connections, x + drop(ReLU(norm(x'))) and the same for its edge stream.

    Args:
      params: from `init_gps_layer`.
      state: its running statistics.
      graph: nodes `[N, D]`, edges `[E, D]` if `config.inputs` has edges.
      config: as for init.
      layout: from `ga.graphs.layout(graph, block_size=n)`; optional, faster with it.
      training: dropout, and batch norms by the statistics of this batch.
      dropout_key: typed key, required in training when a rate is positive.

    Returns:
      `(graph, state)`: the graph with new nodes (and edges for GatedGCN), and the renewed statistics.

    Raises:
      ValueError: features that do not fit the parameters, dropout without a key.

    Cost: that of its parts: O(N D² + E D + B n² D).
    Padding: exact on real nodes with a layout, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> config = ga.models.GPSConfig(ga.models.InputSpec(nodes=8), width=8, heads=2)
      >>> params, state = ga.models.init_gps_layer(jax.random.key(0), config)
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 8, dtype=np.float32))
      >>> ga.models.gps_layer(params, state, graph, config=config)[0].nodes.shape
      (2, 8)

    Source: Rampášek et al., "Recipe for a General, Powerful, Scalable Graph Transformer", NeurIPS 2022,
      arXiv:2205.12454, equations 2 to 5.
    """
    node_mask, edge_mask = (None, None) if layout is None else (layout.node_mask, layout.edge_mask)
    rate = config.dropout if training else 0.0
    attention_rate = config.attention_dropout if training else 0.0
    keys = split_or_none(dropout_key, 0, 6)
    new = state._asdict()

    def normed(name: str, x: Array, where: Any = node_mask) -> Array:
        x, new[name] = norm(
            getattr(params, name), getattr(state, name), x, where=where, training=training
        )
        return x

    x, branches, edges = graph.nodes, [], graph.edges
    if params.local is not None:
        out = _message(params.local, graph, config, layout)
        h = out.nodes
        if config.local == "gated_gcn":
            h = x + ops.dropout(jax.nn.relu(normed("inner_norm", h)), rate, keys[0])
            if params.edge_norm is not None:
                gates = jax.nn.relu(normed("edge_norm", out.edges, edge_mask))
                edges = edges + ops.dropout(gates, rate, keys[1])
        else:
            h = x + ops.dropout(h, rate, keys[0])
        branches.append(normed("local_norm", h))
    if params.attention is not None:
        out = attention.global_attention(
            params.attention,
            graph,
            layout=layout,
            score=config.score,
            normalizer=config.normalizer,
            dropout_rate=attention_rate,
            dropout_key=keys[2] if attention_rate else None,
        )
        branches.append(normed("attention_norm", x + ops.dropout(out.nodes, rate, keys[3])))
    h = sum(branches[1:], start=branches[0])
    moved = nn.mlp(params.feed_forward, h, dropout_rate=rate, dropout_key=keys[4])
    x = normed("output_norm", h + ops.dropout(moved, rate, keys[5]))
    return graph._replace(nodes=x, edges=edges), GPSLayerState(**new)


def _message(params: Any, graph: Any, config: GPSConfig, layout: Any) -> Any:
    layer: Callable[..., Any] = getattr(message_passing, str(config.local))
    options: dict[str, Any] = {"layout": layout}
    if config.local == "gine":
        options["add_edges"] = config.inputs.edges is not None
    elif config.local == "pna":
        options["log_degree_mean"] = config.log_degree_mean
    return layer(params, graph, **options)


def init_gps_network(key: PRNGKey, config: GPSConfig) -> tuple[GPSParams, GPSState]:
    """Parameters and running statistics of a `gps_network`.

    Args:
      key: typed PRNG key.
      config: the network.

    Returns:
      `(GPSParams, GPSState)`.

    Raises:
      ValueError: as `GPSConfig`.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params, state = ga.models.init_gps_network(jax.random.key(0), ga.models.GPSConfig.zinc())
      >>> sum(leaf.size for leaf in jax.tree.leaves(params))
      423727
    """
    k_inputs, k_readout, *keys = jax.random.split(key, config.num_layers + 2)
    inputs, input_state = init_inputs(k_inputs, config.inputs, config.width)
    layers = [init_gps_layer(k, config) for k in keys]
    params = GPSParams(
        inputs=inputs,
        layers=tuple(params for params, _ in layers),
        readout=init_readout(k_readout, config.width, config.out_features),
    )
    return params, GPSState(input_state, tuple(state for _, state in layers))


def gps_network(
    params: GPSParams,
    state: GPSState,
    graph: Any,
    *,
    config: GPSConfig,
    layout: Any = None,
    training: bool = False,
    dropout_key: Array | None = None,
) -> tuple[Array, GPSState]:
    """Predictions of graphs (or nodes) by GraphGPS.

        x, e = inputs(graph),    x, e ← layer(x, e)  L times,    y = MLP( pool(x) )

    Args:
      params: from `init_gps_network`.
      state: its running statistics.
      graph: features and encodings as `encode_inputs` takes them.
      config: as for init.
      layout: from `ga.graphs.layout(graph, block_size=n)`; optional, faster with it.
      training: dropout, random signs of eigenvectors, and batch norms by the statistics of this batch.
      dropout_key: typed key, required in training when something is random.

    Returns:
      `(y, state)`: y `[G, T]` (`[N, T]` without pooling), and the renewed statistics.

    Raises:
      ValueError: features that do not fit the config, dropout without a key.

    Cost: that of its layers.
    Padding: exact on real graphs with a layout.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> config = ga.models.GPSConfig(ga.models.InputSpec(nodes=(5,)), width=16, num_layers=2)
      >>> params, state = ga.models.init_gps_network(jax.random.key(0), config)
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.array([3, 4]))
      >>> ga.models.gps_network(params, state, graph, config=config)[0].shape
      (1, 1)

    Source: Rampášek et al., "Recipe for a General, Powerful, Scalable Graph Transformer", NeurIPS 2022,
      arXiv:2205.12454; widths, rates and heads of the authors' configurations.
    """
    (flip_key,) = split_or_none(dropout_key, len(params.layers), 1)
    graph, input_state = encode_inputs(
        params.inputs,
        state.inputs,
        graph,
        spec=config.inputs,
        layout=layout,
        training=training,
        flip_key=flip_key if training else None,
    )
    states = []
    for index, (layer, layer_state) in enumerate(zip(params.layers, state.layers, strict=True)):
        (key,) = split_or_none(dropout_key, index, 1)
        graph, layer_state = gps_layer(
            layer,
            layer_state,
            graph,
            config=config,
            layout=layout,
            training=training,
            dropout_key=key,
        )
        states.append(layer_state)
    y = readout(params.readout, graph, method=config.pool, layout=layout)
    return y, GPSState(input_state, tuple(states))
