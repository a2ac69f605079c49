"""A DeepSet over the eigenpairs of each node."""

from __future__ import annotations

import jax

from graphattn_jax.encodings._vocabulary import LaplacianEigenvectors, MagneticEigenvectors
from graphattn_jax.encodings.learned._eigenpairs import eigenpairs, tokens, where_rows
from graphattn_jax.nn import MLPParams, init_mlp, mlp
from graphattn_jax.typing import Array, ArrayLike, PRNGKey


def init_laplace_deepset(
    key: PRNGKey, width: int, *, hidden: int | None = None, magnetic: bool = False
) -> MLPParams:
    """Parameters of `laplace_deepset`.

    Args:
      key: typed PRNG key.
      width: D, of the result.
      hidden: width of the hidden layer; None = 2 D, as published.
      magnetic: for the complex vectors of `magnetic_laplacian_eigenvectors`.

    Returns:
      `MLPParams` from 2 (3 if `magnetic`) over `hidden` to D.

    Raises:
      ValueError: a size that is not a positive integer.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.encodings.init_laplace_deepset(jax.random.key(0), 8)
      >>> [layer.weight.shape for layer in params.layers]
      [(2, 16), (16, 8)]
    """
    hidden = 2 * width if hidden is None else hidden
    return init_mlp(key, [3 if magnetic else 2, hidden, width], init="glorot_uniform")


def laplace_deepset(
    params: MLPParams,
    vectors: ArrayLike | LaplacianEigenvectors | MagneticEigenvectors,
    values: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """GraphGPS's encoder of Laplacian eigenvectors: a sum over a node's pairs.

        p_i = Σ_k relu(MLP([v_k(i), λ_k]))

    It is not invariant to signs: train with `flip_signs`, or with `turn_phases` on complex vectors, whose real and
    imaginary parts stand for v_k(i).

    Args:
      params: from `init_laplace_deepset`.
      vectors: `[N, K]` floating point, `[N, K, 2]` if `magnetic`.
      values: `[N, K]`, the eigenvalues of each node's component.
      mask: `[N, K]` bool, True = there is such a pair. `laplacian_eigenvectors` gives all three, which may stand in the
        place of `vectors`.

    Returns:
      `[N, D]` in the dtype of `vectors`.

    Raises:
      ValueError: shapes disagree, vectors are not floating point, or the mask is not boolean.

    Cost: O(N K (hidden D)) time, O(N K (hidden + D)) memory.
    Padding: nodes without pairs give 0: padding, and isolated ones.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> eigen = ga.encodings.laplacian_eigenvectors(path, 4)
      >>> params = ga.encodings.init_laplace_deepset(jax.random.key(0), 8)
      >>> ga.encodings.laplace_deepset(params, *eigen).shape
      (3, 8)

    Source: Rampášek et al., "Recipe for a General, Powerful, Scalable Graph Transformer", NeurIPS 2022,
      arXiv:2205.12454; the sum is that of the authors' LapPE encoder.
    """
    magnetic = params.layers[0].weight.shape[0] == 3
    vectors, values, mask = eigenpairs(vectors, values, mask, magnetic=magnetic)
    return where_rows(mask, jax.nn.relu(mlp(params, tokens(vectors, values)))).sum(axis=1)
