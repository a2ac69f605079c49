"""The diagonal of the heat kernel: how much heat stays at a node."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.encodings._adjacency import adjacency
from graphattn_jax.encodings._chebyshev import chebyshev_coefficients, chebyshev_sums
from graphattn_jax.encodings._components import components, dense_blocks, stacks
from graphattn_jax.encodings._laplacian import NORMALIZATIONS, UNDIRECTED, laplacian_of
from graphattn_jax.encodings._probes import check_probes, mean_over_probes, moments
from graphattn_jax.encodings._propagation import laplacian_operator, structure
from graphattn_jax.graphs import GraphsTuple, Layout, node_mask
from graphattn_jax.typing import Array, ArrayLike, PRNGKey


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
    times = _times(times)
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


def heat_kernel_diagonal_estimate(
    key: PRNGKey,
    graph: GraphsTuple,
    times: ArrayLike,
    *,
    num_probes: int = 256,
    degree: int = 32,
    upper: float = 2.0,
    normalization: str = "symmetric",
    edge_weight: ArrayLike | None = None,
    layout: Layout | None = None,
) -> tuple[Array, Array]:
    """The diagonal of the heat kernel, estimated without eigenvectors, with its standard error.

        out[i, t] = mean_z ((e^(−tL/2) z)_i)²,    z ∈ {−1, 1}^N random

    Half the time, squared: the expectation is Σ_j (e^(−tL/2))_ij² = (e^(−tL))_ii, no term is negative, and the relative
    standard error is at most √(2 / num_probes) at all times, where that of the plain estimate z_i (e^(−tL) z)_i
    grows to √(n / num_probes) as the heat spreads. The exponential is a Chebyshev polynomial, whose own error is not
    part of the standard error: take a degree of 3 √(upper · t) + 10 or more.

    Args:
      key: typed PRNG key.
      graph: an undirected graph or batch, padded or not; also inside `jax.jit`.
      times: `[T]` finite numbers ≥ 0, on the host.
      num_probes: number of random vectors, at least 2.
      degree: of the polynomial.
      upper: a bound of the eigenvalues: 2 unless `"combinatorial"`, then twice the largest degree.
      normalization: `"symmetric"` or `"combinatorial"`; `"random_walk"` has the diagonal of `"symmetric"`.
      edge_weight: `[E]` nonnegative numbers; None = 1 for every edge.
      layout: from `graphs.layout`, for speed.

    Returns:
      `(estimate, standard_error)`, each `[N, T]` float32.

    Raises:
      ValueError: an unknown option, bad times, or sizes that are not positive.

    Cost: `degree` products with L on an `[N, num_probes]` array, O(degree (N + E) num_probes).
      Memory O(N T), and one GiB or so at most for the probes, which are filtered a few at a time in a large graph.
    Padding: rows of padding nodes are 0.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> edge = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> times = np.array([0.5, 2.0])
      >>> estimate, error = ga.encodings.heat_kernel_diagonal_estimate(jax.random.key(0), edge, times)
      >>> exact = ga.encodings.heat_kernel_diagonal(edge, times)
      >>> bool((abs(estimate - exact) <= 4 * error).all())
      True

    Source: Hutchinson, "A Stochastic Estimator of the Trace of the Influence Matrix", 1990, for the random signs.
    """
    times = _times(times)
    check_probes(num_probes)
    coefficients = [
        chebyshev_coefficients(lambda x, t=t: np.exp(-0.5 * t * x), degree, upper=upper)
        for t in times
    ]
    s = structure(graph, layout)
    apply = laplacian_operator(s, normalization, edge_weight)
    table = np.stack(coefficients, axis=1) if len(times) else np.zeros((degree + 1, 0), np.float32)
    nodes, edges = s.node_mask.shape[0], s.senders.shape[0]
    estimate, error = mean_over_probes(
        key,
        lambda probes: moments(
            jnp.square(chebyshev_sums(apply, probes, jnp.asarray(table), upper))
        ),
        num_nodes=nodes,
        num_probes=num_probes,
        entries_per_probe=(4 + len(times)) * nodes + edges,
    )
    real = s.node_mask[:, None]
    return jnp.where(real, estimate.T, 0), jnp.where(real, error.T, 0)


def _times(times: ArrayLike) -> np.ndarray:
    times = np.asarray(times, np.float64)
    _checks.shape("times", times, ("T",))
    if not np.isfinite(times).all() or times.min(initial=0.0) < 0:
        raise ValueError(f"times must be finite and not negative, got {times}.")
    return times
