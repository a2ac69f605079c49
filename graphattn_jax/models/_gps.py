"""GraphGPS, Exphormer and SAN as whole networks: inputs, layers, readout."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn
from graphattn_jax.models._gps_layer import (
    GPSConfig,
    GPSLayerParams,
    GPSLayerState,
    gps_layer,
    init_gps_layer,
)
from graphattn_jax.models._inputs import (
    InputParams,
    encode_inputs,
    features,
    init_inputs,
)
from graphattn_jax.models._plain_network import split_or_none
from graphattn_jax.models._readout import init_readout, readout
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["GPSParams", "GPSState", "gps_network", "init_gps_network"]


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
    k_inputs, k_readout, k_virtual, k_kinds, *keys = jax.random.split(key, config.num_layers + 4)
    inputs, input_state = init_inputs(k_inputs, config.inputs, config.width)
    layers, layer_states = nn.stack([init_gps_layer(k, config) for k in keys])
    glorot, virtual, kinds = nn.initializer("glorot_uniform"), None, None
    if config.num_virtual:
        virtual = glorot(k_virtual, (config.num_virtual, config.width), jnp.float32)
    if config.attends_pattern:
        kinds = nn.init_embedding(k_kinds, 2 + 2 * config.num_virtual, config.width)
    params = GPSParams(
        inputs=inputs,
        virtual=virtual,
        kinds=kinds,
        layers=layers,
        readout=init_readout(k_readout, config.width, config.out_features),
    )
    return params, GPSState(input_state, layer_states)


def gps_network(
    params: GPSParams,
    state: GPSState,
    graph: Any,
    *,
    config: GPSConfig,
    layout: Any = None,
    pattern: Any = None,
    pattern_layout: Any = None,
    training: bool = False,
    dropout_key: Array | None = None,
) -> tuple[Array, GPSState]:
    """Predictions of graphs (or nodes) by GraphGPS, Exphormer or SAN.

        x, e = inputs(graph),    x, e ← layer(x, e)  L times,    y = MLP( pool(x) )

    With `attention="exphormer"` or "san" the pairs that attend are the edges of a second graph on the same nodes, with
    the features W_e e_ij + t_k of a pair of kind k, W_e e_ij for edges of the graph only. Messages pass along the
    graph's own edges. Virtual nodes are nodes of both graphs, with learned features, and are not pooled.

    Args:
      params: from `init_gps_network`.
      state: its running statistics.
      graph: features and encodings as `encode_inputs` takes them.
      config: as for init.
      layout: from `ga.graphs.layout(graph, block_size=n)`; optional, faster with it.
      pattern: the second graph of `prepare_exphormer` or `prepare_san`, batched and padded as the first.
      pattern_layout: from `ga.graphs.layout(pattern)`.
      training: dropout, random signs of eigenvectors, and batch norms by the statistics of this batch.
      dropout_key: typed key, required in training when something is random.

    Returns:
      `(y, state)`: y `[G, T]` (`[N, T]` without pooling, with rows of virtual nodes), and the renewed statistics.

    Raises:
      ValueError: features that do not fit the config, a pattern missing or given in vain, dropout without a key.

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
      arXiv:2205.12454; widths, rates and heads of the authors' configurations. Shirzad et al., "Exphormer: Sparse
      Transformers for Graphs", ICML 2023, arXiv:2303.06147; Kreuzer et al., "Rethinking Graph Transformers with
      Spectral Attention" (SAN), NeurIPS 2021, arXiv:2106.03893.
    """
    if config.attends_pattern != (pattern is not None):
        raise ValueError(
            f"attention={config.attention!r} "
            + ("needs pattern=." if pattern is None else "takes no pattern=.")
            + " Fix: graph, pattern = ga.models.prepare_exphormer(graph), or prepare_san, for those two only."
        )
    if training:
        _checks.dropout(max(config.dropout, config.attention_dropout), dropout_key)
    (flip_key,) = split_or_none(dropout_key, config.num_layers, 1)
    virtual = graph.nodes["virtual"] if config.num_virtual else None
    graph, input_state = encode_inputs(
        params.inputs,
        state.inputs,
        graph,
        spec=config.inputs,
        layout=layout,
        training=training,
        flip_key=flip_key if training else None,
    )
    real = None
    if params.virtual is not None and virtual is not None:
        rows = params.virtual[jnp.maximum(virtual - 1, 0)]
        graph = graph._replace(nodes=jnp.where(virtual[:, None] > 0, rows, graph.nodes))
    if pattern is not None:
        real = pattern.edges["kind"] == 0
        pattern = pattern._replace(edges=_pair_features(params, pattern.edges, real))
    states = []
    for index, (layer, layer_state) in enumerate(nn.unstack((params.layers, state.layers))):
        (key,) = split_or_none(dropout_key, index, 1)
        graph, layer_state = gps_layer(
            layer,
            layer_state,
            graph,
            config=config,
            layout=layout,
            pattern=pattern,
            pattern_layout=pattern_layout,
            real=real,
            training=training,
            dropout_key=key,
        )
        states.append(layer_state)
    where = None if virtual is None else jnp.asarray(virtual == 0)
    y = readout(params.readout, graph, method=config.pool, layout=layout, where=where)
    return y, GPSState(input_state, nn.stack(states))


def _pair_features(params: GPSParams, edges: dict[str, Any], real: Any) -> Array:
    """`[E_p, D]`: what kind of pair it is, and the bond of those that are edges of the graph."""
    assert params.kinds is not None
    kinds = nn.embedding(params.kinds, edges["kind"])
    if params.inputs.edges is None:
        return kinds
    return kinds + jnp.where(real[:, None], features(params.inputs.edges, edges["features"]), 0)
