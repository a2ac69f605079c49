"""One layer of GraphGPS, Exphormer and SAN: message passing and attention side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from graphattn_jax import _checks, attention, message_passing, nn, ops
from graphattn_jax.models._inputs import InputSpec
from graphattn_jax.models._norm import NORMS, NormParams, NormState, init_norm, norm
from graphattn_jax.models._plain_network import split_or_none
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["GPSConfig", "GPSLayerParams", "GPSLayerState", "gps_layer", "init_gps_layer"]

LOCAL = ("gcn", "sage", "gine", "gated_gcn", "pna")
ATTENTION = ("transformer", "exphormer", "san")


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
      attention: "transformer", among all nodes of a graph; "exphormer" or "san", on the pairs of a pattern, which
        `prepare_exphormer` or `prepare_san` makes; None = message passing alone.
      num_virtual: virtual nodes per graph, as in `prepare_exphormer`.
      gamma: γ of "san", the weight of the pairs that are no edges.
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
    attention: str | None = "transformer"
    num_virtual: int = 0
    gamma: float = 1e-5
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
        elif self.attention is None:
            raise ValueError("local=None needs attention=: a layer must have one of the two.")
        _checks.choice("attention", self.attention, (*ATTENTION, None))
        if self.num_virtual:
            _checks.positive("num_virtual", self.num_virtual)
            _checks.choice("attention with num_virtual", self.attention, ("exphormer",))
        _checks.choice("norm", self.norm, NORMS)
        _checks.choice("score", self.score, attention.SCORES)
        _checks.choice("normalizer", self.normalizer, ops.NORMALIZERS)
        _checks.positive("num_layers", self.num_layers)
        _checks.divisible("width", self.width, self.heads, "heads")

    @property
    def attends_pattern(self) -> bool:
        """Whether the network needs `pattern=`."""
        return self.attention in ("exphormer", "san")

    @classmethod
    def zinc(cls, **changes: Any) -> GPSConfig:
        """ZINC with walks: 423,717 parameters and an ε per layer, published MAE 0.070 ± 0.004."""
        inputs = InputSpec(nodes=(28,), edges=(4,), encoding=20, encoding_width=28)
        options: dict[str, Any] = {"inputs": inputs}
        return cls(**options | changes)

    @classmethod
    def san_zinc(cls, **changes: Any) -> GPSConfig:
        """SAN on ZINC, attention alone: 504,849 parameters. Published MAE 0.139 ± 0.006 with 508,577."""
        inputs = InputSpec((28,), (4,), encoding=10, encoding_width=16, encoder="san")
        options: dict[str, Any] = {"inputs": inputs, "attention": "san", "local": None}
        options |= {"heads": 8, "attention_dropout": 0.0, "pool": "mean"}
        return cls(**options | changes)

    @classmethod
    def exphormer_pattern(cls, **changes: Any) -> GPSConfig:
        """Exphormer on PATTERN, an expander of degree 7 and 4 virtual nodes. Published accuracy 86.74 ± 0.015."""
        inputs = InputSpec(3, encoding=10, encoding_width=16, encoder="laplacian")
        options: dict[str, Any] = {"inputs": inputs, "width": 40, "num_layers": 4, "heads": 4}
        options |= {"attention": "exphormer", "num_virtual": 4, "local": "gated_gcn", "pool": None}
        return cls(**options | changes)

    @classmethod
    def exphormer_cluster(cls, **changes: Any) -> GPSConfig:
        """Exphormer on CLUSTER, an expander of degree 3 and 3 virtual nodes. Published accuracy 78.07 ± 0.037."""
        inputs = InputSpec(7, encoding=10, encoding_width=16, encoder="laplacian")
        options: dict[str, Any] = {"inputs": inputs, "out_features": 6, "width": 32}
        options |= {"num_layers": 20, "heads": 8, "num_virtual": 3}
        return cls.exphormer_pattern(**options | changes)

    @classmethod
    def peptides(cls, **changes: Any) -> GPSConfig:
        """Peptides-func (10 classes); `out_features=11` for Peptides-struct. Published AP 0.6535 ± 0.0041."""
        inputs = InputSpec((119, 5, 12, 12, 10, 6, 6, 2, 2), (5, 6, 2), 10, 16, encoder="laplacian")
        options: dict[str, Any] = {"inputs": inputs, "out_features": 10, "width": 96}
        options |= {"num_layers": 4, "local": "gated_gcn", "pool": "mean"}
        return cls(**options | changes)

    @classmethod
    def molhiv(cls, **changes: Any) -> GPSConfig:
        """ogbg-molhiv. Published ROC-AUC 0.7880 ± 0.0101."""
        inputs = InputSpec((119, 5, 12, 12, 10, 6, 6, 2, 2), (5, 6, 2), 16, 16)
        options: dict[str, Any] = {"inputs": inputs, "local": "gated_gcn"}
        options |= {"pool": "mean", "dropout": 0.05}
        return cls(**options | changes)


class GPSLayerParams(NamedTuple):
    """Of one layer. local, attention and their norms are None where the layer has none; edge_norm is GatedGCN's."""

    local: Any
    local_norm: NormParams | None
    inner_norm: NormParams | None
    edge_norm: NormParams | None
    attention: Any
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
        "attention_norm": made(config.attention is not None),
        "output_norm": made(True),
    }
    local = None
    if config.local == "gine":
        local = message_passing.init_gine(k_local, width, width)
    elif config.local is not None:
        init: Callable[..., Any] = getattr(message_passing, f"init_{config.local}")
        local = init(
            k_local, width, width, **(edges if config.local in ("gated_gcn", "pna") else {})
        )
    params = GPSLayerParams(
        local=local,
        attention=_init_attention(k_attention, config),
        feed_forward=nn.init_mlp(k_feed_forward, (width, 2 * width, width)),
        **{name: pair[0] for name, pair in norms.items()},
    )
    return params, GPSLayerState(**{name: pair[1] for name, pair in norms.items()})


def _init_attention(key: PRNGKey, config: GPSConfig) -> Any:
    """The layer of the attention. Exphormer's has no output map, as in the authors' code."""
    width = config.width
    options: dict[str, Any] = {"score": config.score}
    sizes = (width, width // config.heads, config.heads)
    if config.attention == "transformer":
        return attention.init_graph_transformer(key, *sizes, out_features=width, **options)
    if config.attention == "exphormer":
        return attention.init_exphormer(key, *sizes, width, **options)
    if config.attention == "san":
        return attention.init_san(key, *sizes, width, out_features=width, **options)
    return None


def gps_layer(
    params: GPSLayerParams,
    state: GPSLayerState,
    graph: Any,
    *,
    config: GPSConfig,
    layout: Any = None,
    pattern: Any = None,
    pattern_layout: Any = None,
    real: Any = None,
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
      pattern: for "exphormer" and "san", the pairs that attend: edges `[E_p, D]` on the nodes of the graph.
      pattern_layout: from `ga.graphs.layout(pattern)`.
      real: for "san", `[E_p]` bool, which pairs are edges of the graph.
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
        options: dict[str, Any] = {
            "score": config.score,
            "normalizer": config.normalizer,
            "dropout_rate": attention_rate,
            "dropout_key": keys[2] if attention_rate else None,
        }
        if config.attention == "transformer":
            out: Any = attention.global_attention(params.attention, graph, layout=layout, **options)
        else:
            options |= {"layout": pattern_layout}
            options |= {"real": real, "gamma": config.gamma} if config.attention == "san" else {}
            attend: Callable[..., Any] = getattr(attention, str(config.attention))
            out = attend(params.attention, pattern._replace(nodes=x), **options)
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
