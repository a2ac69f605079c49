"""From the features and encodings of a graph to the width of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks, encodings, graphs, nn
from graphattn_jax.models._norm import real_rows
from graphattn_jax.models._widths import edges_of
from graphattn_jax.typing import Array, ArrayLike, PRNGKey
from graphattn_jax.values import Value

__all__ = ["InputParams", "Inputs", "NodeInputs"]

FeatureParams = nn.LinearParams | nn.EmbeddingParams


class _Encoder(NamedTuple):
    """randomize: how training draws what is arbitrary in eigenvectors."""

    init: Callable[..., Any]
    apply: Callable[..., Array]
    randomize: Callable[..., Array]


_EIGEN_ENCODERS = {
    "laplacian": _Encoder(
        encodings.init_laplace_deepset, encodings.laplace_deepset, encodings.flip_signs
    ),
    "san": _Encoder(encodings.init_san_encoder, encodings.san_encoder, encodings.flip_signs),
    "magnetic": _Encoder(
        partial(encodings.init_laplace_deepset, magnetic=True),
        encodings.laplace_deepset,
        encodings.turn_phases,
    ),
}


class NodeInputs(NamedTuple):
    """What the nodes of a graph come with; it stands in `graph.nodes`.

    features: floats `[N, F]`, or categories `[N, F]` or `[N]` of integers. encoding: `[N, K]`, or eigenpairs as
    `ga.encodings.laplacian_eigenvectors` gives them, or None. virtual: `[N]` int32, which virtual node a node is, 0 =
    none, from `prepare_exphormer`; or None.
    """

    features: Any
    encoding: Any = None
    virtual: ArrayLike | None = None


class InputParams(NamedTuple):
    """Maps of features (tables for categories), and of the encoding with its norm; None for what is not there."""

    nodes: FeatureParams
    edges: FeatureParams | None
    encoding: Any
    encoding_norm: nn.BatchNormParams | None


@dataclass(frozen=True, repr=False)
class Inputs(Value):
    """What the nodes and edges of a graph come with, and how they become the features that a network works on.

        x_i = [ W f_i ‖ P BN(p_i) ],    e_ij = W_e f_ij        (tables instead of W for categories)

    Args:
      nodes: width of float features (an int), or the number of categories of each column of ids (a tuple).
      edges: the same for edges, None for graphs without edge features.
      encoding: K, columns of the positional encoding p, 0 for none. Its vector takes `encoding_width` of the network's
        width, the features the rest.
      encoding_width: width of the encoded positions.
      encoder: "linear" (batch norm and a linear map, for walks), "laplacian" (GraphGPS's DeepSet over eigenpairs),
        "san" (SAN's transformer over them), or "magnetic" (the DeepSet over the complex ones of a directed graph); all
        but the first with random signs or phases in training.
      implementation: of the batch norm, None or "reference"; see `ga.nn.with_implementation`.

    Raises:
      ValueError: an unknown encoder, or an encoding without width.

    Cost: O(N D (F + K)).
    Padding: row by row but for the norm, which sees real rows only.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> inputs = ga.models.Inputs(nodes=(28,), encoding=2, encoding_width=4)
      >>> params, state = inputs.init(jax.random.key(0), width=8)
      >>> nodes = {"features": np.array([5, 7]), "encoding": np.eye(2, dtype=np.float32)}
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=nodes)
      >>> inputs.apply(params, state, graph)[0].nodes.shape
      (2, 8)

    Source: Rampášek et al., "Recipe for a General, Powerful, Scalable Graph Transformer", NeurIPS 2022,
      arXiv:2205.12454, with the batch norm on raw encodings of the authors' code.
    """

    nodes: int | tuple[int, ...]
    edges: int | tuple[int, ...] | None = None
    encoding: int = 0
    encoding_width: int = 0
    encoder: str = "linear"
    implementation: str | None = None

    def __post_init__(self) -> None:
        _checks.choice("implementation", self.implementation, (None, "reference"))
        check_kind("nodes", self.nodes)
        if self.edges is not None:
            check_kind("edges", self.edges)
        _checks.choice("encoder", self.encoder, ("linear", *_EIGEN_ENCODERS))
        if bool(self.encoding) != bool(self.encoding_width):
            raise ValueError(
                f"encoding={self.encoding} and encoding_width={self.encoding_width} must both be positive, or both 0."
            )
        for name in ("encoding", "encoding_width"):
            if (value := getattr(self, name)) != 0:
                _checks.positive(name, value)

    @property
    def is_random(self) -> bool:
        """Whether training needs a key: eigenvectors get random signs."""
        return self.encoding > 0 and self.encoder != "linear"

    def init(
        self, key: PRNGKey, width: int, *, edge_width: int | None = None
    ) -> tuple[InputParams, nn.BatchNormState | None]:
        """Parameters and running statistics, None without a batch norm.

        Args:
          key: typed PRNG key.
          width: D of the nodes.
          edge_width: of the edges; None = `width`.

        Raises:
          ValueError: an encoding as wide as the network.
        """
        k_nodes, k_edges, k_encoding = jax.random.split(key, 3)
        if self.encoding_width >= width:
            raise ValueError(
                f"encoding_width must be smaller than the width {width}, got {self.encoding_width}."
            )
        encoding = norm = state = None
        if self.is_random:
            encoding = _EIGEN_ENCODERS[self.encoder].init(k_encoding, self.encoding_width)
        elif self.encoding:
            encoding = nn.init_linear(k_encoding, self.encoding, self.encoding_width)
            norm, state = nn.init_batch_norm(self.encoding)
        edge_width = width if edge_width is None else edge_width
        params = InputParams(
            nodes=init_features(k_nodes, self.nodes, width - self.encoding_width),
            edges=None if self.edges is None else init_features(k_edges, self.edges, edge_width),
            encoding=encoding,
            encoding_norm=norm,
        )
        return params, state

    def apply(
        self,
        params: InputParams,
        state: nn.BatchNormState | None,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> tuple[Any, nn.BatchNormState | None]:
        """The graph with what a network works on, and the renewed statistics.

        Args:
          params, state: from `init`.
          graph: nodes `NodeInputs`, or a dict of `"features"` and `"encoding"` as `ga.encodings.precompute` makes it,
            or the features alone; edges `[E, F_e]` (or categories `[E]`), also in `ga.nn.EdgeInputs`.
          training: whether the batch norm uses the statistics of this batch, and eigenvectors get random signs.
          key: typed key, required in training for the signs.

        Returns:
          `(graph, state)`: nodes `[N, D]`; edges `[E, D_e]`, None without `edges`.

        Raises:
          ValueError: a graph that comes with something else, training on eigenvectors without a key.
        """
        _checks.params(params, InputParams, self)
        given = node_inputs(graph.nodes)
        nodes = nn.real_nodes(graph, given.features)
        nodes = features(params.nodes, nodes, name="graph.nodes")
        if self.encoding:
            encoded, state = self._encoded(params, state, graph, given.encoding, training, key)
            nodes = jnp.concatenate([nodes, encoded], axis=1)
        graph = graph._replace(nodes=nodes)
        if params.edges is None:
            return graph._replace(edges=None), state
        edges = edges_of(graph)
        if not hasattr(edges, "shape"):
            raise ValueError(
                f"graph.edges must be an array of features for edges={self.edges}, got {_describe(edges)}. Fix: "
                "Inputs(edges=None) for graphs without edge features, and a graph as it was before a prepare function "
                "of another network."
            )
        edges = features(params.edges, nn.real_edges(graph, edges), name="graph.edges")
        return nn.with_edges(graph, edges), state

    def check(self, graph: Any) -> None:
        """On the host: categories of real nodes and edges are in range; see `Network.check`.

        Args:
          graph: as `apply` takes it.

        Raises:
          ValueError: names the column, the value and its row.
        """
        nodes = node_inputs(graph.nodes).features
        check_categories("graph.nodes", self.nodes, nodes, graphs.node_mask(graph))
        edges = edges_of(graph)
        if hasattr(edges, "shape"):
            check_categories("graph.edges", self.edges, edges, graphs.edge_mask(graph))

    def _encoded(self, params, state, graph, encoding, training, key):
        if encoding is None:
            raise ValueError(
                f"graph.nodes must come with an encoding for encoding={self.encoding}, got {_describe(graph.nodes)}. "
                'Fix: ga.encodings.precompute(graphs, {"encoding": ...}).'
            )
        if self.is_random:
            encoder, pairs = _EIGEN_ENCODERS[self.encoder], _eigenpairs(encoding)
            vectors, values, mask = (nn.real_nodes(graph, x) for x in pairs)
            if training:
                if key is None:
                    raise ValueError(
                        f"encoder={self.encoder!r} draws signs and needs key= in training. Fix: "
                        "key=jax.random.key(seed), a new one at every step, or training=False."
                    )
                ids = graphs.node_graph_ids(graph)
                vectors = encoder.randomize(key, vectors, ids, graphs.num_graphs(graph))
            return encoder.apply(params.encoding, vectors, values, mask), state
        where, _ = real_rows(graph)
        encoding, state = nn.batch_norm(
            params.encoding_norm,
            state,
            encoding,
            training=training,
            where=where,
            implementation=self.implementation,
        )
        return nn.linear(params.encoding, encoding), state


def check_kind(name: str, kind: Any) -> None:
    """The width of float features, or the numbers of categories."""
    if not isinstance(kind, (int, np.integer, tuple)) or (isinstance(kind, tuple) and not kind):
        raise ValueError(
            f"{name} must be the width of float features (an int), or the number of categories of each column (a "
            f"tuple), got {_checks.describe(kind)}."
        )
    for size in kind if isinstance(kind, tuple) else (kind,):
        _checks.positive(name, size)


def node_inputs(nodes: Any) -> NodeInputs:
    """What `graph.nodes` may be, as `NodeInputs`."""
    if isinstance(nodes, NodeInputs):
        return nodes
    if isinstance(nodes, dict) and "features" in nodes:
        return NodeInputs(nodes["features"], nodes.get("encoding"))
    if hasattr(nodes, "shape"):
        return NodeInputs(nodes)
    raise ValueError(
        'graph.nodes must be features, a dict with "features" and "encoding", or ga.models.NodeInputs, got '
        f"{_describe(nodes)}. Fix: the graph as it was before a prepare function of another network."
    )


def _eigenpairs(encoding: Any) -> Any:
    names = ("vectors", "values", "mask")
    if isinstance(encoding, dict) and set(names) <= encoding.keys():
        return tuple(encoding[name] for name in names)
    if all(hasattr(encoding, name) for name in names):
        return tuple(getattr(encoding, name) for name in names)
    raise ValueError(
        f"the encoding must hold {', '.join(names)} for an encoder of eigenpairs, got {_describe(encoding)}. Fix: "
        "ga.encodings.laplacian_eigenvectors, or magnetic_laplacian_eigenvectors for directed graphs."
    )


def _describe(tree: Any) -> str:
    if isinstance(tree, tuple | dict):
        return f"{type(tree).__name__} of {jax.tree.map(_checks.describe, tree)}"
    return _checks.describe(tree)


def init_features(
    key: PRNGKey, kind: int | tuple[int, ...], width: int, *, init: nn.Initializer | None = None
) -> FeatureParams:
    """A linear map of float features (an int), or tables of categories (a tuple)."""
    if not isinstance(kind, tuple):
        return nn.init_linear(key, kind, width, init=init or "fan_in_uniform")
    # a single table starts as torch.nn.Embedding, several, whose rows are summed, as OGB's encoders
    single = jax.nn.initializers.normal(1.0)
    return nn.init_embedding(
        key, kind, width, init=init or (single if len(kind) == 1 else "glorot_uniform")
    )


def features(params: FeatureParams, x: ArrayLike, *, name: str) -> Array:
    """What `init_features` is for: the mapped features, or the sum of the rows of the tables."""
    x = jnp.asarray(x)
    are_floats = jnp.issubdtype(x.dtype, jnp.floating)
    if isinstance(params, nn.EmbeddingParams):
        if are_floats:
            raise ValueError(
                f"{name} must be integer ids of categories, got {_checks.describe(x)}. Fix: Inputs with the width of "
                "float features for them, in place of a tuple of numbers of categories."
            )
        return nn.embedding(params, x, name=name)
    if not are_floats:
        raise ValueError(
            f"{name} must be floating point, got {_checks.describe(x)}. Fix: Inputs with a tuple of the numbers of "
            "categories for ids, .astype(np.float32) for what is no category."
        )
    return nn.linear(params, x)


def check_categories(name: str, kind: Any, x: Any, real: Any) -> None:
    """Those of the rows that are real, on the host; floats are not looked at."""
    if not isinstance(kind, tuple):
        return
    _checks.integers(name, x)
    x = np.asarray(x)
    columns = x[:, None] if x.ndim == 1 else x
    _checks.shape(name, columns, ("N", len(kind)))
    for c, size in enumerate(kind):
        column = np.where(real, columns[:, c], 0)
        _checks.ids_in_range(f"column {c} of {name}", column, size, "categories")


def check_prepared(graph: Any, nodes: type, edges: type, function: str) -> None:
    """Nodes and edges are what the host function prepares."""
    for name, found, wanted in (("nodes", graph.nodes, nodes), ("edges", graph.edges, edges)):
        if not isinstance(found, wanted):
            raise ValueError(
                f"graph.{name} must be the {wanted.__name__} of ga.models.{function}, got {_describe(found)}. Fix: "
                f"ga.models.{function}(graph, ...), on the host, before batching."
            )
