"""GraphSAGE: the mean of the neighbours beside the node itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import nn
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.message_passing._aggregation import edge_sum, in_degrees, real_edges, wide
from graphattn_jax.nn._arrays import read_nodes
from graphattn_jax.typing import PRNGKey

__all__ = ["SAGEParams", "init_sage", "sage"]


class SAGEParams(NamedTuple):
    """Arrays of a `sage` layer: maps `[D, D_out]` of the mean (with the layer's bias) and of the node itself."""

    neighbor: nn.LinearParams
    root: nn.LinearParams


def init_sage(
    key: PRNGKey, in_features: int, out_features: int, *, bias: bool = True
) -> SAGEParams:
    """Parameters of a `sage` layer.

    Args:
      key: typed PRNG key.
      in_features: D, width of the node features.
      out_features: D_out, width of the new node features.
      bias: whether to add a bias.

    Returns:
      `SAGEParams`, float32; weights start as those of `ga.nn.init_linear`, the bias at zero.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.message_passing.init_sage(jax.random.key(0), 16, 8).root.weight.shape
      (16, 8)
    """
    neighbor, root = jax.random.split(key)
    return SAGEParams(
        neighbor=nn.init_linear(neighbor, in_features, out_features, bias=bias),
        root=nn.init_linear(root, in_features, out_features, bias=False),
    )


def sage(params: SAGEParams, graph: Any, *, layout: Any = None):
    """GraphSAGE with the mean aggregator.

        x'_i = W_n · mean_j x_j + W_r x_i + b

    with i the receiver and j its senders. The paper maps the concatenation [x_i ‖ mean], which is W_r and W_n side
    by side. A self-loop puts the node into its own mean, and parallel edges count as often as they are there.

    Args:
      params: from `init_sage`.
      graph: nodes `[N, D]`.
      layout: from `ga.graphs.layout`; optional, faster with it.

    Returns:
      The graph with new nodes `[N, D_out]`, in the dtype of the old. The mean of no neighbours is 0.

    Raises:
      ValueError: features that do not fit the parameters.

    Cost: O(N D D_out + E D) time, no [E, D] array with a layout.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> params = ga.message_passing.init_sage(jax.random.key(0), 4, 8)
      >>> ga.message_passing.sage(params, graph).nodes.shape
      (2, 8)

    Source: Hamilton, Ying, Leskovec, "Inductive Representation Learning on Large Graphs", NeurIPS 2017,
      arXiv:1706.02216, algorithm 1, lines 4 and 5, before σ and the normalisation of line 7.
    """
    x = read_nodes(graph, params.root.weight.shape[0])
    ones = real_edges(graph, layout, accumulation_dtype(x.dtype))
    count = jnp.maximum(in_degrees(ones, graph, x.shape[0]), 1)[:, None]
    mean = edge_sum(ones, wide(x), graph, layout) / count
    out = nn.linear(params.neighbor, mean.astype(x.dtype)) + nn.linear(params.root, x)
    return graph._replace(nodes=out)
