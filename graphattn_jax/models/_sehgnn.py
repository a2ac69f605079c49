"""SeHGNN: what metapaths bring, computed once; then a map for each, a transformer over them, and a perceptron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax.models._depth import in_one_program
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._network import Network, Output
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["SeHGNN", "SeHGNNParams"]


class SeHGNNParams(NamedTuple):
    """Of K metapaths: first, per width of inputs, weight `[k, D, W]`; first_bias, second_bias `[K, W]`, second
    `[K, W, W]`; norms of `[K·W]`; attention over the tokens; fuse, of the tokens side by side; residual, of the node's
    own features, or None; norm of the sum; the perceptron at the end.
    """

    first: tuple[Array, ...]
    first_bias: Array
    first_norm: nn.LayerNormParams
    second: Array
    second_bias: Array
    second_norm: nn.LayerNormParams
    attention: nn.TokenAttentionParams
    fuse: nn.LinearParams
    residual: nn.LinearParams | None
    norm: nn.LayerNormParams
    task: nn.MLPParams


@dataclass(frozen=True, repr=False)
class SeHGNN(Network):
    """Simple and efficient heterogeneous graph network.

        h_P = relu LN W²_P relu LN W¹_P x_P      for each metapath P, with LN over all of them
        h'_P = γ Σ_Q softmax_Q( W_q h_P · W_k h_Q / √C ) W_v h_Q + h_P
        y = MLP( relu LN( W ‖_P h'_P  [ + W_0 x_own ] ) )

    x_P are the features that `ga.graphs.metapath_features` and `metapath_labels` compute once: no step has messages,
    and nodes are rows of a table, to be taken in batches of any kind. Where the authors have batch norm behind the
    fusion and in the perceptron, there is layer norm and none.

    Args:
      inputs: (name, width) of each metapath; `SeHGNN.of(graph, ...)` reads them off the graph.
      out_features: classes or targets.
      own: the name of the node's own features, for W_0; None = no W_0.
      width: W.
      heads: of the attention; 4 H divides W.
      hidden_layers: of the perceptron.
      dropout: behind every relu, and of the attention weights.
      input_dropout: on x_P.

    Raises:
      ValueError: no inputs, names that are not there, sizes.

    Cost: O(N K (D W + W²) + N K² W) for N nodes and K metapaths; memory O(N K W).
    Padding: exact on real nodes.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_types(
      ...     {"author": np.ones((2, 8), np.float32), "paper": np.ones((3, 4), np.float32)},
      ...     {("author", "writes", "paper"): ([0, 1, 1], [0, 1, 2])}, reverse=True)
      >>> paths = ga.graphs.schema_metapaths(ga.graphs.schema_of(graph), "paper", hops=2)
      >>> papers = ga.graphs.metapath_features(graph, "paper", paths)
      >>> network = ga.models.SeHGNN.of(papers, out_features=5, own="paper", width=16)
      >>> params, state = network.init(jax.random.key(0))
      >>> jax.jit(network.apply)(params, state, papers).prediction.shape
      (3, 5)

    Source: Yang, Yan, Pan, Ye, Fan, "Simple and Efficient Heterogeneous Graph Neural Network", AAAI 2023,
      arXiv:2207.02547, section 4.3, equations 4 to 8; two maps per metapath with norms, γ and W_0 as in the authors'
      code.
    """

    inputs: tuple[tuple[str, int], ...]
    out_features: int
    own: str | None = None
    width: int = 64
    heads: int = 1
    hidden_layers: int = 2
    dropout: float = 0.0
    input_dropout: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.inputs, tuple) or not self.inputs:
            raise ValueError(
                f"inputs must be a tuple of at least one (name, width), got {_checks.describe(self.inputs)}. "
                "Fix: ga.models.SeHGNN.of(ga.graphs.metapath_features(graph, ...), out_features=...)."
            )
        for name, width in self.inputs:
            _checks.positive(f"the width of {name!r}", width)
        for name in ("out_features", "width", "heads", "hidden_layers"):
            _checks.positive(name, getattr(self, name))
        _checks.divisible("width", self.width, 4 * self.heads, "4 heads")
        _checks.choice("own", self.own, (None, *dict(self.inputs)))
        _checks.rate("dropout", self.dropout)
        _checks.rate("input_dropout", self.input_dropout)

    @classmethod
    def of(cls, graph: Any, out_features: int, **changes: Any) -> SeHGNN:
        """For the features of a graph: `ga.graphs.metapath_features`, with labels if there are any."""
        if not isinstance(graph.nodes, dict):
            raise ValueError(
                f"graph.nodes must be a dict of features by metapath, got {_checks.describe(graph.nodes)}. "
                "Fix: ga.graphs.metapath_features(graph, target, paths)."
            )
        inputs = tuple((name, x.shape[1]) for name, x in graph.nodes.items())
        return cls(inputs, out_features, **changes)

    @property
    def _by_width(self) -> dict[int, list[str]]:
        """Metapaths with inputs of one width go through one product; this is the order of the tokens."""
        groups: dict[int, list[str]] = {}
        for name, width in self.inputs:
            groups.setdefault(width, []).append(name)
        return groups

    @property
    def tokens(self) -> tuple[str, ...]:
        """The names of the metapaths in the order of the attention's rows and columns."""
        return tuple(name for names in self._by_width.values() for name in names)

    @in_one_program
    def init(self, key: PRNGKey) -> tuple[SeHGNNParams, None]:
        """Parameters, Glorot-uniform per metapath, and no statistics; see `Network.init`."""
        keys, width, paths = jax.random.split(key, 6), self.width, len(self.inputs)
        glorot = nn.initializer("glorot_uniform")

        def maps(key: PRNGKey, number: int, depth: int) -> Array:
            split = jax.random.split(key, number)
            return jax.vmap(lambda k: glorot(k, (depth, width), jnp.float32))(split)

        first = [
            maps(jax.random.fold_in(keys[0], depth), len(names), depth)
            for depth, names in self._by_width.items()
        ]
        residual = None
        if self.own is not None:
            residual = nn.init_linear(keys[4], dict(self.inputs)[self.own], width)
        sizes = (*[width] * self.hidden_layers, self.out_features)
        return SeHGNNParams(
            first=tuple(first),
            first_bias=jnp.zeros((paths, width), jnp.float32),
            first_norm=nn.init_layer_norm(paths * width),
            second=maps(keys[1], paths, width),
            second_bias=jnp.zeros((paths, width), jnp.float32),
            second_norm=nn.init_layer_norm(paths * width),
            attention=nn.init_token_attention(keys[2], width, self.heads),
            fuse=nn.init_linear(keys[3], paths * width, width),
            residual=residual,
            norm=nn.init_layer_norm(width),
            task=nn.init_mlp(keys[5], (width, *sizes)),
        ), None

    def apply(
        self,
        params: SeHGNNParams,
        state: None,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`.
          graph: nodes a dict of `[N, D]` by metapath, of `ga.graphs.metapath_features`; edges are not read.
          training: whether there is dropout.
          key: typed key, required in training when a rate is positive.

        Returns:
          Predictions `[N, T]`, and the attention among the metapaths, `[N, H, K, K]`, in the order of `tokens`.

        Raises:
          ValueError: features that are not there or have another width, dropout without a key.
        """
        _checks.params(params, SeHGNNParams, self)
        mode = Mode.of(training, key)
        x = self._read(graph)
        own = x.get(self.own or "")
        x = {name: mode.dropout(f, self.input_dropout, i) for i, (name, f) in enumerate(x.items())}
        place, dtype = len(x), next(iter(x.values())).dtype
        parts = [
            jnp.einsum("nkd,kdw->nkw", jnp.stack([x[n] for n in names], axis=1), w.astype(dtype))
            for names, w in zip(self._by_width.values(), params.first, strict=True)
        ]
        h = jnp.concatenate(parts, axis=1) + params.first_bias.astype(dtype)[None]
        h = mode.dropout(_activated(params.first_norm, h), self.dropout, place)
        h = jnp.einsum("nkv,kvw->nkw", h, params.second.astype(dtype))
        h = h + params.second_bias.astype(dtype)[None]
        h = mode.dropout(_activated(params.second_norm, h), self.dropout, place + 1)
        nodes, paths, width = h.shape
        ids = jnp.arange(nodes * paths, dtype=jnp.int32)
        tokens, attention = nn.token_attention(
            params.attention,
            h.reshape(nodes * paths, width),
            ops.Blocks(ids.reshape(nodes, paths), ids),
            heads=self.heads,
            dropout=nn.training_dropout(self.dropout, training, mode.at(place + 2).key),
        )
        y = nn.linear(params.fuse, tokens.reshape(nodes, paths * width))
        if params.residual is not None and own is not None:
            y = y + nn.linear(params.residual, own)
        y = mode.dropout(jax.nn.relu(nn.layer_norm(params.norm, y)), self.dropout, place + 3)
        y = mode.mlp(params.task, y, self.dropout, place + 4)
        return Output(y, None, (attention,))

    def _read(self, graph: Any) -> dict[str, Array]:
        """The features by name, 0 in padding."""
        nodes = graph.nodes if isinstance(graph.nodes, dict) else {}
        for name, width in self.inputs:
            if name not in nodes:
                raise ValueError(
                    f"graph.nodes must have features of metapath {name!r}, got {', '.join(nodes) or 'none'}. "
                    "Fix: ga.graphs.metapath_features(graph, target, paths) with the same paths."
                )
            _checks.shape(f"graph.nodes[{name!r}]", nodes[name], ("N", width))
            _checks.floating(f"graph.nodes[{name!r}]", nodes[name])
        return {name: jnp.asarray(nn.real_nodes(graph, nodes[name])) for name, _ in self.inputs}


def _activated(norm: nn.LayerNormParams, h: Array) -> Array:
    """Relu LN over all metapaths of a node."""
    flat = nn.layer_norm(norm, h.reshape(h.shape[0], -1))
    return jax.nn.relu(flat).reshape(h.shape)
