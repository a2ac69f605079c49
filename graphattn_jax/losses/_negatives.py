"""Losses of positives beside their negatives."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._masked import counted
from graphattn_jax.typing import Array, ArrayLike


def negative_sampling(
    positives: ArrayLike,
    negatives: ArrayLike,
    *,
    where: ArrayLike | None = None,
    negatives_where: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Binary cross-entropy of links that are there and of sampled ones that are not.

        l = - Σ_i log sigmoid( s_i ) - Σ_ik log sigmoid( - s_ik )

    Args:
      positives: `[B]` float, scores s_i.
      negatives: `[B, K]` float, scores s_ik of the negatives of each.
      where: `[B]` bool, True = counts; the negatives of what does not count do not either. None = all.
      negatives_where: `[B, K]` bool, which negatives there are. None = all.

    Returns:
      `(sum, count)`, float32 scalars; the count is that of the scores that count, as in the paper.

    Raises:
      ValueError: shapes or dtypes disagree.

    Cost: O(B K).
    Padding: exact with the masks; the gradient is zero where masked.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> total, count = ga.losses.negative_sampling(jnp.zeros(2), jnp.zeros((2, 3)))
      >>> print(round(float(total / count), 4), float(count))
      0.6931 8.0

    Source: Schlichtkrull et al., "Modeling Relational Data with Graph Convolutional Networks", ESWC 2018,
      arXiv:1703.06103, equation 7.
    """
    mask, pairs, positives, negatives = _scores(positives, negatives, where, negatives_where)
    there = jnp.where(mask, jax.nn.softplus(-positives), 0)
    absent = jnp.where(pairs, jax.nn.softplus(negatives), 0)
    return jnp.sum(there) + jnp.sum(absent), jnp.sum(mask, dtype=jnp.float32) + jnp.sum(
        pairs, dtype=jnp.float32
    )


def margin_ranking(
    positives: ArrayLike,
    negatives: ArrayLike,
    *,
    margin: float = 1.0,
    where: ArrayLike | None = None,
    negatives_where: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Every positive is to score above each of its negatives, by a margin.

        l = Σ_ik max( 0, γ - s_i + s_ik )

    Args:
      positives: `[B]` float, scores s_i, larger = more likely.
      negatives: `[B, K]` float, scores s_ik of the negatives of each.
      margin: γ ≥ 0.
      where: `[B]` bool, True = counts. None = all.
      negatives_where: `[B, K]` bool, which negatives there are. None = all.

    Returns:
      `(sum, count)`, float32 scalars; the count is that of the pairs that count.

    Raises:
      ValueError: shapes or dtypes disagree, a negative margin.

    Cost: O(B K).
    Padding: exact with the masks; the gradient is zero where masked.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> total, count = ga.losses.margin_ranking(jnp.array([2.0]), jnp.array([[1.5, 0.0]]))
      >>> print(float(total), float(count))
      0.5 2.0

    Source: Bordes et al., "Translating Embeddings for Modeling Multi-relational Data", NeurIPS 2013, equation 1, with
      scores in place of distances.
    """
    if isinstance(margin, bool) or not isinstance(margin, (int, float)) or not margin >= 0:
        raise ValueError(f"margin must be a number, 0 or more, got {margin!r}.")
    _, pairs, positives, negatives = _scores(positives, negatives, where, negatives_where)
    short = jax.nn.relu(margin - positives[:, None] + negatives)
    return jnp.sum(jnp.where(pairs, short, 0)), jnp.sum(pairs, dtype=jnp.float32)


def _scores(positives, negatives, where, negatives_where) -> tuple[Array, Array, Array, Array]:
    """The masks of positives and of negatives, and the scores in float32, 0 where masked."""
    _checks.shape("positives", positives, (None,))
    _checks.floating("positives", positives)
    _checks.shape("negatives", negatives, (positives.shape[0], "K"))
    _checks.floating("negatives", negatives)
    mask = counted(where, positives.shape)
    pairs = counted(negatives_where, negatives.shape) & mask[:, None]
    positives = jnp.where(mask, positives, 0).astype(jnp.float32)
    return mask, pairs, positives, jnp.where(pairs, negatives, 0).astype(jnp.float32)
