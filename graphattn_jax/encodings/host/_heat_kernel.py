"""The diagonal of the heat kernel: how much heat stays at a node."""

from __future__ import annotations

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.encodings._vocabulary import NORMALIZATIONS, diffusion_times
from graphattn_jax.encodings.host._adjacency import adjacency
from graphattn_jax.encodings.host._components import components, dense_blocks, stacks
from graphattn_jax.encodings.host._laplacian import UNDIRECTED, laplacian_of
from graphattn_jax.graphs import GraphsTuple, node_mask
from graphattn_jax.typing import ArrayLike


def heat_kernel_diagonal(
    graph: GraphsTuple,
    times: ArrayLike,
    *,
    normalization: str = "symmetric",
    edge_weight: ArrayLike | None = None,
    directed: str = "error",
    max_nodes: int = 4096,
) -> np.ndarray:
    """The diagonal of the heat kernel, exact: what is left at node i at time t of a unit of heat put there.

        out[i, t] = (e^(−tL))_ii = Σ_k e^(−t λ_k) v_k(i)²

    It depends on eigenspaces only, so neither signs nor bases matter. The diagonals of e^(−tL) for the symmetric and
    the random-walk Laplacian are the same.

    Args:
      graph: a graph or batch on the host, padded or not.
      times: `[T]` finite numbers ≥ 0.
      normalization: `"symmetric"`, `"combinatorial"` or `"random_walk"`; see `laplacian`.
      edge_weight: `[E]` or `[E, 1]` nonnegative finite numbers; None = 1 for every edge.
      directed: for a graph that is not symmetric, `"error"`, or `"symmetrize"`, which takes max(A, Aᵀ).
      max_nodes: largest connected component accepted, since all its eigenvectors are computed.

    Returns:
      `[N, T]` float32 in numpy, in (0, 1]; 1 for isolated nodes.

    Raises:
      ValueError: a component with more than `max_nodes` nodes, bad times or weights, an unknown option, or a
        directed graph with `directed="error"`.

    Cost: O(n³) time and O(n²) memory for a component of n nodes; equal sizes are solved together.
    Padding: rows of padding nodes are 0.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> edge = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> ga.encodings.heat_kernel_diagonal(edge, np.array([0.0, 50.0]))[0].tolist()
      [1.0, 0.5]

    Source: Sun, Ovsjanikov, Guibas, "A Concise and Provably Informative Multi-Scale Signature Based on Heat Diffusion",
      SGP 2009, equation 1; as a graph encoding, Rampášek et al., NeurIPS 2022, arXiv:2205.12454.
    """
    _checks.choice("normalization", normalization, NORMALIZATIONS)
    _checks.choice("directed", directed, UNDIRECTED)
    _checks.positive("max_nodes", max_nodes)
    times = diffusion_times(times)
    links = adjacency(graph, "heat_kernel_diagonal", edge_weight=edge_weight, directed=directed)
    parts = components(links)
    largest = int(parts.sizes.max(initial=0))
    if largest > max_nodes:
        raise ValueError(
            f"heat_kernel_diagonal computes all eigenvectors, and a component has {largest} nodes, more than "
            f"max_nodes={max_nodes}. Fix: heat_kernel_diagonal_estimate, or a larger max_nodes."
        )
    combinatorial = normalization == "combinatorial"
    matrix = laplacian_of(links, "combinatorial" if combinatorial else "symmetric")
    heat = np.zeros((len(parts.label), len(times)))
    for nodes in stacks(parts, max_nodes=max_nodes):
        values, vectors = np.linalg.eigh(dense_blocks(matrix, parts, nodes))
        heat[nodes] = vectors**2 @ np.exp(-values[..., None] * times)
    return np.where(np.asarray(node_mask(graph))[:, None], heat, 0.0).astype(np.float32)
