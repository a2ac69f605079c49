"""The energy that the diffusion of DIFFormer lowers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import wide
from graphattn_jax.linear_attention._difformer import KERNELS
from graphattn_jax.linear_attention._layer import Rows
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["diffusion_energy"]


def diffusion_energy(
    nodes: ArrayLike, previous: Any, *, kernel: str = "simple", weight: float = 1.0
) -> Array:
    """How far nodes have moved, and how far apart they are: what a step of DIFFormer's diffusion lowers.

        E = Σ_i |z_i − y_i|² + λ Σ_ij δ(|z_i − z_j|²),    δ(u) = ∫₀ᵘ f,    s = r² − u / 2
        simple: f = 1 + s / (n r²),    sigmoid: f = σ(s)

    with y the n nodes of a graph before the step, and r² their mean square length. δ rises and is concave: f, its
    derivative, is the weight of a pair in `DIFFormerAttention` whose rows are all of length r (as a layer norm makes
    them) and whose maps are the identity. Then a step z = (1 − τ) y + τ A y with τ in (0, 1) lowers E from that of y,
    for each λ ≥ τ / (4 (1 − τ) min_i Σ_j f_ij). As a loss it holds predictions to what such a diffusion may do.

    Args:
      nodes: z, `[N, D]` floating point.
      previous: the graph with nodes y `[N, D]`.
      kernel: "simple" or "sigmoid".
      weight: λ.

    Returns:
      `[G]`, E of each graph, float32 or wider.

    Raises:
      ValueError: shapes, an unknown kernel.

    Cost: O(N D²) for "simple", O(N² D) for "sigmoid".
    Padding: exact; 0 for the padding graph.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1], nodes=np.array([[1.0, 0.0], [0.0, 1.0]], np.float32))
      >>> ga.linear_attention.diffusion_energy(graph.nodes, graph).tolist()
      [5.0]

    Source: Wu et al., "DIFFormer: Scalable (Graph) Transformers Induced by Energy Constrained Diffusion", ICLR 2023,
      arXiv:2301.09474, equation 4 and theorem 1; the bound on λ is ours.
    """
    _checks.choice("kernel", kernel, KERNELS)
    _checks.shape("previous.nodes", previous.nodes, ("N", "D"))
    _checks.shape("nodes", nodes, previous.nodes.shape)
    _checks.floating("nodes", nodes)
    rows = Rows.of(previous)
    z, y = (wide(nn.real_nodes(previous, x)) for x in (nodes, previous.nodes))
    moved = jnp.sum(jnp.square(z - y), axis=1)
    total = rows.sum(jnp.sum(jnp.square(y), axis=1))
    count = jnp.maximum(rows.counts, 1).astype(z.dtype)
    spread = _simple if kernel == "simple" else _sigmoid
    per_node = moved + weight * spread(z, total, count, rows)
    return ops.segment_sum(per_node, rows.ids, rows.num_graphs, where=rows.where)


def _simple(z: Array, total: Array, count: Array, rows: Rows) -> Array:
    """Σ_j δ(u_ij) with δ(u) = (1 + 1 / n) u − u² / (4 n r²): from sums of powers of u, which need no pairs."""

    def summed(key: Array, value: Array) -> Array:
        """Σ_j (z_i · key_j) value_j."""
        return ops.kernel_sum(
            z[:, None], key[:, None], value[:, None], rows.sizes, where=rows.where
        )[:, 0]

    ones = jnp.ones((z.shape[0], 1), z.dtype)
    a = jnp.sum(jnp.square(z), axis=1)
    sums = [rows.sum(x) for x in (a, jnp.square(a))]
    dots = summed(
        z, jnp.concatenate([ones, a[:, None]], axis=1)
    )  # Σ_j c_ij and Σ_j c_ij a_j, c_ij = z_i · z_j
    squares = jnp.sum(summed(z, z) * z, axis=1)  # Σ_j c_ij²
    u = count * a + sums[0] - 2 * dots[:, 0]
    u_squared = count * jnp.square(a) + 2 * a * sums[0] + sums[1] + 4 * squares
    u_squared = u_squared - 4 * a * dots[:, 0] - 4 * dots[:, 1]
    return (1 + 1 / count) * u - u_squared / (4 * jnp.where(total > 0, total, 1))


def _sigmoid(z: Array, total: Array, count: Array, rows: Rows) -> Array:
    """Σ_j δ(u_ij) with δ(u) = 2 softplus(r²) − 2 softplus(r² − u / 2)."""
    square = (total / count)[:, None]
    distance = jnp.sum(jnp.square(z[:, None] - z[None]), axis=-1)
    delta = 2 * (jax.nn.softplus(square) - jax.nn.softplus(square - distance / 2))
    together = rows.ids[:, None] == rows.ids[None]
    return jnp.sum(jnp.where(together, delta, 0), axis=1)
