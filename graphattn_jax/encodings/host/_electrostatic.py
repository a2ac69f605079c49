"""Electrostatic structural encodings: the field of a charge at each node."""

from __future__ import annotations

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.encodings.host._adjacency import adjacency
from graphattn_jax.encodings.host._components import components
from graphattn_jax.encodings.host._pseudoinverse import pseudoinverses
from graphattn_jax.graphs import GraphsTuple, num_nodes
from graphattn_jax.typing import ArrayLike


def electrostatic(
    graph: GraphsTuple,
    *,
    edge_weight: ArrayLike | None = None,
    directed: str = "error",
) -> np.ndarray:
    """Electrostatic structural encoding: statistics of the potentials between a node and all others.

        V_ij = L⁺_ij − L⁺_jj,     L = D − A

    is the potential at node i of a unit charge at node j, against that at j itself; V ≤ 0 and V_jj = 0. Within the
    component of node u, with P = D⁻¹A, the columns are

        0  min_i V_iu        3  Σ_i P_iu V_iu     u is the charge
        1  mean_i V_iu
        2  std_i V_iu
        4  min_j V_uj        7  Σ_j P_uj V_uj     u is where others' charges are felt
        5  mean_j V_uj
        6  std_j V_uj

    The means and biased standard deviations run over all nodes of the component, u included. Differences from
    the ElstaticSE of GraphGPS: its two maxima are always 0 and left out, its standard deviations are unbiased, and
    it mixes the components of a disconnected graph.

    Args:
      graph: a graph or batch on the host.
      edge_weight: `[E]` or `[E, 1]` nonnegative conductances A_ij, None = 1. Duplicates add up; self-loops enter P
        only.
      directed: "error", or "symmetrize": max(A, Aᵀ).

    Returns:
      `[N, 8]` float32; nodes alone in their component get 0.

    Raises:
      ValueError: bad weights, or a directed graph with `directed="error"`.

    Cost: O(n³) time and O(n²) memory per component: about 5,000 nodes at most.
    Padding: rows of padding nodes are 0.

    Example:
      >>> import graphattn_jax as ga
      >>> edge = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> ga.encodings.electrostatic(edge)[0].tolist()
      [-0.5, -0.25, 0.25, -0.5, -0.5, -0.25, 0.25, -0.5]

    Source: the ElstaticSE of Rampášek et al., "Recipe for a General, Powerful, Scalable Graph Transformer" (GraphGPS),
      NeurIPS 2022, arXiv:2205.12454; the potentials are those of Kreuzer et al. (SAN), NeurIPS 2021, arXiv:2106.03893.
    """
    _checks.choice("directed", directed, ("error", "symmetrize"))
    matrix = adjacency(graph, "electrostatic", edge_weight=edge_weight, directed=directed)
    values = np.zeros((num_nodes(graph), 8), np.float32)
    for nodes, blocks, inverse in pseudoinverses(matrix, components(matrix)):
        potential = inverse - np.diagonal(inverse, axis1=1, axis2=2)[:, None, :]
        degree = blocks.sum(-1, keepdims=True)
        step = np.divide(blocks, degree, out=np.zeros_like(blocks), where=degree > 0)
        values[nodes] = np.stack(
            [
                statistic
                for axis in (1, 2)
                for statistic in (
                    potential.min(axis),
                    potential.mean(axis),
                    potential.std(axis),
                    (step * potential).sum(axis),
                )
            ],
            axis=-1,
        )
    return values
