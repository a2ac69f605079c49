"""Graphormer: a transformer over all pairs, biased by their distances and by the bonds between them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks, encodings, graphs, nn
from graphattn_jax.attention import GraphTransformer
from graphattn_jax.models._depth import in_one_program, init_blocks, run_blocks
from graphattn_jax.models._inputs import (
    FeatureParams,
    check_categories,
    check_kind,
    check_prepared,
    features,
    init_features,
)
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._network import Network, Output, check_layer
from graphattn_jax.models._pooling import pool
from graphattn_jax.models._prepare_graphormer import GraphormerEdges, GraphormerNodes
from graphattn_jax.models._widths import Widths, check_width
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["Graphormer", "GraphormerParams"]


class GraphormerBlockParams(NamedTuple):
    """Of one block: norm and layer, then norm and feed-forward map."""

    attention_norm: nn.LayerNormParams
    attention: Any
    feed_forward_norm: nn.LayerNormParams
    feed_forward: nn.MLPParams


class GraphormerParams(NamedTuple):
    """Maps of features, degrees, the virtual node `[D]`, the bias of all blocks, output norm and map; blocks, which
    `ga.nn.unstack` gives one by one.

    bonds: a table `[K_c, H]` per column of bond ids, which the paths of the bias read, or None.
    """

    nodes: FeatureParams
    centrality: encodings.CentralityParams
    virtual: Array
    bias: encodings.GraphormerBiasParams
    bonds: nn.EmbeddingParams | None
    blocks: GraphormerBlockParams
    output_norm: nn.LayerNormParams
    output: nn.LinearParams


@dataclass(frozen=True, repr=False)
class Graphormer(Network):
    """Graphormer: predictions of graphs by a transformer over all pairs, biased by what lies between two nodes.

        x_i = W f_i + z⁻ + z⁺ of its degrees,  v for the virtual node,     b_ij = b_φ(i,j) + c_ij
        x = x + layer( LN(x), b ),   x = x + W₂ GELU( W₁ LN(x) )           L times, with the same b
        y = W_y LN(x) of the virtual node

    with φ the distance of a pair and c the mean of a learned function of the bonds along its path
    (`ga.encodings.graphormer_bias`). The graphs come from `prepare_graphormer`.

    Args:
      nodes: width of float features (an int), or the number of categories of each column of ids (a tuple).
      edges: the number of categories of each column of bond ids; None = no term of the bonds along paths.
      out_features: T, targets or classes.
      width: D.
      feed_forward: units of the feed-forward maps.
      num_layers: L.
      layer: of all blocks, its output as wide as the network. It has `heads`, and its `apply` takes `bias=`.
      max_distance: K, the longest distance with a bias of its own, and the longest path.
      max_degree: the largest degree told apart.
      common_neighbours: a bias by the number of common neighbours; this library's, not the paper's.
      dropout: on the input and on the outputs of attention and feed-forward maps. That of the weights is the layer's.
      scan: one block in a loop instead of L in the program, which compiles faster; see the page on speed.

    Raises:
      ValueError: not such a layer, sizes.

    Cost: O(L (N D² + E D) + E K H) with E all pairs.
    Padding: exact on real graphs.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> layer = ga.attention.GraphTransformer(heads=2, output=True)
      >>> network = ga.models.Graphormer((5,), width=16, num_layers=2, layer=layer, max_distance=3)
      >>> params, state = network.init(jax.random.key(0))
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.array([3, 4]))
      >>> graph = ga.graphs.prepare(ga.models.prepare_graphormer(graph, network.max_distance))
      >>> jax.jit(network.apply)(params, state, graph).prediction.shape
      (1, 1)

    Source: Ying, Cai, Luo, Zheng, Ke, He, Shen, Liu, "Do Transformers Really Perform Bad for Graph Representation?"
      (Graphormer), NeurIPS 2021, arXiv:2106.05234, equations 5 to 9; GELU and the final norm of the authors' code.
    """

    nodes: int | tuple[int, ...]
    edges: tuple[int, ...] | None = None
    out_features: int = 1
    width: int = 80
    feed_forward: int = 80
    num_layers: int = 12
    layer: nn.Layer = GraphTransformer(heads=8, output=True, dropout=0.1)
    max_distance: int = 20
    max_degree: int = 62
    common_neighbours: bool = False
    dropout: float = 0.1
    scan: bool = False

    def __post_init__(self) -> None:
        _checks.switches(self)
        check_kind("nodes", self.nodes)
        if self.edges is not None:
            _checks.instance(
                "edges", self.edges, tuple, "(4,), the number of categories of each column"
            )
            check_kind("edges", self.edges)
        sizes = (
            "out_features",
            "width",
            "feed_forward",
            "num_layers",
            "max_distance",
            "max_degree",
        )
        for name in sizes:
            _checks.positive(name, getattr(self, name))
        check_layer("layer", self.layer, "ga.attention.GraphTransformer(heads=8, output=True)")
        takes_bias = "bias" in inspect.signature(self.layer.apply).parameters
        if not hasattr(self.layer, "heads") or not takes_bias:
            raise ValueError(
                "layer must have heads, and its apply must take bias= (`[E, H]`), as the attention layers of "
                f"ga.attention on edges do; got {self.layer}."
            )
        _checks.rate("dropout", self.dropout)

    @classmethod
    def zinc_slim(cls, **changes: Any) -> Graphormer:
        """ZINC: published MAE 0.122 ± 0.006 with 489,321 parameters; 484,705 here, without spare rows of tables."""
        return replace(cls((28,), (4,)), **changes)

    @classmethod
    def molhiv(cls, **changes: Any) -> Graphormer:
        """ogbg-molhiv, the base size: published ROC-AUC 0.8051 ± 0.0053, pretrained on PCQM4M."""
        published = cls(
            (119, 5, 12, 12, 10, 6, 6, 2, 2),
            (5, 6, 2),
            width=768,
            feed_forward=768,
            layer=GraphTransformer(heads=32, output=True, dropout=0.1),
        )
        return replace(published, **changes)

    @property
    def _heads(self) -> int:
        """H of the layer."""
        return self.layer.heads  # pyright: ignore[reportAttributeAccessIssue]

    @in_one_program
    def init(self, key: PRNGKey) -> tuple[GraphormerParams, None]:
        """Parameters, and no statistics; see `Network.init`.

        Raises:
          ValueError: a layer whose output is not as wide as the network.
        """
        width, heads = self.width, self._heads
        bias = jax.ShapeDtypeStruct((1, heads), jnp.float32)
        check_width("layer", self.layer, Widths(width, None), bias=bias)
        keys = jax.random.split(key, self.num_layers + 6)
        k_nodes, k_degree, k_virtual, k_bias, k_bonds, k_output = keys[:6]
        normal = jax.nn.initializers.normal(0.02)

        def block(key: PRNGKey) -> GraphormerBlockParams:
            k_attention, k_feed_forward = jax.random.split(key)
            return GraphormerBlockParams(
                attention_norm=nn.init_layer_norm(width),
                attention=self.layer.init(k_attention, width),
                feed_forward_norm=nn.init_layer_norm(width),
                feed_forward=nn.init_mlp(k_feed_forward, (width, self.feed_forward, width)),
            )

        bonds = None
        if self.edges is not None:
            bonds = nn.init_embedding(k_bonds, self.edges, heads, init=normal)
        params = GraphormerParams(
            nodes=init_features(k_nodes, self.nodes, width, init=normal),
            centrality=encodings.init_centrality(k_degree, self.max_degree, width),
            virtual=normal(k_virtual, (width,), jnp.float32),
            bias=encodings.init_graphormer_bias(
                k_bias,
                self.max_distance,
                heads,
                edge_features=None if self.edges is None else heads,
                common_neighbours=self.common_neighbours,
            ),
            bonds=bonds,
            blocks=init_blocks(block, keys[6:]),
            output_norm=nn.init_layer_norm(width),
            output=nn.init_linear(k_output, width, self.out_features),
        )
        return params, None

    def apply(
        self,
        params: GraphormerParams,
        state: None,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`.
          graph: from `prepare_graphormer` with `max_distance` and `max_degree`.
          training: whether there is dropout.
          key: typed key, required in training when a rate is positive.

        Returns:
          Predictions `[G, T]`, and how every block attended.

        Raises:
          ValueError: a graph that was not prepared, or for other terms than the network has; dropout without a key.
        """
        _checks.params(params, GraphormerParams, self)
        check_prepared(graph, GraphormerNodes, GraphormerEdges, "prepare_graphormer")
        mode = Mode.of(training, key)
        nodes, virtual = graph.nodes, jnp.asarray(graph.nodes.virtual)
        bias = _bias(params, graph.edges)
        x = nn.real_nodes(graph, nodes.features)
        x = features(params.nodes, x, name="graph.nodes.features")
        x = x + encodings.centrality(params.centrality, nodes.in_degree, nodes.out_degree)
        x = jnp.where(virtual[:, None], params.virtual[None], x)
        x = mode.dropout(x, self.dropout, self.num_layers)

        def block(x: Array, own: GraphormerBlockParams, here: Mode) -> tuple[Any, None, Any]:
            normed = graph._replace(nodes=nn.layer_norm(own.attention_norm, x), edges=None)
            out = here.layer(self.layer, own.attention, normed, 0, bias=bias)
            x = x + here.dropout(out.graph.nodes, self.dropout, 1)
            h = nn.layer_norm(own.feed_forward_norm, x)
            h = nn.mlp(own.feed_forward, h, activation="gelu")
            return x + here.dropout(h, self.dropout, 2), None, out.attention

        x, _, attention = run_blocks(block, x, params.blocks, mode, scan=self.scan)
        x = nn.layer_norm(params.output_norm, x)
        token = pool(graph._replace(nodes=x), "sum", where=virtual)
        return Output(nn.linear(params.output, token), None, attention)

    def check(self, graph: Any) -> None:
        """As `Network.check`: atoms, bonds along paths, distances and degrees."""
        check_prepared(graph, GraphormerNodes, GraphormerEdges, "prepare_graphormer")
        nodes, edges = graph.nodes, graph.edges
        node_mask, edge_mask = graphs.node_mask(graph), graphs.edge_mask(graph)
        check_categories("graph.nodes.features", self.nodes, nodes.features, node_mask)
        for name in ("in_degree", "out_degree"):
            found = np.where(node_mask, getattr(nodes, name), 0)
            _checks.ids_in_range(f"graph.nodes.{name}", found, self.max_degree + 2, "degrees")
        buckets = encodings.distance_buckets(self.max_distance).count
        found = np.where(edge_mask, edges.distance, 0)
        _checks.ids_in_range("graph.edges.distance", found, buckets, "buckets")
        if self.edges is not None and edges.path is not None:
            bonds = np.max(edges.path, axis=1, initial=1) - np.int16(1)
            check_categories("graph.edges.path", self.edges, bonds, edge_mask)


def _bias(params: GraphormerParams, edges: GraphormerEdges) -> Array:
    """`[E, H]`: the ids of `path_bias` are rows of the tables of bonds, instead of edges of a graph."""
    if (params.bonds is None) != (edges.path is None):
        raise ValueError(
            "graph.edges.path and edges=... of the network must be there both or not at all, got a graph "
            f"{'without' if edges.path is None else 'with'} paths. Fix: edges=None for graphs without edge features."
        )
    bias = encodings.graphormer_bias(
        params.bias._replace(path=None),
        edges.distance,
        common_neighbours=edges.common_neighbours,
    )
    if params.bonds is None or params.bias.path is None:
        return bias
    path = edges.path
    assert path is not None
    _checks.shape("graph.edges.path", path, ("E", "K", len(params.bonds.tables)))
    for column, table in enumerate(params.bonds.tables):
        rows = path[:, :, column] - np.int16(1)
        bias = bias + encodings.path_bias(params.bias.path, table, rows)
    return bias
