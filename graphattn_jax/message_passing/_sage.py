"""GraphSAGE: the mean of the neighbours beside the node itself."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn
from graphattn_jax._dtypes import wide
from graphattn_jax.message_passing._aggregation import (
    check_fields,
    edge_sum,
    in_degrees,
    incoming,
    real_edges,
)
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["SAGE", "SAGEParams"]


class SAGEParams(NamedTuple):
    """Arrays of a `SAGE` layer: maps `[D, D_out]` of the mean (with the layer's bias) and of the node itself."""

    neighbor: nn.LinearParams
    root: nn.LinearParams


@dataclass(frozen=True, repr=False)
class SAGE(nn.Layer):
    """GraphSAGE with the mean aggregator.

        x'_i = W_n · mean_j x_j + W_r x_i + b

    with i the receiver and j its senders. The paper maps the concatenation [x_i ‖ mean], which is W_r and W_n side
    by side. A self-loop puts the node into its own mean, and parallel edges count as often as they are there. Edge
    features are not read.

    Args:
      features: D_out, width of the new node features; None = that of the receivers.
      use_bias: whether to add b.
      implementation: None, or "reference", plain gathers and sums, which have a forward mode.

    Raises:
      ValueError: sizes that are not positive integers.

    Cost: O(N D D_out + E D) time, no [E, D] array with a layout.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> layer = ga.message_passing.SAGE(8)
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> layer.apply(params, graph).graph.nodes.shape
      (2, 8)

    Source: Hamilton, Ying, Leskovec, "Inductive Representation Learning on Large Graphs", NeurIPS 2017,
      arXiv:1706.02216, algorithm 1, lines 4 and 5, before σ and the normalisation of line 7.
    """

    features: int | None = None
    _: KW_ONLY
    use_bias: bool = True
    implementation: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def init(
        self, key: PRNGKey, in_features: int | tuple[int, int], edge_features: int | None = None
    ) -> SAGEParams:
        """Parameters, float32; weights start as those of `ga.nn.init_linear`, the bias at zero."""
        senders, receivers = nn.widths_of_ends(in_features)
        features = self.features or receivers
        neighbor, root = jax.random.split(key)
        return SAGEParams(
            neighbor=nn.init_linear(neighbor, senders, features, bias=self.use_bias),
            root=nn.init_linear(root, receivers, features, bias=False),
        )

    def apply(
        self, params: SAGEParams, graph: Any, *, training: bool = False, key: Array | None = None
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`, or a `NodePair`.
          training, key: without effect, there is no dropout.

        Returns:
          The graph with new nodes `[N, D_out]`, in the dtype of the old. The mean of no neighbours is 0.

        Raises:
          ValueError: features that do not fit the parameters.
        """
        _checks.params(params, SAGEParams, self)
        maps = params.neighbor.weight, params.root.weight
        senders, receivers = nn.read_ends(graph, *(w.shape[0] for w in maps))
        edges = incoming(self, graph)
        ones = real_edges(edges, wide(senders).dtype)
        count = jnp.maximum(in_degrees(ones, edges), 1)[:, None]
        mean = edge_sum(ones, wide(senders), edges) / count
        out = nn.linear(params.neighbor, mean.astype(receivers.dtype))
        return nn.LayerOutput(nn.with_nodes(graph, out + nn.linear(params.root, receivers)))
