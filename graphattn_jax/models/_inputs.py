"""From the features and encodings of a graph to the width of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, encodings, nn
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["InputParams", "InputSpec", "encode_inputs", "init_inputs"]

_EIGEN_ENCODERS = {"laplacian": "laplace_deepset", "san": "san_encoder"}


@dataclass(frozen=True)
class InputSpec:
    """What the nodes and edges of a graph come with.

    Args:
      nodes: widths of float features (an int), or the number of categories of each column of ids (a tuple).
      edges: the same for edges, None for graphs without edge features.
      encoding: K, columns of the positional encoding `nodes["encoding"]`, 0 for none. Its vector takes `encoding_width`
        of the network's width, the features the rest.
      encoding_width: width of the encoded positions.
      encoder: "linear" (batch norm and a linear map, for walks), or "laplacian" (GraphGPS's DeepSet over
        eigenpairs), or "san" (SAN's transformer over them); the latter with random signs in training.

    Raises:
      ValueError: an unknown encoder, or an encoding without width.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.models.InputSpec(nodes=(28,), edges=(4,), encoding=20, encoding_width=28).encoder
      'linear'
    """

    nodes: int | tuple[int, ...]
    edges: int | tuple[int, ...] | None = None
    encoding: int = 0
    encoding_width: int = 0
    encoder: str = "linear"

    def __post_init__(self) -> None:
        _checks.choice("encoder", self.encoder, ("linear", *_EIGEN_ENCODERS))
        if bool(self.encoding) != bool(self.encoding_width):
            raise ValueError(
                f"encoding={self.encoding} and encoding_width={self.encoding_width} must both be positive, or both 0."
            )


class InputParams(NamedTuple):
    """Maps of features (tables for categories), and of the encoding with its norm; None for what is not there."""

    nodes: nn.LinearParams | nn.EmbeddingParams
    edges: nn.LinearParams | nn.EmbeddingParams | None
    encoding: Any
    encoding_norm: nn.BatchNormParams | None


def init_inputs(
    key: PRNGKey, spec: InputSpec, width: int, *, edge_width: int | None = None
) -> tuple[InputParams, nn.BatchNormState | None]:
    """Parameters and running statistics of `encode_inputs`.

    Args:
      key: typed PRNG key.
      spec: what there is.
      width: D of the nodes.
      edge_width: of the edges; None = `width`.

    Returns:
      `(InputParams, state)`; the state is None without a batch norm.

    Raises:
      ValueError: an encoding as wide as the network.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> spec = ga.models.InputSpec(nodes=(28,), edges=(4,), encoding=20, encoding_width=28)
      >>> params, state = ga.models.init_inputs(jax.random.key(0), spec, 64)
      >>> params.nodes.tables[0].shape, params.encoding.weight.shape, state.mean.shape
      ((28, 36), (20, 28), (20,))
    """
    k_nodes, k_edges, k_encoding = jax.random.split(key, 3)
    if spec.encoding_width >= width:
        raise ValueError(
            f"encoding_width must be smaller than the width {width}, got {spec.encoding_width}."
        )
    encoding = norm = state = None
    if spec.encoding and spec.encoder == "linear":
        encoding = nn.init_linear(k_encoding, spec.encoding, spec.encoding_width)
        norm, state = nn.init_batch_norm(spec.encoding)
    elif spec.encoding:
        init = getattr(encodings, f"init_{_EIGEN_ENCODERS[spec.encoder]}")
        encoding = init(k_encoding, spec.encoding_width)
    edge_width = width if edge_width is None else edge_width
    params = InputParams(
        nodes=init_features(k_nodes, spec.nodes, width - spec.encoding_width),
        edges=None if spec.edges is None else init_features(k_edges, spec.edges, edge_width),
        encoding=encoding,
        encoding_norm=norm,
    )
    return params, state


def encode_inputs(
    params: InputParams,
    state: nn.BatchNormState | None,
    graph: Any,
    *,
    spec: InputSpec,
    layout: Any = None,
    training: bool = False,
    flip_key: Array | None = None,
) -> tuple[Any, nn.BatchNormState | None]:
    """The graph with the features that the layers of a network work on.

        x_i = [ W f_i ‖ P BN(p_i) ],    e_ij = W_e f_ij        (tables instead of W for categories)

    Args:
      params: from `init_inputs`.
      state: its running statistics.
      graph: nodes `{"features": [N, F], "encoding": [N, K]}`, the encoding a dict of `vectors`,
        `values` and `mask` for "laplacian" and "san"; without an encoding the features alone. Edges `[E, F_e]` or None.
        Categories are integer ids, also `[N]` for a single column.
      spec: what there is.
      layout: from `ga.graphs.layout`.
      training: whether the batch norm uses the statistics of this batch, and renews the running ones.
      flip_key: typed key for random signs of eigenvectors, or None.

    Returns:
      `(graph, state)`: nodes `[N, D]`, edges `[E, D_e]` or None, float32.

    Raises:
      ValueError: features that do not fit the spec.

    Cost: O(N D (F + K)).
    Padding: row by row but for the norm, which sees real rows only if there is a layout.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> spec = ga.models.InputSpec(nodes=(28,), encoding=2, encoding_width=4)
      >>> params, state = ga.models.init_inputs(jax.random.key(0), spec, 8)
      >>> nodes = {"features": np.array([5, 7]), "encoding": np.eye(2, dtype=np.float32)}
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=nodes)
      >>> ga.models.encode_inputs(params, state, graph, spec=spec)[0].nodes.shape
      (2, 8)

    Source: Rampášek et al., "Recipe for a General, Powerful, Scalable Graph Transformer", NeurIPS 2022,
      arXiv:2205.12454, with the batch norm on raw encodings of the authors' code.
    """
    raw = graph.nodes["features"] if isinstance(graph.nodes, dict) else graph.nodes
    nodes = features(params.nodes, raw)
    if params.encoding is not None:
        if not isinstance(graph.nodes, dict) or "encoding" not in graph.nodes:
            raise ValueError(
                'graph.nodes must be a dict with "features" and "encoding" for a spec with an encoding, got '
                f"{jax.tree.map(_checks.describe, graph.nodes)}. Fix: ga.encodings.precompute(graphs, "
                '{"encoding": ...}).'
            )
        raw = graph.nodes["encoding"]
        if spec.encoder == "linear":
            assert params.encoding_norm is not None and state is not None
            where = None if layout is None else layout.node_mask
            raw, state = nn.batch_norm(
                params.encoding_norm, state, raw, training=training, where=where
            )
            encoded = nn.linear(params.encoding, raw)
        else:
            vectors = raw["vectors"]
            if flip_key is not None and layout is not None:
                ids, count = layout.node_graph_ids, layout.graph_mask.shape[0]
                vectors = encodings.flip_signs(flip_key, vectors, ids, count)
            encoder = getattr(encodings, _EIGEN_ENCODERS[spec.encoder])
            encoded = encoder(params.encoding, vectors, raw["values"], raw["mask"])
        nodes = jnp.concatenate([nodes, encoded], axis=1)
    edges = None if params.edges is None else features(params.edges, graph.edges)
    return graph._replace(nodes=nodes, edges=edges), state


def init_features(
    key: PRNGKey, kind: int | tuple[int, ...], width: int, *, init: nn.Initializer | None = None
) -> nn.LinearParams | nn.EmbeddingParams:
    """A linear map of float features (an int), or tables of categories (a tuple)."""
    if not isinstance(kind, tuple):
        return nn.init_linear(key, kind, width, init=init or "fan_in_uniform")
    # a single table starts as torch.nn.Embedding, several, whose rows are summed, as OGB's encoders
    single = jax.nn.initializers.normal(1.0)
    return nn.init_embedding(
        key, kind, width, init=init or (single if len(kind) == 1 else "glorot_uniform")
    )


def features(params: nn.LinearParams | nn.EmbeddingParams, x: ArrayLike) -> Array:
    """What `init_features` is for: the mapped features, or the sum of the rows of the tables."""
    if isinstance(params, nn.EmbeddingParams):
        return nn.embedding(params, x)
    return nn.linear(params, jnp.asarray(x))


def check_prepared(graph: Any, function: str, nodes: set[str], edges: set[str]) -> None:
    """Nodes and edges carry what the host function prepares."""
    for name, tree, wanted in (("nodes", graph.nodes, nodes), ("edges", graph.edges, edges)):
        if not isinstance(tree, dict) or not wanted <= tree.keys():
            raise ValueError(
                f"graph.{name} must be a dict with {sorted(wanted)}, got "
                f"{jax.tree.map(_checks.describe, tree)}. Fix: ga.models.{function}(graph, ...)."
            )
