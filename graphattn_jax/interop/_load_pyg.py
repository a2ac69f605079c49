"""Parameters of a layer from the weights of its counterpart in PyTorch Geometric."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, attention, models
from graphattn_jax import message_passing as mp
from graphattn_jax.interop import _attention, _message_passing
from graphattn_jax.interop._entries import Entries
from graphattn_jax.interop._gps import gps_layer

_READERS: dict[type, Callable[[Any, Entries], Any]] = {
    attention.GAT: _attention.gat,
    attention.GATv2: _attention.gatv2,
    attention.GraphTransformer: _attention.graph_transformer,
    mp.GCN: _message_passing.gcn,
    mp.SAGE: _message_passing.sage,
    mp.GINE: _message_passing.gine,
    mp.GatedGCN: _message_passing.gated_gcn,
    mp.PNA: _message_passing.pna,
}


def load_pyg(layer: Any, state_dict: Any, *, prefix: str = "") -> Any:
    """Parameters of a layer, from the weights of the layer of PyTorch Geometric that computes the same.

        GAT  GATConv      GATv2  GATv2Conv    GraphTransformer  TransformerConv
        GCN  GCNConv      SAGE   SAGEConv     GINE              GINEConv
        PNA  PNAConv      GatedGCN            ResGatedGraphConv
        models.GPSLayer   GPSConv, with one of these as its `conv`

    The layer says what is read, by the choices of the module: heads, concat, slope, biases. A state dict holds weights
    and no choices; of the module itself those that do not show in its weights are compared too. Self-loops and edge
    weights belong to the graph; see the guide "From PyTorch Geometric".

    Args:
      layer: one of those above.
      state_dict: names to arrays, numpy's or torch's, as from `conv.state_dict()`; or the module.
      prefix: of the names of this layer in the state dict of a larger module, such as "convs.0.".

    Returns:
      What `layer.init` returns, in the dtype of the arrays: parameters, for a `GPSLayer` `(params, state)`. One
      thing is more than in `init`: the root map of a `GraphTransformer` has a bias.

    Raises:
      ValueError: another layer; an entry that is missing, that the layer has no place for or that has another shape, by
        its name; options of the module that the layer has not.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> layer = ga.message_passing.GCN(8)
      >>> state_dict = {"lin.weight": np.ones((8, 4), np.float32), "bias": np.zeros(8, np.float32)}
      >>> params = ga.interop.load_pyg(layer, state_dict)
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> layer.apply(params, ga.graphs.add_self_loops(graph)).graph.nodes.shape
      (2, 8)
    """
    entries = Entries(state_dict, prefix, layer)
    params = _read(layer, entries)
    return jax.tree.map(jnp.asarray, params)


def _read(layer: Any, entries: Entries) -> Any:
    if type(layer) is models.GPSLayer:
        params = gps_layer(layer, entries, _read)
    elif (reader := _READERS.get(type(layer))) is not None:
        params = reader(layer, entries)
    else:
        known = ", ".join([*(kind.__name__ for kind in _READERS), "GPSLayer"])
        raise ValueError(
            f"layer must be one of {known}, as a value such as ga.message_passing.GCN(8), got "
            f"{_checks.describe(layer)}."
        )
    entries.close()
    return params
