"""GRIT: attention from an edge stream of random walks, in blocks with batch norms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks, attention, encodings, graphs, nn, ops
from graphattn_jax.graphs._types import to_host
from graphattn_jax.models._inputs import check_prepared, features, init_features
from graphattn_jax.models._norm import NORMS, NormParams, NormState, init_norm, norm
from graphattn_jax.models._patterns import pair_rows
from graphattn_jax.models._plain_network import split_or_none
from graphattn_jax.models._readout import readout
from graphattn_jax.typing import Array, PRNGKey

__all__ = [
    "GRITConfig",
    "GRITNetworkParams",
    "GRITNetworkState",
    "grit_network",
    "init_grit_network",
    "prepare_grit",
]


@dataclass(frozen=True)
class GRITConfig:
    """A GRIT network; the graphs come from `prepare_grit`.

    Args:
      nodes: width of float features (an int), or the number of categories of each column of ids (a tuple).
      edges: the same for edges; `(1,)` for graphs without edge features.
      walks: K, the number of steps of the random walks.
      out_features: targets or classes.
      width: D of nodes and pairs, divisible by `heads`.
      num_layers: L.
      heads: H of the attention.
      score, normalizer: at the seams of the attention; see `ga.attention.grit`.
      norm: "batch" or "layer".
      dropout: on the outputs of attention and feed-forward maps.
      attention_dropout: on the attention weights.
      pool: "sum", "mean", "max", or None for predictions of nodes.
      hidden: widths of the readout's hidden layers.

    Raises:
      ValueError: unknown options, sizes.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.models.GRITConfig.zinc(normalizer="sinkhorn").walks
      21
    """

    nodes: int | tuple[int, ...]
    edges: int | tuple[int, ...] = (1,)
    walks: int = 21
    out_features: int = 1
    width: int = 64
    num_layers: int = 10
    heads: int = 8
    score: str = "standard"
    normalizer: str = "softmax"
    norm: str = "batch"
    dropout: float = 0.0
    attention_dropout: float = 0.2
    pool: str | None = "sum"
    hidden: tuple[int, ...] = (32, 16)

    def __post_init__(self) -> None:
        _checks.choice("norm", self.norm, NORMS)
        _checks.choice("score", self.score, attention.SCORES)
        _checks.choice("normalizer", self.normalizer, ops.NORMALIZERS)
        _checks.positive("walks", self.walks)
        _checks.positive("num_layers", self.num_layers)
        _checks.divisible("width", self.width, self.heads, "heads")

    @classmethod
    def zinc(cls, **changes: Any) -> GRITConfig:
        """ZINC, whose atoms are below 21: published MAE 0.059 ± 0.002 with these 473,473 parameters."""
        inputs: dict[str, Any] = {"nodes": (21,), "edges": (4,)}
        return cls(**inputs | changes)

    @classmethod
    def pattern(cls, **changes: Any) -> GRITConfig:
        """PATTERN, one logit per node: published accuracy 87.196 ± 0.076."""
        options: dict[str, Any] = {"nodes": 3, "pool": None, "hidden": (64, 64)}
        return cls(**options | changes)

    @classmethod
    def cluster(cls, **changes: Any) -> GRITConfig:
        """CLUSTER, six classes of nodes: published accuracy 80.026 ± 0.277."""
        options: dict[str, Any] = {"nodes": 7, "walks": 32, "out_features": 6, "width": 48}
        options |= {"num_layers": 16, "hidden": (48, 48), "pool": None}
        options |= {"dropout": 0.01, "attention_dropout": 0.5}
        return cls(**options | changes)

    @classmethod
    def peptides_func(cls, **changes: Any) -> GRITConfig:
        """Peptides-func, 10 classes: published AP 0.6988 ± 0.0082."""
        options: dict[str, Any] = {"nodes": (119, 5, 12, 12, 10, 6, 6, 2, 2), "edges": (5, 6, 2)}
        options |= {"walks": 17, "width": 96, "num_layers": 4, "heads": 4, "attention_dropout": 0.5}
        options |= {"out_features": 10, "hidden": (), "pool": "mean"}
        return cls(**options | changes)

    @classmethod
    def peptides_struct(cls, **changes: Any) -> GRITConfig:
        """Peptides-struct, 11 targets: published MAE 0.2460 ± 0.0012."""
        options = {"out_features": 11, "heads": 8, "walks": 24}
        rates = {"dropout": 0.05, "attention_dropout": 0.2}
        return cls.peptides_func(**options | rates | changes)


class GRITBlockParams(NamedTuple):
    """Of one block: attention, scaler, output maps of nodes and pairs, feed-forward map, and three norms."""

    attention: attention.GRITParams
    degree_scaler: attention.DegreeScalerParams
    node_output: nn.LinearParams
    edge_output: nn.LinearParams
    feed_forward: nn.MLPParams
    node_norm: NormParams
    edge_norm: NormParams
    output_norm: NormParams


class GRITBlockState(NamedTuple):
    """Running statistics of the norms of one block; None for layer norms."""

    node_norm: NormState
    edge_norm: NormState
    output_norm: NormState


class GRITNetworkParams(NamedTuple):
    """Maps of features and walks for nodes and pairs, blocks (`ga.nn.unstack` gives them one by one), readout."""

    nodes: nn.LinearParams | nn.EmbeddingParams
    edges: nn.LinearParams | nn.EmbeddingParams
    node_walks: nn.LinearParams
    edge_walks: nn.LinearParams
    blocks: GRITBlockParams
    readout: nn.MLPParams


class GRITNetworkState(NamedTuple):
    """Running statistics of the blocks."""

    blocks: GRITBlockState


def prepare_grit(
    graph: graphs.GraphsTuple,
    walks: int,
    *,
    sparse: bool = False,
    symmetric: bool = False,
    directed: str = "error",
) -> graphs.GraphsTuple:
    """A graph or batch as `grit_network` takes it: all pairs, their random walks, and what was an edge.

    Args:
      graph: nodes `[N, ...]`, edges `[E, ...]` or None, without padding.
      walks: K ≥ 2, the steps 0 to K − 1 of the walks.
      sparse: keep the graph's own edges instead of all pairs: SparseGRIT. A self-loop must be there to attend.
      symmetric: the symmetric walks of `rrwp`, for symmetric attention.
      directed: as `rrwp`.

    Returns:
      The graph with nodes `{"features", "walks" [N, K], "log_degree" [N]}` and an edge per pair with
      `{"features", "walks" [E, K], "real" [E] bool}`. A pair that is no edge has zeros for features; where the graph
      has no edge features they are one category. `batch`, `pad` and `unbatch` take it like any other.

    Raises:
      ValueError: a padded graph, K < 2, a directed graph with `directed="error"`.

    Cost: that of `rrwp` on the pairs.

    Padding: apply before `pad`.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1], nodes=np.array([5, 6, 7]))
      >>> prepared = ga.models.prepare_grit(path, 4)
      >>> prepared.edges["walks"].shape, int(prepared.edges["real"].sum())
      ((9, 4), 4)

    Source: Ma et al., "Graph Inductive Biases in Transformers without Message Passing", ICML 2023, arXiv:2305.17589,
      section 3.1.
    """
    _checks.positive("walks", walks)
    if walks == 1:
        raise ValueError("walks must be at least 2, got 1: a walk of no step is the node itself.")
    graph = to_host(graph, "prepare_grit")
    num_nodes, num_edges = graphs.num_nodes(graph), graphs.num_edges(graph)
    if sparse:
        pairs, edge_ids = graph, np.arange(num_edges)
    else:
        pairs, edge_ids = graphs.all_pairs(graph, return_edge_ids=True)
    bonds = np.zeros((num_edges, 1), np.int32) if graph.edges is None else graph.edges
    returns = encodings.rwse(graph, walks - 1, directed=directed)
    nodes = {
        "features": graph.nodes,
        "walks": np.concatenate([np.ones((num_nodes, 1), np.float32), returns], axis=1),
        "log_degree": np.log1p(graphs.in_degree(graph), dtype=np.float32),
    }
    edges = {
        "features": pair_rows(bonds, edge_ids),
        "walks": encodings.rrwp(
            graph, walks, pattern=pairs, symmetric=symmetric, directed=directed
        ),
        "real": edge_ids >= 0,
    }
    return pairs._replace(nodes=nodes, edges=edges)


def init_grit_network(
    key: PRNGKey, config: GRITConfig
) -> tuple[GRITNetworkParams, GRITNetworkState]:
    """Parameters and running statistics of a `grit_network`.

    Args:
      key: typed PRNG key.
      config: the network.

    Returns:
      `(GRITNetworkParams, GRITNetworkState)`.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> config = ga.models.GRITConfig.zinc()
      >>> params, state = ga.models.init_grit_network(jax.random.key(0), config)
      >>> sum(leaf.size for leaf in jax.tree.leaves(params))
      473473
    """
    width = config.width
    k_nodes, k_edges, k_walks, k_pairs, k_readout, *keys = jax.random.split(
        key, config.num_layers + 5
    )
    blocks, states = nn.stack([_init_block(k, config) for k in keys])
    params = GRITNetworkParams(
        nodes=init_features(k_nodes, config.nodes, width),
        edges=init_features(k_edges, config.edges, width),
        node_walks=nn.init_linear(k_walks, config.walks, width, bias=False),
        edge_walks=nn.init_linear(k_pairs, config.walks, width, bias=False),
        blocks=blocks,
        readout=nn.init_mlp(k_readout, (width, *config.hidden, config.out_features)),
    )
    return params, GRITNetworkState(states)


def _init_block(key: PRNGKey, config: GRITConfig) -> tuple[GRITBlockParams, GRITBlockState]:
    width = config.width
    k_attention, k_scaler, k_nodes, k_edges, k_feed_forward = jax.random.split(key, 5)
    norms = {name: init_norm(config.norm, width) for name in GRITBlockState._fields}
    params = GRITBlockParams(
        attention=attention.init_grit(
            k_attention,
            width,
            width // config.heads,
            config.heads,
            edge_features=width,
            score=config.score,
        ),
        degree_scaler=attention.init_degree_scaler(k_scaler, width),
        node_output=nn.init_linear(k_nodes, width, width),
        edge_output=nn.init_linear(k_edges, width, width),
        feed_forward=nn.init_mlp(k_feed_forward, (width, 2 * width, width)),
        **{name: pair[0] for name, pair in norms.items()},
    )
    return params, GRITBlockState(**{name: pair[1] for name, pair in norms.items()})


def grit_network(
    params: GRITNetworkParams,
    state: GRITNetworkState,
    graph: Any,
    *,
    config: GRITConfig,
    layout: Any = None,
    training: bool = False,
    dropout_key: Array | None = None,
) -> tuple[Array, GRITNetworkState]:
    """Predictions of graphs (or nodes) by GRIT.

        x_i = W f_i + P p_ii,      e_ij = [ (i, j) an edge ] W_e f_ij + P_e p_ij
        x̂, ê = grit(x, e),         x = BN( x + W_x scaled(x̂) ),    e = BN( e + W_p ê )
        x = BN( x + W₂ ReLU( W₁ x ) ),          y = MLP( pool(x) )

    with p the random walks and scaled the `degree_scaler`; all but the first line and y are repeated L times.

    Args:
      params: from `init_grit_network`.
      state: its running statistics.
      graph: from `prepare_grit` with K = `config.walks`.
      config: as for init.
      layout: from `ga.graphs.layout`; optional, faster with it.
      training: dropout, and batch norms by the statistics of this batch.
      dropout_key: typed key, required in training when a rate is positive.

    Returns:
      `(y, state)`: y `[G, T]` (`[N, T]` without pooling), and the renewed statistics.

    Raises:
      ValueError: a graph that was not prepared, features that do not fit the config, dropout without a key.

    Cost: O(L (N D² + E D²)) with E the pairs.
    Padding: exact on real graphs with a layout, values, gradients and statistics.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> config = ga.models.GRITConfig((5,), walks=4, width=16, num_layers=2, heads=2)
      >>> params, state = ga.models.init_grit_network(jax.random.key(0), config)
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.array([3, 4]))
      >>> graph = ga.models.prepare_grit(graph, config.walks)
      >>> ga.models.grit_network(params, state, graph, config=config)[0].shape
      (1, 1)

    Source: Ma, Lin, Lim, Romero-Soriano, Dokania, Coates, Torr, Lim, "Graph Inductive Biases in Transformers without
      Message Passing", ICML 2023, arXiv:2305.17589, section 3; biases, norms and readouts of the authors' code.
    """
    check_prepared(graph, "prepare_grit", {"walks", "log_degree"}, {"walks", "real"})
    if training:
        _checks.dropout(max(config.dropout, config.attention_dropout), dropout_key)
    nodes, edges = graph.nodes, graph.edges
    x = features(params.nodes, nodes["features"]) + nn.linear(params.node_walks, nodes["walks"])
    bonds = jnp.where(edges["real"][:, None], features(params.edges, edges["features"]), 0)
    e = bonds + nn.linear(params.edge_walks, edges["walks"])
    graph, states = graph._replace(nodes=x, edges=e), []
    for index, (block, block_state) in enumerate(nn.unstack((params.blocks, state.blocks))):
        graph, block_state = _block(
            block,
            block_state,
            graph,
            nodes["log_degree"],
            config,
            layout,
            training,
            split_or_none(dropout_key, index, 5),
        )
        states.append(block_state)
    y = readout(params.readout, graph, method=config.pool, layout=layout)
    return y, GRITNetworkState(nn.stack(states))


def _block(
    params: GRITBlockParams,
    state: GRITBlockState,
    graph: Any,
    log_degree: Any,
    config: GRITConfig,
    layout: Any,
    training: bool,
    keys: tuple[Array | None, ...],
) -> tuple[Any, GRITBlockState]:
    node_mask, edge_mask = (None, None) if layout is None else (layout.node_mask, layout.edge_mask)
    rate = config.dropout if training else 0.0
    attention_rate = config.attention_dropout if training else 0.0

    def normed(name: str, x: Array, where: Any) -> tuple[Array, NormState]:
        return norm(getattr(params, name), getattr(state, name), x, where=where, training=training)

    out: Any = attention.grit(
        params.attention,
        graph,
        layout=layout,
        score=config.score,
        normalizer=config.normalizer,
        dropout_rate=attention_rate,
        dropout_key=keys[0] if attention_rate else None,
    )
    heard = ops.dropout(out.nodes, rate, keys[1])
    heard = attention.degree_scaler(params.degree_scaler, heard, log_degree)
    stream = ops.dropout(out.edges, rate, keys[2])
    x, node_state = normed(
        "node_norm", graph.nodes + nn.linear(params.node_output, heard), node_mask
    )
    e, edge_state = normed(
        "edge_norm", graph.edges + nn.linear(params.edge_output, stream), edge_mask
    )
    moved = nn.mlp(params.feed_forward, x, dropout_rate=rate, dropout_key=keys[3])
    x, output_state = normed("output_norm", x + ops.dropout(moved, rate, keys[4]), node_mask)
    return graph._replace(nodes=x, edges=e), GRITBlockState(node_state, edge_state, output_state)
