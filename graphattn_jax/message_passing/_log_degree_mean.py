"""The statistic of a data set that PNA's scalers are relative to."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from graphattn_jax.graphs import GraphsTuple, in_degree, node_mask, to_host


def log_degree_mean(graph_list: Iterable[GraphsTuple]) -> float:
    """The mean of log(d + 1) over the nodes of a data set, with d the number of incoming edges.

        δ = mean_i log( d_i + 1 )

    Args:
      graph_list: graphs or batches on the host, the training set; padded ones too.

    Returns:
      δ, for `PNA`.

    Raises:
      ValueError: one graph instead of several, no edges at all, so that no degree is positive; traced graphs.

    Cost: O(N + E).
    Padding: padding nodes and edges do not count.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> pair = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> bool(np.isclose(ga.message_passing.log_degree_mean([pair]), np.log(2)))
      True

    Source: Corso et al., "Principal Neighbourhood Aggregation for Graph Nets", NeurIPS 2020, arXiv:2004.05718,
      equation 5.
    """
    if isinstance(graph_list, GraphsTuple):
        raise ValueError("graph_list must hold graphs, got one GraphsTuple. Fix: [graph].")
    total, count = 0.0, 0
    for graph in graph_list:
        graph = to_host(graph, "log_degree_mean", allow_padded=True)
        total += float(np.log1p(in_degree(graph)).sum())  # 0 for padding
        count += int(np.count_nonzero(node_mask(graph)))
    if total == 0:
        raise ValueError(
            f"graph_list must have edges, got {count} nodes without any. "
            "Fix: pass the training graphs, with their edges."
        )
    return total / count
