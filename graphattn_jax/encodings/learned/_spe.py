"""SPE: stable encodings that depend on eigenspaces only, not on their bases."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax.encodings._vocabulary import LaplacianEigenvectors, MagneticEigenvectors
from graphattn_jax.encodings.device._propagation import own_edges
from graphattn_jax.encodings.learned._eigenpairs import eigenpairs, where_rows
from graphattn_jax.graphs import GraphsTuple
from graphattn_jax.nn import MLPParams, init_mlp, mlp
from graphattn_jax.ops import segment_sum, take
from graphattn_jax.typing import Array, ArrayLike, PRNGKey


class SPEParams(NamedTuple):
    """phi: from an eigenvalue to the M spectral functions. pair: what a pair sends. rho: from diagonal and sum to D."""

    phi: MLPParams
    pair: MLPParams
    rho: MLPParams


def init_spe(
    key: PRNGKey, width: int, *, functions: int = 8, hidden: int = 32, magnetic: bool = False
) -> SPEParams:
    """Parameters of `spe`.

    Args:
      key: typed PRNG key.
      width: D, of the result.
      functions: M, number of spectral functions φ_m.
      hidden: of the three perceptrons.
      magnetic: for the complex vectors of `magnetic_laplacian_eigenvectors`.

    Returns:
      `SPEParams`.

    Raises:
      ValueError: a size that is not a positive integer.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.encodings.init_spe(jax.random.key(0), 16, functions=4)
      >>> params.phi.layers[-1].weight.shape, params.rho.layers[0].weight.shape
      ((32, 4), (36, 32))
    """
    phi_key, pair_key, rho_key = jax.random.split(key, 3)
    pairs = 2 * functions if magnetic else functions
    return SPEParams(
        phi=init_mlp(phi_key, [1, hidden, functions], init="glorot_uniform"),
        pair=init_mlp(pair_key, [pairs, hidden, hidden], init="glorot_uniform"),
        rho=init_mlp(rho_key, [functions + hidden, hidden, width], init="glorot_uniform"),
    )


def spe(
    params: SPEParams,
    vectors: ArrayLike | LaplacianEigenvectors | MagneticEigenvectors,
    values: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    pattern: GraphsTuple | None = None,
) -> Array:
    """A learned encoding from spectral matrices V diag(φ_m(λ)) Vᵀ, evaluated on the pairs of a pattern.

        b_ij = Σ_k φ(λ_k) v_k(i) v_k(j)   ∈ R^M         φ: R → R^M, a perceptron on each eigenvalue by itself
        p_i  = ρ([b_ii, Σ_{j → i} MLP(b_ij)])

    b does not change if the vectors of an eigenspace are replaced by another orthonormal basis of it, signs included,
    because equal eigenvalues get equal φ; and φ is continuous, so nearly equal eigenvalues do no harm either. This
    holds for eigenspaces that lie within the K vectors as a whole. Of complex vectors b is Hermitian, v_k(i) v̄_k(j) in
    place of v_k(i) v_k(j), does not depend on phases, and the real and imaginary parts of b_ij go into the MLP.

    Two things are narrower than in the paper. Its ρ is any equivariant network on the whole `[n, n, M]` tensor and sees
    every pair; this one sees those of the pattern, with `graphs.all_pairs` on a connected graph all of them. And
    its φ_m may mix the eigenvalues.

    Args:
      params: from `init_spe`.
      vectors: `[N, K]` floating point, `[N, K, 2]` if `magnetic`.
      values: `[N, K]`, the eigenvalues of each node's component.
      mask: `[N, K]` bool, True = there is such a pair. `laplacian_eigenvectors` gives all three, which may stand in the
        place of `vectors`.
      pattern: the graph whose edges are the pairs, on the same nodes. Sender and receiver lie in one connected
        component, as those of the graph's own edges do: the K vectors of another component are other vectors.

    Returns:
      `[N, D]` in the dtype of `vectors`.

    Raises:
      ValueError: arrays that do not fit each other, or a pattern on other nodes.

    Cost: O((N + E) K M) time and memory for b, then the perceptrons on N and E rows. No `[N, N]` array.
    Padding: nodes without pairs give 0: padding, and isolated ones.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> eigen = ga.encodings.laplacian_eigenvectors(path, 4)
      >>> params = ga.encodings.init_spe(jax.random.key(0), 8)
      >>> ga.encodings.spe(params, *eigen, path).shape
      (3, 8)

    Source: Huang, Lu, Robinson, Yang, Zhang, Jegelka, Li, "On the Stability of Expressive Positional Encodings for
      Graphs", ICLR 2024, arXiv:2310.02579, section 3; of complex vectors Huang, Wang, Li, "What Are Good Positional
      Encodings for Directed Graphs?", ICLR 2025, arXiv:2407.20912.
    """
    if pattern is None:
        raise ValueError("spe needs pattern=, the graph whose edges are the pairs; got none.")
    magnetic = params.pair.layers[0].weight.shape[0] == 2 * params.phi.layers[-1].weight.shape[1]
    vectors, values, mask = eigenpairs(vectors, values, mask, magnetic=magnetic)
    edges = own_edges(pattern._replace(nodes=vectors))
    parts = vectors if magnetic else vectors[..., None]
    weighted = parts[..., None] * mlp(params.phi, values[..., None])[:, :, None]  # [N, K, P, M]
    diagonal = jnp.einsum("nkp,nkpm->nm", parts, weighted)
    sent, heard = take(parts, edges.senders), take(weighted, edges.receivers)
    pairs = jnp.einsum("ekp,ekpm->em", sent, heard)
    if magnetic:
        turned = jnp.stack([-sent[..., 1], sent[..., 0]], axis=-1)
        pairs = jnp.concatenate([pairs, jnp.einsum("ekp,ekpm->em", turned, heard)], axis=-1)
    received = segment_sum(
        mlp(params.pair, pairs), edges.receivers, edges.num_rows, where=edges.mask
    )
    encoded = mlp(params.rho, jnp.concatenate([diagonal, received], axis=-1))
    return where_rows(mask.any(axis=1), encoded)
