"""From the nodes of a network to its predictions."""

from __future__ import annotations

from typing import Any

from graphattn_jax import nn
from graphattn_jax.models._pooling import pool
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["init_readout", "readout"]


def init_readout(key: PRNGKey, width: int, out_features: int, *, halvings: int = 2) -> nn.MLPParams:
    """Parameters of `readout`: an MLP that halves its width before every layer but the last.

    Args:
      key: typed PRNG key.
      width: D.
      out_features: T, targets or classes.
      halvings: hidden layers, of D/2, D/4, ... units.

    Returns:
      `nn.MLPParams`.

    Raises:
      ValueError: a width that halves to nothing.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.models.init_readout(jax.random.key(0), 64, 1)
      >>> [layer.weight.shape for layer in params.layers]
      [(64, 32), (32, 16), (16, 1)]
    """
    return nn.init_mlp(key, [*(width // 2**i for i in range(halvings + 1)), out_features])


def readout(
    params: nn.MLPParams,
    graph: Any,
    *,
    method: str | None = "mean",
    layout: Any = None,
    where: ArrayLike | None = None,
) -> Array:
    """Predictions of graphs from pooled nodes, or of nodes.

        y = MLP( pool(x) )

    Args:
      params: from `init_readout`.
      graph: nodes `[N, D]`.
      method: "sum", "mean" or "max" over the nodes of each graph; None = a prediction per node.
      layout: from `ga.graphs.layout`.
      where: `[N]` bool, the nodes that take part, of the real ones. None = all.

    Returns:
      `[G, T]`, or `[N, T]` for `method=None`, in the dtype of the nodes.

    Raises:
      ValueError: as `pool`.

    Cost: O(N D).
    Padding: as `pool`; padding graphs get the MLP of 0.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 8, dtype=np.float32))
      >>> params = ga.models.init_readout(jax.random.key(0), 8, 3)
      >>> ga.models.readout(params, graph, method="sum").shape
      (1, 3)
    """
    x = graph.nodes if method is None else pool(graph, method, layout=layout, where=where)
    return nn.mlp(params, x)
