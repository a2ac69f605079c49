"""From the nodes of a network to its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphattn_jax import _checks, nn
from graphattn_jax.models._pooling import METHODS, pool
from graphattn_jax.typing import Array, ArrayLike, PRNGKey
from graphattn_jax.values import Value

__all__ = ["Readout"]


@dataclass(frozen=True, repr=False)
class Readout(Value):
    """Predictions of graphs from pooled nodes, or of nodes.

        y = MLP( pool(x) )

    Args:
      out_features: T, targets or classes.
      pool: "sum", "mean" or "max" over the nodes of each graph; None = a prediction per node.
      hidden: widths of the hidden layers of the MLP; None = two, of D/2 and D/4 units.

    Raises:
      ValueError: an unknown way of pooling, sizes that are not positive integers.

    Cost: O(N D).
    Padding: as `ga.models.pool`; padding graphs get the MLP of 0.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 8, dtype=np.float32))
      >>> readout = ga.models.Readout(3, pool="sum")
      >>> params = readout.init(jax.random.key(0), 8)
      >>> [layer.weight.shape for layer in params.layers], readout.apply(params, graph).shape
      ([(8, 4), (4, 2), (2, 3)], (1, 3))
    """

    out_features: int = 1
    pool: str | None = "mean"
    hidden: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _checks.positive("out_features", self.out_features)
        _checks.choice("pool", self.pool, (*METHODS, None))
        if not isinstance(self.hidden, tuple | None):
            raise ValueError(
                f"hidden must be a tuple of widths or None, got {_checks.describe(self.hidden)}."
            )
        for width in self.hidden or ():
            _checks.positive("hidden", width)

    def init(self, key: PRNGKey, width: int) -> nn.MLPParams:
        """Parameters for nodes of this width.

        Raises:
          ValueError: a width that halves to nothing.
        """
        hidden = (width // 2, width // 4) if self.hidden is None else self.hidden
        return nn.init_mlp(key, (width, *hidden, self.out_features))

    def apply(self, params: nn.MLPParams, graph: Any, *, where: ArrayLike | None = None) -> Array:
        """The predictions.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`.
          where: `[N]` bool, the nodes that are pooled, of the real ones. None = all.

        Returns:
          `[G, T]`, or `[N, T]` for `pool=None`, in the dtype of the nodes.

        Raises:
          ValueError: as `ga.models.pool`.
        """
        x = graph.nodes if self.pool is None else pool(graph, self.pool, where=where)
        return nn.mlp(params, x)
