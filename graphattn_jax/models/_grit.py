"""GRIT: attention from an edge stream of random walks, in blocks with batch norms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, graphs, nn
from graphattn_jax.attention import GRIT, DegreeScaler, DegreeScalerParams
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
from graphattn_jax.models._network import Network, Output, check_arrays, check_layer
from graphattn_jax.models._norm import NORMS, NormParams, NormState, init_norm, norm, real_rows
from graphattn_jax.models._prepare_grit import GRITEdges, GRITNodes
from graphattn_jax.models._readout import Readout
from graphattn_jax.models._widths import Widths, check_width
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GRITNetwork", "GRITNetworkParams", "GRITNetworkState"]


class GRITBlockParams(NamedTuple):
    """Of one block: layer, scaler, output maps of nodes and pairs, feed-forward map, and three norms. edge_output and
    edge_norm are None for a layer without new edge features.
    """

    attention: Any
    degree_scaler: DegreeScalerParams
    node_output: nn.LinearParams
    edge_output: nn.LinearParams | None
    feed_forward: nn.MLPParams
    node_norm: NormParams
    edge_norm: NormParams | None
    output_norm: NormParams


class GRITBlockState(NamedTuple):
    """Running statistics of the norms of one block; None for layer norms and absent ones."""

    node_norm: NormState
    edge_norm: NormState
    output_norm: NormState


class GRITNetworkParams(NamedTuple):
    """Maps of features and walks for nodes and pairs, blocks (`ga.nn.unstack` gives them one by one), readout."""

    nodes: FeatureParams
    edges: FeatureParams
    node_walks: nn.LinearParams
    edge_walks: nn.LinearParams
    blocks: GRITBlockParams
    readout: nn.MLPParams


class GRITNetworkState(NamedTuple):
    """Running statistics of the blocks."""

    blocks: GRITBlockState


@dataclass(frozen=True, repr=False)
class GRITNetwork(Network):
    """GRIT: predictions of graphs (or nodes) by attention from random walks, which each layer renews.

        x_i = W f_i + P p_ii,      e_ij = [ (i, j) an edge ] W_e f_ij + P_e p_ij
        x̂, ê = layer(x, e),        x = norm( x + W_x scaled(x̂) ),    e = norm( e + W_p ê )
        x = norm( x + W₂ ReLU( W₁ x ) ),          y = MLP( pool(x) )

    with p the random walks and scaled the `ga.attention.DegreeScaler`; all but the first line and y are repeated L
    times. The graphs come from `prepare_grit`. A layer without new edge features leaves e as it is.

    Args:
      nodes: width of float features (an int), or the number of categories of each column of ids (a tuple).
      edges: the same for edges; `(1,)` for graphs without edge features.
      walks: K, the number of steps of the random walks.
      out_features: T, targets or classes.
      width: D of nodes and pairs.
      num_layers: L.
      layer: of all blocks, its output as wide as the network.
      norm: "batch" or "layer".
      dropout: on the outputs of attention and feed-forward maps. That of the weights is the layer's.
      pool: "sum", "mean", "max", or None for predictions of nodes.
      hidden: widths of the readout's hidden layers.
      scan: one block in a loop instead of L in the program, which compiles faster; see the page on speed.
      implementation: of the batch norms, None or "reference"; see `ga.nn.with_implementation`.

    Raises:
      ValueError: not a layer, unknown options, sizes.

    Cost: O(L (N D² + E D²)) with E the pairs.
    Padding: exact on real graphs, values, gradients and statistics.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> layer = ga.attention.GRIT(heads=2, normalizer=ga.ops.Sinkhorn())
      >>> network = ga.models.GRITNetwork((5,), walks=4, width=16, num_layers=2, layer=layer)
      >>> params, state = network.init(jax.random.key(0))
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.array([3, 4]))
      >>> graph = ga.graphs.prepare(ga.models.prepare_grit(graph, network.walks))
      >>> jax.jit(network.apply)(params, state, graph).prediction.shape
      (1, 1)

    Source: Ma, Lin, Lim, Romero-Soriano, Dokania, Coates, Torr, Lim, "Graph Inductive Biases in Transformers without
      Message Passing", ICML 2023, arXiv:2305.17589, section 3; biases, norms and readouts of the authors' code.
    """

    nodes: int | tuple[int, ...]
    edges: int | tuple[int, ...] = (1,)
    walks: int = 21
    out_features: int = 1
    width: int = 64
    num_layers: int = 10
    layer: nn.Layer = GRIT(heads=8, dropout=0.2)
    norm: str = "batch"
    dropout: float = 0.0
    pool: str | None = "sum"
    hidden: tuple[int, ...] = (32, 16)
    scan: bool = False
    implementation: str | None = None

    def __post_init__(self) -> None:
        _checks.switches(self)
        check_kind("nodes", self.nodes)
        check_kind("edges", self.edges)
        _checks.choice("implementation", self.implementation, (None, "reference"))
        for name in ("walks", "width", "num_layers"):
            _checks.positive(name, getattr(self, name))
        check_layer("layer", self.layer, "ga.attention.GRIT(heads=8)")
        _checks.choice("norm", self.norm, NORMS)
        _checks.rate("dropout", self.dropout)
        _ = self.readout  # checks the fields that are its

    @property
    def readout(self) -> Readout:
        """From nodes to predictions."""
        return Readout(self.out_features, self.pool, self.hidden)

    @classmethod
    def zinc(cls, **changes: Any) -> GRITNetwork:
        """ZINC, whose atoms are below 21: published MAE 0.059 ± 0.002 with these 473,473 parameters."""
        return replace(cls((21,), (4,)), **changes)

    @classmethod
    def pattern(cls, **changes: Any) -> GRITNetwork:
        """PATTERN, one logit per node: published accuracy 87.196 ± 0.076."""
        return replace(cls(3, pool=None, hidden=(64, 64)), **changes)

    @classmethod
    def cluster(cls, **changes: Any) -> GRITNetwork:
        """CLUSTER, six classes of nodes: published accuracy 80.026 ± 0.277."""
        published = cls(
            7,
            walks=32,
            out_features=6,
            width=48,
            num_layers=16,
            layer=GRIT(heads=8, dropout=0.5),
            dropout=0.01,
            pool=None,
            hidden=(48, 48),
        )
        return replace(published, **changes)

    @classmethod
    def peptides_func(cls, **changes: Any) -> GRITNetwork:
        """Peptides-func, 10 classes: published AP 0.6988 ± 0.0082."""
        published = cls(
            (119, 5, 12, 12, 10, 6, 6, 2, 2),
            (5, 6, 2),
            walks=17,
            out_features=10,
            width=96,
            num_layers=4,
            layer=GRIT(heads=4, dropout=0.5),
            pool="mean",
            hidden=(),
        )
        return replace(published, **changes)

    @classmethod
    def peptides_struct(cls, **changes: Any) -> GRITNetwork:
        """Peptides-struct, 11 targets: published MAE 0.2460 ± 0.0012."""
        published = cls.peptides_func(
            walks=24, out_features=11, layer=GRIT(heads=8, dropout=0.2), dropout=0.05
        )
        return replace(published, **changes)

    @in_one_program
    def init(self, key: PRNGKey) -> tuple[GRITNetworkParams, GRITNetworkState]:
        """Parameters and running statistics; see `Network.init`.

        Raises:
          ValueError: a layer whose output is not as wide as the network.
        """
        width = self.width
        check_width("layer", self.layer, Widths(width, width))
        keys = jax.random.split(key, self.num_layers + 5)
        k_nodes, k_edges, k_walks, k_pairs, k_readout = keys[:5]
        blocks, states = init_blocks(self._init_block, keys[5:])
        params = GRITNetworkParams(
            nodes=init_features(k_nodes, self.nodes, width),
            edges=init_features(k_edges, self.edges, width),
            node_walks=nn.init_linear(k_walks, self.walks, width, bias=False),
            edge_walks=nn.init_linear(k_pairs, self.walks, width, bias=False),
            blocks=blocks,
            readout=self.readout.init(k_readout, width),
        )
        return params, GRITNetworkState(states)

    def _init_block(self, key: PRNGKey) -> tuple[GRITBlockParams, GRITBlockState]:
        width, has_stream = self.width, self.layer.updates_edges
        k_attention, k_scaler, k_nodes, k_edges, k_feed_forward = jax.random.split(key, 5)
        none: tuple[Any, Any] = (None, None)
        norms = {
            "node_norm": init_norm(self.norm, width),
            "edge_norm": init_norm(self.norm, width) if has_stream else none,
            "output_norm": init_norm(self.norm, width),
        }
        params = GRITBlockParams(
            attention=self.layer.init(k_attention, width, edge_features=width),
            degree_scaler=DegreeScaler().init(k_scaler, width),
            node_output=nn.init_linear(k_nodes, width, width),
            edge_output=nn.init_linear(k_edges, width, width) if has_stream else None,
            feed_forward=nn.init_mlp(k_feed_forward, (width, 2 * width, width)),
            **{name: pair[0] for name, pair in norms.items()},
        )
        return params, GRITBlockState(**{name: pair[1] for name, pair in norms.items()})

    def apply(
        self,
        params: GRITNetworkParams,
        state: GRITNetworkState,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`, or as training left them.
          graph: from `prepare_grit` with K = `walks`.
          training: dropout, and batch norms by the statistics of this batch.
          key: typed key, required in training when a rate is positive.

        Returns:
          Predictions `[G, T]` (`[N, T]` without pooling), the renewed statistics, and how every block attended.

        Raises:
          ValueError: a graph that was not prepared, features that do not fit the network, dropout without a key.
        """
        check_arrays(self, params, GRITNetworkParams, state, GRITNetworkState)
        check_prepared(graph, GRITNodes, GRITEdges, "prepare_grit")
        nodes, edges = graph.nodes, graph.edges
        nodes = nodes._replace(
            features=nn.real_nodes(graph, nodes.features),
            walks=nn.real_nodes(graph, nodes.walks),
            log_degree=nn.real_nodes(graph, nodes.log_degree),
        )
        x = features(params.nodes, nodes.features, name="graph.nodes.features")
        x = x + nn.linear(params.node_walks, nodes.walks)
        real = jnp.asarray(edges.real)[:, None]
        bonds = nn.real_edges(graph, edges.features)
        bonds = features(params.edges, bonds, name="graph.edges.features")
        walks = nn.linear(params.edge_walks, nn.real_edges(graph, edges.walks))
        e = jnp.where(real, bonds, 0) + walks

        def block(x: Any, arrays: Any, mode: Mode) -> tuple[Any, GRITBlockState, Any]:
            here = graph._replace(**x)
            params, state = arrays
            after, new, attended = self._block(params, state, here, nodes.log_degree, mode)
            return {name: getattr(after, name) for name in x}, new, attended

        x, states, attention = run_blocks(
            block,
            {"nodes": x, "edges": e},
            (params.blocks, state.blocks),
            Mode.of(training, key),
            scan=self.scan,
        )
        prediction = self.readout.apply(params.readout, graph._replace(**x))
        new = GRITNetworkState(states) if training else state
        return Output(prediction, new, attention)

    def check(self, graph: Any) -> None:
        """As `Network.check`."""
        check_prepared(graph, GRITNodes, GRITEdges, "prepare_grit")
        nodes, edges = graph.nodes.features, graph.edges.features
        check_categories("graph.nodes.features", self.nodes, nodes, graphs.node_mask(graph))
        check_categories("graph.edges.features", self.edges, edges, graphs.edge_mask(graph))

    def _block(
        self,
        params: GRITBlockParams,
        state: GRITBlockState,
        graph: Any,
        log_degree: ArrayLike,
        mode: Mode,
    ) -> tuple[Any, GRITBlockState, Any]:
        node_mask, edge_mask = real_rows(graph)
        new = state._asdict()

        def normed(name: str, x: Array, where: Any) -> Array:
            x, new[name] = norm(
                getattr(params, name),
                getattr(state, name),
                x,
                where=where,
                training=mode.training,
                implementation=self.implementation,
            )
            return x

        out = mode.layer(self.layer, params.attention, graph, 0)
        heard = mode.dropout(out.graph.nodes, self.dropout, 1)
        heard = DegreeScaler().apply(params.degree_scaler, heard, log_degree)
        x = graph.nodes + nn.linear(params.node_output, heard)
        x = normed("node_norm", x, node_mask)
        if params.edge_output is not None:
            stream = mode.dropout(out.graph.edges, self.dropout, 2)
            e = graph.edges + nn.linear(params.edge_output, stream)
            graph = graph._replace(edges=normed("edge_norm", e, edge_mask))
        moved = mode.mlp(params.feed_forward, x, self.dropout, 3)
        x = normed("output_norm", x + mode.dropout(moved, self.dropout, 4), node_mask)
        return graph._replace(nodes=x), GRITBlockState(**new), out.attention
