"""GraphGPS, Exphormer and SAN as whole networks: inputs, layers, readout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks, graphs, nn
from graphattn_jax.attention import SAN, Exphormer, GlobalAttention
from graphattn_jax.message_passing import GINE, GatedGCN
from graphattn_jax.models._depth import in_one_program, init_blocks, run_blocks
from graphattn_jax.models._gps_layer import GPSLayer, GPSLayerParams, GPSLayerState
from graphattn_jax.models._inputs import InputParams, Inputs, features, node_inputs
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._network import Network, Output, check_arrays
from graphattn_jax.models._patterns import Patterned, PatternEdges
from graphattn_jax.models._readout import Readout
from graphattn_jax.ops import Attention
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GPS", "GPSParams", "GPSState"]

_ATOMS, _BONDS = (119, 5, 12, 12, 10, 6, 6, 2, 2), (5, 6, 2)
"""Of the molecules of the Open Graph Benchmark."""


class GPSParams(NamedTuple):
    """Inputs, layers (`ga.nn.unstack` gives them one by one), readout.

    `virtual` `[num_virtual, D]` and `kinds`, a vector `[D]` per kind of pair of a pattern, are None without a pattern.
    """

    inputs: InputParams
    virtual: Array | None
    kinds: nn.EmbeddingParams | None
    layers: GPSLayerParams
    readout: nn.MLPParams


class GPSState(NamedTuple):
    """Running statistics of inputs and layers."""

    inputs: nn.BatchNormState | None
    layers: GPSLayerState


@dataclass(frozen=True, repr=False)
class GPS(Network):
    """GraphGPS: predictions of graphs (or nodes) by message passing and attention in every layer; with a pattern,
    Exphormer or SAN.

        x, e = inputs(graph),    x, e ← GPSLayer(x, e)  L times,    y = MLP( pool(x) )

    Any layers fit. They get their sizes from the network: `width` for nodes, and for edges where there are any.

    With `pattern=True` the pairs that attend are the edges of a second graph on the same nodes (`Patterned`). A pair of
    kind k has the features W_e e_ij + t_k, with W_e e_ij for edges of the graph only; the layer finds them in
    `ga.nn.EdgeInputs(features, real=...)`. Messages pass along the graph's own edges. Virtual nodes are nodes of both
    graphs, with learned features, and are not pooled.

    Args:
      inputs: features and encodings of the graphs.
      out_features: T, targets or classes.
      width: D of nodes and edges.
      num_layers: L.
      local, attention, norm, dropout: see `GPSLayer`.
      pool: "sum", "mean", "max", or None for predictions of nodes.
      pattern: whether attention runs on a pattern, from `prepare_exphormer` or `prepare_san`.
      num_virtual: virtual nodes per graph, as in `prepare_exphormer`.
      scan: one layer in a loop instead of L in the program, which compiles faster; see the page on speed.
      implementation: of the batch norms, None or "reference"; see `ga.nn.with_implementation`.

    Raises:
      ValueError: unknown options, neither `local` nor `attention`, virtual nodes without a pattern, sizes.

    Cost: that of its layers.
    Padding: exact on real graphs, values, gradients and statistics.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> network = ga.models.GPS(ga.models.Inputs(nodes=(5,)), width=16, num_layers=2)
      >>> params, state = network.init(jax.random.key(0))
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.array([3, 4]))
      >>> out = jax.jit(network.apply)(params, state, ga.graphs.prepare(graph, block_size=2))
      >>> out.prediction.shape, len(out.attention)
      ((1, 1), 2)

    Source: Rampášek et al., "Recipe for a General, Powerful, Scalable Graph Transformer", NeurIPS 2022,
      arXiv:2205.12454; widths, rates and heads of the authors' configurations. Shirzad et al., "Exphormer: Sparse
      Transformers for Graphs", ICML 2023, arXiv:2303.06147; Kreuzer et al., "Rethinking Graph Transformers with
      Spectral Attention" (SAN), NeurIPS 2021, arXiv:2106.03893.
    """

    inputs: Inputs
    out_features: int = 1
    width: int = 64
    num_layers: int = 10
    local: nn.Layer | None = GINE()
    attention: nn.Layer | None = GlobalAttention(heads=4, output=True, dropout=0.5)
    norm: str = "batch"
    dropout: float = 0.0
    pool: str | None = "sum"
    pattern: bool = False
    num_virtual: int = 0
    scan: bool = False
    implementation: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.inputs, Inputs):
            raise ValueError(
                f"inputs must be ga.models.Inputs, got {_checks.describe(self.inputs)}."
            )
        _checks.switches(self)
        _checks.positive("width", self.width)
        _checks.positive("num_layers", self.num_layers)
        _ = self.layer, self.readout  # check the fields that are theirs
        if self.pattern and self.attention is None:
            raise ValueError("pattern=True needs attention=: it says who attends to whom.")
        if self.num_virtual != 0:
            _checks.positive("num_virtual", self.num_virtual)
            if not self.pattern:
                raise ValueError(
                    f"num_virtual={self.num_virtual} needs pattern=True: virtual nodes come with prepare_exphormer."
                )

    @property
    def layer(self) -> GPSLayer:
        """Of which there are L."""
        return GPSLayer(self.local, self.attention, self.norm, self.dropout, self.implementation)

    @property
    def readout(self) -> Readout:
        """From nodes to predictions."""
        return Readout(self.out_features, self.pool)

    @classmethod
    def zinc(cls, **changes: Any) -> GPS:
        """ZINC with walks: 423,717 parameters and an ε per layer, published MAE 0.070 ± 0.004."""
        inputs = Inputs(nodes=(28,), edges=(4,), encoding=20, encoding_width=28)
        return replace(cls(inputs), **changes)

    @classmethod
    def san_zinc(cls, **changes: Any) -> GPS:
        """SAN on ZINC, attention alone: 504,849 parameters. Published MAE 0.139 ± 0.006 with 508,577."""
        published = cls(
            Inputs((28,), (4,), encoding=10, encoding_width=16, encoder="san"),
            local=None,
            attention=SAN(heads=8, output=True),
            pool="mean",
            pattern=True,
        )
        return replace(published, **changes)

    @classmethod
    def exphormer_pattern(cls, **changes: Any) -> GPS:
        """Exphormer on PATTERN, an expander of degree 7 and 4 virtual nodes. Published accuracy 86.74 ± 0.015."""
        published = cls(
            Inputs(3, encoding=10, encoding_width=16, encoder="laplacian"),
            width=40,
            num_layers=4,
            local=GatedGCN(),
            attention=Exphormer(heads=4, dropout=0.5),
            pool=None,
            pattern=True,
            num_virtual=4,
        )
        return replace(published, **changes)

    @classmethod
    def exphormer_cluster(cls, **changes: Any) -> GPS:
        """Exphormer on CLUSTER, an expander of degree 3 and 3 virtual nodes. Published accuracy 78.07 ± 0.037."""
        published = cls.exphormer_pattern(
            inputs=Inputs(7, encoding=10, encoding_width=16, encoder="laplacian"),
            out_features=6,
            width=32,
            num_layers=20,
            attention=Exphormer(heads=8, dropout=0.5),
            num_virtual=3,
        )
        return replace(published, **changes)

    @classmethod
    def peptides(cls, **changes: Any) -> GPS:
        """Peptides-func (10 classes); `out_features=11` for Peptides-struct. Published AP 0.6535 ± 0.0041."""
        published = cls(
            Inputs(_ATOMS, _BONDS, encoding=10, encoding_width=16, encoder="laplacian"),
            out_features=10,
            width=96,
            num_layers=4,
            local=GatedGCN(),
            pool="mean",
        )
        return replace(published, **changes)

    @classmethod
    def molhiv(cls, **changes: Any) -> GPS:
        """ogbg-molhiv. Published ROC-AUC 0.7880 ± 0.0101."""
        inputs = Inputs(_ATOMS, _BONDS, encoding=16, encoding_width=16)
        published = cls(inputs, local=GatedGCN(), pool="mean", dropout=0.05)
        return replace(published, **changes)

    @in_one_program
    def init(self, key: PRNGKey) -> tuple[GPSParams, GPSState]:
        """Parameters and running statistics; see `Network.init`.

        Raises:
          ValueError: a layer whose output is not as wide as the network.
        """
        width = self.width
        keys = jax.random.split(key, self.num_layers + 4)
        k_inputs, k_readout, k_virtual, k_kinds = keys[:4]
        inputs, input_state = self.inputs.init(k_inputs, width)
        edges = None if self.inputs.edges is None else width
        layers, layer_states = init_blocks(
            lambda k: self.layer.init(k, width, edges, pattern=self.pattern), keys[4:]
        )
        glorot, virtual, kinds = nn.initializer("glorot_uniform"), None, None
        if self.num_virtual:
            virtual = glorot(k_virtual, (self.num_virtual, width), jnp.float32)
        if self.pattern:
            kinds = nn.init_embedding(k_kinds, 2 + 2 * self.num_virtual, width)
        params = GPSParams(
            inputs=inputs,
            virtual=virtual,
            kinds=kinds,
            layers=layers,
            readout=self.readout.init(k_readout, width),
        )
        return params, GPSState(input_state, layer_states)

    def apply(
        self,
        params: GPSParams,
        state: GPSState,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`, or as training left them.
          graph: features and encodings as `Inputs` takes them; `ga.graphs.prepare(graph, block_size=n)` makes
            `GlobalAttention` fast. With `pattern=True` a `Patterned` of such a graph and its pattern.
          training: dropout, random signs of eigenvectors, and batch norms by the statistics of this batch.
          key: typed key, required in training when something is random.

        Returns:
          Predictions `[G, T]` (`[N, T]` without pooling, with rows of virtual nodes), the renewed statistics, and how
          every layer attended.

        Raises:
          ValueError: features that do not fit the network, a pattern missing or given in vain, something random in
            training without a key.
        """
        check_arrays(self, params, GPSParams, state, GPSState)
        if self.pattern != isinstance(graph, Patterned):
            raise ValueError(
                f"pattern={self.pattern} takes a {'Patterned' if self.pattern else 'graph'}, got "
                f"{type(graph).__name__}. Fix: ga.models.prepare_exphormer(graph), or prepare_san, for networks with "
                "pattern=True only."
            )
        pattern = graph.pattern if self.pattern else None
        graph = graph.graph if self.pattern else graph
        mode, layer = Mode.of(training, key), self.layer
        virtual = self._virtual(graph)
        graph, input_state = self.inputs.apply(
            params.inputs,
            state.inputs,
            graph,
            training=training,
            key=mode.at(self.num_layers).key if self.inputs.is_random else None,
        )
        if params.virtual is not None:
            rows = nn.table_rows(params.virtual, virtual - 1)
            graph = graph._replace(nodes=jnp.where(virtual[:, None] > 0, rows, graph.nodes))
        if pattern is not None:
            pattern = pattern._replace(edges=self._pairs(params, pattern))

        def block(x: Any, arrays: Any, mode: Mode) -> tuple[Any, Any, Attention | None]:
            here = graph._replace(**x)
            params, state = arrays
            both = here if pattern is None else Patterned(here, pattern)
            out = layer.run(params, state, both, mode)
            after = out.graph if pattern is None else out.graph.graph
            return {name: getattr(after, name) for name in x}, out.state, out.attention

        x = {"nodes": graph.nodes}
        if self.local is not None and self.local.updates_edges:
            x["edges"] = graph.edges
        arrays = (params.layers, state.layers)
        x, states, attention = run_blocks(block, x, arrays, mode, scan=self.scan)
        where = None if params.virtual is None else virtual == 0
        prediction = self.readout.apply(params.readout, graph._replace(**x), where=where)
        new = GPSState(input_state, states) if training else state
        return Output(prediction, new, attention)

    def check(self, graph: Any) -> None:
        """As `Network.check`; of a pattern, which virtual node and which kind of pair."""
        if not isinstance(graph, Patterned):
            return super().check(graph)
        graph, pattern = graph
        super().check(graph)
        virtual = self._virtual(graph)
        if virtual is not None:
            virtual = np.where(graphs.node_mask(graph), virtual, 0)
            _checks.ids_in_range("graph.nodes.virtual", virtual, self.num_virtual + 1, "of these")
        kinds = np.where(graphs.edge_mask(pattern), pattern.edges.kind, 0)
        _checks.ids_in_range("pattern.edges.kind", kinds, 2 + 2 * self.num_virtual, "kinds")

    def _virtual(self, graph: Any) -> Any:
        """`[N]`, which virtual node a node is; None without any."""
        virtual: ArrayLike | None = node_inputs(graph.nodes).virtual
        if (virtual is not None) != bool(self.num_virtual):
            raise ValueError(
                f"num_virtual={self.num_virtual}, and the nodes of the graph say that there are "
                f"{'none' if virtual is None else 'some'}. Fix: ga.models.prepare_exphormer(graph, "
                f"num_virtual={self.num_virtual})."
            )
        return None if virtual is None else jnp.asarray(virtual)

    def _pairs(self, params: GPSParams, pattern: Any) -> nn.EdgeInputs:
        """`[E_p, D]`: the kind of a pair, and the bond where it is an edge of the graph; and which these are."""
        edges = pattern.edges
        if not isinstance(edges, PatternEdges):
            raise ValueError(
                "pattern.edges must be the PatternEdges of ga.models.prepare_exphormer or prepare_san, got "
                f"{type(edges).__name__}."
            )
        assert params.kinds is not None
        pairs, real = nn.embedding(params.kinds, edges.kind), jnp.asarray(edges.kind) == 0
        if params.inputs.edges is not None:
            if edges.features is None:
                raise ValueError(
                    f"pattern.edges must have features for inputs.edges={self.inputs.edges}, got none. Fix: "
                    "Inputs(edges=None) for graphs without edge features."
                )
            bonds = nn.real_edges(pattern, edges.features)
            bonds = features(params.inputs.edges, bonds, name="graph.edges")
            pairs = pairs + jnp.where(real[:, None], bonds, 0)
        return nn.EdgeInputs(pairs, real=real)
