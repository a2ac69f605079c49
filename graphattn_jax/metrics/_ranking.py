"""Ranks of right answers among candidates, and the means of them that are reported."""

from __future__ import annotations

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._masked import counted, masked_sum
from graphattn_jax.typing import Array, ArrayLike

_SHARE = {"realistic": 0.5, "optimistic": 0.0, "pessimistic": 1.0}


def ranks(
    scores: ArrayLike,
    answers: ArrayLike,
    *,
    where: ArrayLike | None = None,
    ties: str = "realistic",
) -> Array:
    """The rank of the right answer of each row, 1 = first.

        rank_i = 1 + #{ candidates j : s_ij > s_i,a_i } + c #{ candidates j ≠ a_i : s_ij = s_i,a_i }

    with c = 1/2 for the realistic rank, the expected one when ties are broken at random; c = 0 is optimistic (a model
    that scores everything alike is then always first), c = 1 pessimistic. Published numbers that do not say how they
    treat ties may be any of these. An answer or a candidate whose score is NaN ranks as if it tied with the highest of
    all: the answer last, the candidate before it.

    Args:
      scores: `[M, N]` float, larger = better.
      answers: `[M]` integers in `[0, N)`.
      where: `[M, N]` bool, which are candidates beside the answer, such as those of `ga.links.ranking_candidates` for
        the filtered setting. None = all.
      ties: "realistic", "optimistic" or "pessimistic".

    Returns:
      `[M]` float32.

    Raises:
      ValueError: shapes or dtypes disagree, an unknown name.

    Cost: O(M N).
    Padding: exact with `where`.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> ga.metrics.ranks(jnp.array([[0.5, 2.0, 1.0, 1.0]]), jnp.array([2])).tolist()
      [2.5]

    Source: Berrendorf, Faerman, Vermue, Tresp, "On the Ambiguity of Rank-Based Evaluation of Entity Alignment or Link
      Prediction Methods", 2020, arXiv:2002.06914, section 3; Sun et al., "A Re-evaluation of Knowledge Graph Completion
      Methods", ACL 2020, arXiv:1911.03903.
    """
    _checks.shape("scores", scores, (None, None))
    _checks.floating("scores", scores)
    _checks.ids("answers", answers, scores.shape[0])
    _checks.ids_in_range("answers", answers, scores.shape[1], "candidates")
    _checks.choice("ties", ties, _SHARE)
    mask = counted(where, scores.shape)
    scores, answers = jnp.asarray(scores), jnp.asarray(answers)
    own = jnp.take_along_axis(scores, answers[:, None], axis=1)
    others = mask & (jnp.arange(scores.shape[1])[None] != answers[:, None])
    above = jnp.sum(others & ~(scores <= own), axis=1, dtype=jnp.float32)
    equal = jnp.sum(others & (scores == own), axis=1, dtype=jnp.float32)
    return 1 + above + _SHARE[ties] * equal


def reciprocal_rank(ranks: ArrayLike, *, where: ArrayLike | None = None) -> tuple[Array, Array]:
    """Reciprocal ranks and their number: sum / count is the MRR.

    Args:
      ranks: `[M]` float, from `ranks`: of both ends of each link, as it is reported.
      where: `[M]` bool, True = counts. None = all.

    Returns:
      `(sum, count)`, float32 scalars.

    Raises:
      ValueError: shapes or dtypes disagree.

    Cost: O(M).
    Padding: exact with `where`.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> ga.metrics.mean_from_sums([ga.metrics.reciprocal_rank(jnp.array([1.0, 4.0]))])
      0.625
    """
    mask = _check_ranks(ranks, where)
    return masked_sum(1 / jnp.where(mask, ranks, 1), mask)


def hits_at(ranks: ArrayLike, k: int, *, where: ArrayLike | None = None) -> tuple[Array, Array]:
    """How many ranks are at most k, and their number: sum / count is Hits@k.

    Args:
      ranks: `[M]` float, from `ranks`.
      k: positive integer.
      where: `[M]` bool, True = counts. None = all.

    Returns:
      `(sum, count)`, float32 scalars.

    Raises:
      ValueError: shapes or dtypes disagree, a k that is not a positive integer.

    Cost: O(M).
    Padding: exact with `where`.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> hits, count = ga.metrics.hits_at(jnp.array([1.0, 4.0, 10.5]), 10)
      >>> float(hits), float(count)
      (2.0, 3.0)
    """
    _checks.positive("k", k)
    mask = _check_ranks(ranks, where)
    return masked_sum(jnp.asarray(ranks) <= k, mask)


def _check_ranks(ranks: ArrayLike, where: ArrayLike | None) -> Array:
    _checks.shape("ranks", ranks, (None,))
    _checks.floating("ranks", ranks)
    return counted(where, ranks.shape)
