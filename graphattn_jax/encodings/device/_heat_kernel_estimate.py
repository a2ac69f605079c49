"""The diagonal of the heat kernel by random probes: no eigenvectors, on the device."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from graphattn_jax.encodings._vocabulary import diffusion_times
from graphattn_jax.encodings.device._chebyshev import chebyshev_coefficients, chebyshev_sums
from graphattn_jax.encodings.device._probes import check_probes, mean_over_probes, moments
from graphattn_jax.encodings.device._propagation import laplacian_operator, own_edges
from graphattn_jax.graphs import GraphsTuple, node_mask
from graphattn_jax.typing import Array, ArrayLike, PRNGKey


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
    times = diffusion_times(times)
    check_probes(num_probes)
    coefficients = [
        chebyshev_coefficients(lambda x, t=t: np.exp(-0.5 * t * x), degree, upper=upper)
        for t in times
    ]
    edges = own_edges(graph)
    apply = laplacian_operator(edges, normalization, edge_weight)
    table = np.stack(coefficients, axis=1) if len(times) else np.zeros((degree + 1, 0), np.float32)
    estimate, error = mean_over_probes(
        key,
        lambda probes: moments(
            jnp.square(chebyshev_sums(apply, probes, jnp.asarray(table), upper))
        ),
        num_nodes=edges.num_rows,
        num_probes=num_probes,
        entries_per_probe=(4 + len(times)) * edges.num_rows + edges.num_edges,
    )
    real = jnp.asarray(node_mask(graph))[:, None]
    return jnp.where(real, estimate.T, 0), jnp.where(real, error.T, 0)
