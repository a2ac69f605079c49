"""Graphormer: a transformer over all pairs, biased by their distances and by the bonds between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks, attention, encodings, graphs, nn, ops
from graphattn_jax.graphs._types import to_host
from graphattn_jax.models._inputs import check_prepared, features, init_features
from graphattn_jax.models._plain_network import split_or_none
from graphattn_jax.models._pooling import pool
from graphattn_jax.typing import Array, PRNGKey

__all__ = [
    "GraphormerConfig",
    "GraphormerParams",
    "graphormer_network",
    "init_graphormer_network",
    "prepare_graphormer",
]

MOST_CATEGORIES = np.iinfo(np.int16).max
"""Bonds along paths are the bulk of a prepared graph, and stored as int16."""


@dataclass(frozen=True)
class GraphormerConfig:
    """A Graphormer; the graphs come from `prepare_graphormer`.

    Args:
      nodes: width of float features (an int), or the number of categories of each column of ids (a tuple).
      edges: the number of categories of each column of bond ids; None = no term of the bonds along paths.
      out_features: targets or classes.
      width: D, divisible by `heads`.
      feed_forward: units of the feed-forward maps.
      num_layers: L.
      heads: H of the attention.
      max_distance: K, the longest distance with a bias of its own, and the longest path.
      max_degree: the largest degree told apart.
      common_neighbours: a bias by the number of common neighbours; this library's, not the paper's.
      score, normalizer: at the seams of the attention; see `ga.attention.graph_transformer`.
      dropout: on the input and on the outputs of attention and feed-forward maps.
      attention_dropout: on the attention weights.

    Raises:
      ValueError: unknown options, sizes.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.models.GraphormerConfig.zinc_slim().width
      80
    """

    nodes: int | tuple[int, ...]
    edges: tuple[int, ...] | None = None
    out_features: int = 1
    width: int = 80
    feed_forward: int = 80
    num_layers: int = 12
    heads: int = 8
    max_distance: int = 20
    max_degree: int = 62
    common_neighbours: bool = False
    score: str = "standard"
    normalizer: str = "softmax"
    dropout: float = 0.1
    attention_dropout: float = 0.1

    def __post_init__(self) -> None:
        _checks.choice("score", self.score, attention.SCORES)
        _checks.choice("normalizer", self.normalizer, ops.NORMALIZERS)
        _checks.positive("num_layers", self.num_layers)
        _checks.divisible("width", self.width, self.heads, "heads")

    @classmethod
    def zinc_slim(cls, **changes: Any) -> GraphormerConfig:
        """ZINC: published MAE 0.122 ± 0.006 with 489,321 parameters; 484,705 here, without spare rows of tables."""
        inputs: dict[str, Any] = {"nodes": (28,), "edges": (4,)}
        return cls(**inputs | changes)

    @classmethod
    def molhiv(cls, **changes: Any) -> GraphormerConfig:
        """ogbg-molhiv, the base size: published ROC-AUC 0.8051 ± 0.0053, pretrained on PCQM4M."""
        inputs: dict[str, Any] = {"nodes": (119, 5, 12, 12, 10, 6, 6, 2, 2), "edges": (5, 6, 2)}
        sizes: dict[str, Any] = {"width": 768, "feed_forward": 768, "heads": 32}
        return cls(**inputs | sizes | changes)


class GraphormerBlockParams(NamedTuple):
    """Of one block: norm and attention, then norm and feed-forward map."""

    attention_norm: nn.LayerNormParams
    attention: attention.GraphTransformerParams
    feed_forward_norm: nn.LayerNormParams
    feed_forward: nn.MLPParams


class GraphormerParams(NamedTuple):
    """Maps of features, degrees, the virtual node `[D]`, the bias of all blocks, output norm and map; blocks, which
    `ga.nn.unstack` gives one by one.

    bonds: a table `[K_c, H]` per column of bond ids, which the paths of the bias read, or None.
    """

    nodes: nn.LinearParams | nn.EmbeddingParams
    centrality: encodings.CentralityParams
    virtual: Array
    bias: encodings.GraphormerBiasParams
    bonds: nn.EmbeddingParams | None
    blocks: GraphormerBlockParams
    output_norm: nn.LayerNormParams
    output: nn.LinearParams


def prepare_graphormer(
    graph: graphs.GraphsTuple,
    max_distance: int,
    *,
    max_degree: int = 62,
    common_neighbours: bool = False,
    directed: str = "error",
) -> graphs.GraphsTuple:
    """A graph or batch as `graphormer_network` takes it: a virtual node, all pairs, and what lies between them.

    Args:
      graph: nodes `[N, ...]`, edges `[E, F]` or `[E]` categories or None, without padding.
      max_distance: K, the longest distance told apart, and the longest path.
      max_degree: the largest degree told apart.
      common_neighbours: count them for each pair.
      directed: as `shortest_path_distances`: "error" or "keep".

    Returns:
      The graph with a virtual node behind the nodes of each graph, nodes `{"features", "in_degree", "out_degree",
      "virtual" [N] bool}`, and all pairs with `{"distance" [E]}`; where the graph has edge features also
      `"path" [E, K, F]`, the categories of the bonds along a shortest path plus 1, 0 behind its end; and
      `"common_neighbours" [E]`. `batch`, `pad` and `unbatch` take it like any other.

    Raises:
      ValueError: a padded graph, sizes that are not positive, edge features that are no categories, a directed graph
        with `directed="error"`.

    Cost: that of `shortest_path_distances` and `edge_features_on_paths` on all pairs; 2 K F bytes per pair.

    Padding: apply before `pad`.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1], nodes=np.array([5, 6, 7]),
      ...     edges=np.array([0, 0, 1, 1]))
      >>> prepared = ga.models.prepare_graphormer(path, 3)
      >>> prepared.edges["distance"].reshape(4, 4)[0].tolist(), prepared.edges["path"][2].ravel().tolist()
      ([0, 1, 2, 6], [1, 2, 0])

    Source: Ying et al., "Do Transformers Really Perform Bad for Graph Representation?" (Graphormer), NeurIPS 2021,
      arXiv:2106.05234, section 3.1.
    """
    graph = to_host(graph, "prepare_graphormer")
    pairs = graphs.all_pairs(graph)
    nodes = {"features": graph.nodes}
    for direction in ("in", "out"):
        degrees = encodings.degree_encoding(graph, max_degree, direction=direction)
        nodes[f"{direction}_degree"] = degrees
    grown = graphs.add_virtual_node(graph._replace(nodes=nodes, edges=None))
    virtual = np.zeros(graphs.num_nodes(grown), bool)
    virtual[np.cumsum(grown.n_node) - 1] = True
    grown = graphs.all_pairs(grown._replace(nodes=grown.nodes | {"virtual": virtual}))
    inside = ~(virtual[grown.senders] | virtual[grown.receivers])

    def spread(rows: np.ndarray, fill: int = 0) -> np.ndarray:
        """From the pairs of the graph, in the same order, to those with the virtual node."""
        out = np.full((len(inside), *rows.shape[1:]), fill, rows.dtype)
        out[inside] = rows
        return out

    options: dict[str, Any] = {"pattern": pairs, "directed": directed}
    distance = encodings.shortest_path_distances(graph, max_distance, **options)
    edges = {"distance": spread(distance, encodings.distance_buckets(max_distance).virtual)}
    if graph.edges is not None:
        paths = encodings.edge_features_on_paths(graph, max_distance, **options)
        edges["path"] = spread(_bonds(graph.edges)[paths])
    if common_neighbours:
        edges["common_neighbours"] = spread(encodings.common_neighbours(graph, pattern=pairs))
    return grown._replace(edges=edges)


def _bonds(edges: np.ndarray) -> np.ndarray:
    """`[E + 1, F]`: the categories plus 1, and a last row of 0 for the id -1."""
    edges = edges[:, None] if edges.ndim == 1 else edges
    _checks.shape("graph.edges", edges, ("E", "F"))
    for column in edges.T:
        _checks.ids("graph.edges", column)
        _checks.ids_in_range("graph.edges", column, MOST_CATEGORIES, "categories")
    return np.pad(edges.astype(np.int16) + np.int16(1), ((0, 1), (0, 0)))


def init_graphormer_network(key: PRNGKey, config: GraphormerConfig) -> GraphormerParams:
    """Parameters of a `graphormer_network`.

    Args:
      key: typed PRNG key.
      config: the network.

    Returns:
      `GraphormerParams`.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> config = ga.models.GraphormerConfig.zinc_slim()
      >>> params = ga.models.init_graphormer_network(jax.random.key(0), config)
      >>> params.bias.distance.shape, params.blocks.attention_norm.scale.shape
      ((24, 8), (12, 80))
    """
    width, heads = config.width, config.heads
    k_nodes, k_degree, k_virtual, k_bias, k_bonds, k_output, *keys = jax.random.split(
        key, config.num_layers + 6
    )
    normal = jax.nn.initializers.normal(0.02)

    def block(key: PRNGKey) -> GraphormerBlockParams:
        k_attention, k_feed_forward = jax.random.split(key)
        return GraphormerBlockParams(
            attention_norm=nn.init_layer_norm(width),
            attention=attention.init_graph_transformer(
                k_attention, width, width // heads, heads, out_features=width, score=config.score
            ),
            feed_forward_norm=nn.init_layer_norm(width),
            feed_forward=nn.init_mlp(k_feed_forward, (width, config.feed_forward, width)),
        )

    return GraphormerParams(
        nodes=init_features(k_nodes, config.nodes, width, init=normal),
        centrality=encodings.init_centrality(k_degree, config.max_degree, width),
        virtual=normal(k_virtual, (width,), jnp.float32),
        bias=encodings.init_graphormer_bias(
            k_bias,
            config.max_distance,
            heads,
            edge_features=None if config.edges is None else heads,
            common_neighbours=config.common_neighbours,
        ),
        bonds=None
        if config.edges is None
        else nn.init_embedding(k_bonds, config.edges, heads, init=normal),
        blocks=nn.stack([block(k) for k in keys]),
        output_norm=nn.init_layer_norm(width),
        output=nn.init_linear(k_output, width, config.out_features),
    )


def graphormer_network(
    params: GraphormerParams,
    graph: Any,
    *,
    config: GraphormerConfig,
    layout: Any = None,
    training: bool = False,
    dropout_key: Array | None = None,
) -> Array:
    """Predictions of graphs by Graphormer.

        x_i = W f_i + z⁻ + z⁺ of its degrees,  v for the virtual node,     b_ij = b_φ(i,j) + c_ij
        x = x + MHA( LN(x), b ),     x = x + W₂ GELU( W₁ LN(x) )           L times, with the same b
        y = W_y LN(x) of the virtual node

    with φ the distance of a pair and c the mean of a learned function of the bonds along its path (`graphormer_bias`).

    Args:
      params: from `init_graphormer_network`.
      graph: from `prepare_graphormer` with `config.max_distance` and `config.max_degree`.
      config: as for init.
      layout: from `ga.graphs.layout`; optional, faster with it.
      training: whether there is dropout.
      dropout_key: typed key, required in training when a rate is positive.

    Returns:
      `[G, T]`.

    Raises:
      ValueError: a graph that was not prepared, or for other terms than the config has; dropout without a key.

    Cost: O(L (N D² + E D) + E K H) with E all pairs.
    Padding: exact on real graphs.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> config = ga.models.GraphormerConfig((5,), width=16, num_layers=2, heads=2, max_distance=3)
      >>> params = ga.models.init_graphormer_network(jax.random.key(0), config)
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.array([3, 4]))
      >>> graph = ga.models.prepare_graphormer(graph, config.max_distance)
      >>> ga.models.graphormer_network(params, graph, config=config).shape
      (1, 1)

    Source: Ying, Cai, Luo, Zheng, Ke, He, Shen, Liu, "Do Transformers Really Perform Bad for Graph Representation?"
      (Graphormer), NeurIPS 2021, arXiv:2106.05234, equations 5 to 9; GELU and the final norm of the authors' code.
    """
    check_prepared(graph, "prepare_graphormer", {"in_degree", "virtual"}, {"distance"})
    nodes, virtual = graph.nodes, jnp.asarray(graph.nodes["virtual"])
    rate = config.dropout if training else 0.0
    attention_rate = config.attention_dropout if training else 0.0
    _checks.dropout(max(rate, attention_rate), dropout_key)
    (input_key,) = split_or_none(dropout_key, config.num_layers, 1)
    bias = _bias(params, graph.edges)
    x = features(params.nodes, nodes["features"])
    x = x + encodings.centrality(params.centrality, nodes["in_degree"], nodes["out_degree"])
    x = jnp.where(virtual[:, None], params.virtual[None], x)
    x = ops.dropout(x, rate, input_key)
    for index, block in enumerate(nn.unstack(params.blocks)):
        keys = split_or_none(dropout_key, index, 3)
        out: Any = attention.graph_transformer(
            block.attention,
            graph._replace(nodes=nn.layer_norm(block.attention_norm, x), edges=None),
            layout=layout,
            score=config.score,
            normalizer=config.normalizer,
            bias=bias,
            dropout_rate=attention_rate,
            dropout_key=keys[0] if attention_rate else None,
        )
        x = x + ops.dropout(out.nodes, rate, keys[1])
        h = nn.layer_norm(block.feed_forward_norm, x)
        h = nn.mlp(block.feed_forward, h, activation="gelu")
        x = x + ops.dropout(h, rate, keys[2])
    x = nn.layer_norm(params.output_norm, x)
    token = pool(graph._replace(nodes=x), "sum", layout=layout, where=virtual)
    return nn.linear(params.output, token)


def _bias(params: GraphormerParams, edges: dict[str, Any]) -> Array:
    """`[E, H]`: the ids of `path_bias` are rows of the tables of bonds, instead of edges of a graph."""
    if (params.bonds is None) != ("path" not in edges):
        raise ValueError(
            'graph.edges["path"] and config.edges must be there both or not at all, got edges of '
            f"{jax.tree.map(_checks.describe, edges)}. Fix: config.edges=None for graphs without edge features."
        )
    bias = encodings.graphormer_bias(
        params.bias._replace(path=None),
        edges["distance"],
        common_neighbours=edges.get("common_neighbours"),
    )
    if params.bonds is None or params.bias.path is None:
        return bias
    _checks.shape('graph.edges["path"]', edges["path"], ("E", "K", len(params.bonds.tables)))
    for column, table in enumerate(params.bonds.tables):
        rows = edges["path"][:, :, column] - np.int16(1)
        bias = bias + encodings.path_bias(params.bias.path, table, rows)
    return bias
