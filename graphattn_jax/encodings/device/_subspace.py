"""Laplacian eigenvectors of one large graph on a device, by products with L alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from graphattn_jax import _checks
from graphattn_jax.encodings.device._chebyshev import chebyshev_sums
from graphattn_jax.encodings.device._propagation import degrees, laplacian_operator, own_edges
from graphattn_jax.graphs import GraphsTuple, graph_mask, node_mask
from graphattn_jax.typing import Array, ArrayLike, PRNGKey


class SubspaceEigenvectors(NamedTuple):
    """As `LaplacianEigenvectors`, with the residuals `[K]` ‖L v_k − λ_k v_k‖ that say how far to trust them."""

    vectors: Array
    values: Array
    mask: Array
    residuals: Array


@dataclass(frozen=True)
class SubspaceIteration:
    """How `subspace_eigenvectors` searches.

    Args:
      extra: columns of the block beyond the k wanted ones, which speed up convergence.
      degree: of the filter, from 1 to 40 (float32 overflows).
      iterations: at most so many filters.
      tolerance: largest residual, relative to the bound of the eigenvalues.

    Raises:
      ValueError: a size that is not a positive integer, a degree above 40, a tolerance that is not positive.
    """

    extra: int = 8
    degree: int = 20
    iterations: int = 30
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        for name in ("extra", "degree", "iterations"):
            _checks.positive(name, getattr(self, name))
        if self.degree > 40:
            raise ValueError(f"degree must be at most 40, or float32 overflows, got {self.degree}.")
        if not _checks.is_number(self.tolerance) or not 0 < self.tolerance < np.inf:
            raise ValueError(f"tolerance must be a positive number, got {self.tolerance!r}.")


def subspace_eigenvectors(
    key: PRNGKey,
    graph: GraphsTuple,
    k: int,
    *,
    normalization: str = "symmetric",
    edge_weight: ArrayLike | None = None,
    search: SubspaceIteration = SubspaceIteration(),
) -> SubspaceEigenvectors:
    """The k smallest non-trivial Laplacian eigenpairs of one connected graph, by Chebyshev-filtered subspace iteration.

        X ← orthonormal basis of T_degree((2 L − (c + a) I) / (c − a)) X,   then Rayleigh-Ritz in span(X)

    T_degree is small on `[a, c]` and grows fast below a, the largest Ritz value of the block; c bounds the eigenvalues:
    2, or twice the largest degree for the combinatorial Laplacian. All of it runs on the device in float32: gathers and
    segment sums over the edges, a QR decomposition of `[N, k + extra]`, a small `eigh`. It stops when all k residuals
    are below the tolerance, or after `iterations`, and raises nothing then: look at `residuals`.

    When it converges: a filter shrinks what is unwanted by cosh(2 degree √((a − λ_k) / c)). That is plenty on
    expanders, grids and social networks (with 3,000 nodes and the defaults the tolerance is reached), and next to
    nothing where all wanted eigenvalues are tiny: on a ring of 3,000 nodes the defaults leave residuals of 5e-4 and a
    subspace 38 degrees away from the right one, and degree 40 with 60 iterations are needed. A residual says little
    where it exceeds the eigenvalues, and values below 1e-6 are noise in float32. Multiple eigenvalues are found with
    all copies. Prefer `laplacian_eigenvectors` unless the graph is so large that the host is too slow.

    Args:
      key: typed PRNG key, for the first block.
      graph: one undirected connected graph, padded or not; also inside `jax.jit` if it has node features
        or is prepared. Further components would show up as eigenvalues 0.
      k: number of pairs K, positive.
      normalization: `"symmetric"` or `"combinatorial"`.
      edge_weight: `[E]` nonnegative numbers; None = 1 for every edge.
      search: how wide, how often, how well.

    Returns:
      `SubspaceEigenvectors(vectors, values, mask, residuals)`: `[N, K]` three times, and `[K]`. Vectors have unit
      norm and Σ_i v_k(i)³ ≥ 0.

    Raises:
      ValueError: several graphs, no more than k + extra nodes, an unknown normalization, or k < 1.

    Cost: per iteration `degree` products with L on `[N, k + extra]`, and O(N (k + extra)²).
    Padding: rows of padding nodes are 0 and masked.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> graph = ga.testing.random_graph(0, 60, 600, 1, undirected=True)
      >>> eigen = ga.encodings.subspace_eigenvectors(jax.random.key(0), graph, 4)
      >>> exact = ga.encodings.laplacian_eigenvectors(graph, 4)
      >>> bool(abs(eigen.values - exact.values).max() < 1e-5)
      True

    Source: Zhou, Saad, Tiago, Chelikowsky, "Self-consistent-field calculations using Chebyshev-filtered subspace
      iteration", Journal of Computational Physics 219, 2006.
    """
    _checks.choice("normalization", normalization, ("symmetric", "combinatorial"))
    _checks.positive("k", k)
    _check_graph(graph, k + search.extra)
    edges, real = own_edges(graph), jnp.asarray(node_mask(graph))
    _, degree = degrees(edges, edge_weight)
    if normalization == "symmetric":
        upper, trivial = jnp.float32(2), jnp.sqrt(degree)
    else:
        upper, trivial = 2 * degree.max(initial=0), real.astype(jnp.float32)
    trivial = (trivial / jnp.linalg.norm(trivial))[:, None]
    multiply = laplacian_operator(edges, normalization, edge_weight)

    def apply(x: Array) -> Array:
        """L with the trivial eigenvalue moved from 0 to `upper`."""
        return multiply(x) + upper * trivial * _dot(trivial.T, x)

    def ritz(x: Array) -> tuple[Array, Array, Array]:
        basis = jnp.linalg.qr(x)[0]
        image = apply(basis)
        small = _dot(basis.T, image)
        values, rotation = jnp.linalg.eigh((small + small.T) / 2)
        vectors = _dot(basis, rotation)
        residuals = jnp.linalg.norm(_dot(image, rotation) - vectors * values[None], axis=0)
        return vectors, values, residuals

    def unfinished(state) -> Array:
        step, (_, _, residuals) = state
        return (step < search.iterations) & (residuals[:k].max() > search.tolerance * upper)

    def iterate(state):
        step, (vectors, values, _) = state
        edge = jnp.minimum(values[-1], 0.9 * upper)
        # The filter runs on L' = (L − a) upper / (upper − a), which takes [a, upper] to [0, upper].
        stretch = upper / (upper - edge)
        (filtered,) = chebyshev_sums(
            lambda x: stretch * (apply(x) - edge * x), vectors, last, upper
        )
        return step + 1, ritz(filtered)

    last = jnp.zeros((search.degree + 1, 1), jnp.float32).at[-1].set(1)
    start = jax.random.normal(key, (edges.num_rows, k + search.extra), jnp.float32)
    start = jnp.where(real[:, None], start, 0)
    _, (vectors, values, _) = jax.lax.while_loop(unfinished, iterate, (0, ritz(start)))
    # Of the vectors as they are returned: those of the loop went through one rotation more.
    residuals = jnp.linalg.norm(multiply(vectors) - vectors * values[None], axis=0)
    vectors = vectors[:, :k] * jnp.where(jnp.sum(vectors[:, :k] ** 3, axis=0) < 0, -1, 1)[None]
    mask = jnp.broadcast_to(real[:, None], vectors.shape)
    return SubspaceEigenvectors(
        jnp.where(mask, vectors, 0),
        jnp.where(mask, jnp.maximum(values[:k], 0)[None], 0),
        mask,
        residuals[:k],
    )


def _check_graph(graph: GraphsTuple, columns: int) -> None:
    if isinstance(graph.n_node, Tracer):
        return
    graphs, nodes = int(np.sum(graph_mask(graph))), int(np.sum(node_mask(graph)))
    if graphs != 1:
        raise ValueError(
            f"graph must be one graph, got a batch of {graphs}. Fix: laplacian_eigenvectors, which is fast on many "
            "small graphs."
        )
    if nodes <= columns:
        raise ValueError(
            f"graph must have more than k + extra = {columns} nodes, got {nodes}. Fix: laplacian_eigenvectors."
        )


def _dot(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision="highest")
