"""The contrast of two views of the same nodes."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._masked import counted, masked_sum
from graphattn_jax.losses._scaled_cosine import unit_rows
from graphattn_jax.typing import Array, ArrayLike


def contrast(
    first: ArrayLike,
    second: ArrayLike,
    *,
    positives: ArrayLike | None = None,
    where: ArrayLike | None = None,
    temperature: float = 0.5,
    balance: float = 0.5,
) -> tuple[Array, Array]:
    """Rows of two views that belong together are to be more similar than all others: InfoNCE in both directions.

        c_ij = cos( u_i, v_j ) / τ
        l_i = - λ log( Σ_{j ∈ P_i} e^{c_ij} / Σ_j e^{c_ij} ) - (1 - λ) log( Σ_{j ∈ P_i} e^{c_ji} / Σ_j e^{c_ji} )

    Args:
      first, second: `[N, D]` float, u and v, the same nodes in the same order.
      positives: `[N, N]` bool, row i: P_i, which nodes belong to node i, such as those of
        `ga.graphs.metapath_positives`. None = each to itself. A row without any counts as itself.
      where: `[N]` bool, True = counts; others are nobody's partner or rival. None = all.
      temperature: τ > 0.
      balance: λ in [0, 1], the weight of the direction from the first view to the second.

    Returns:
      `(sum, count)`, float32 scalars.

    Raises:
      ValueError: shapes or dtypes disagree, numbers out of range.

    Cost: O(N² D) time and O(N²) memory.
    Padding: exact with `where`; the gradient is zero on masked rows.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> total, count = ga.losses.contrast(jnp.eye(2), jnp.eye(2), temperature=1.0)
      >>> print(round(float(total), 4), float(count))  # 2 log(1 + 1 / e)
      0.6265 2.0

    Source: Wang, Liu, Han, Shi, "Self-supervised Heterogeneous Graph Neural Network with Co-contrastive Learning", KDD
      2021, arXiv:2105.09111, equations 9 to 11; with P_i = {i} van den Oord et al., 2018, arXiv:1807.03748.
    """
    for name, x in (("first", first), ("second", second)):
        _checks.shape(name, x, ("N", "D"))
        _checks.floating(name, x)
    _checks.shape("second", second, first.shape)
    for name, value, fits in (
        ("temperature", temperature, lambda x: x > 0),
        ("balance", balance, lambda x: 0 <= x <= 1),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not fits(value):
            wanted = "a positive number" if name == "temperature" else "a number from 0 to 1"
            raise ValueError(f"{name} must be {wanted}, got {value!r}.")
    number = first.shape[0]
    mask, own = counted(where, (number,)), jnp.eye(number, dtype=bool)
    pairs = own
    if positives is not None:
        if not hasattr(positives, "dtype") or positives.dtype != bool:
            raise ValueError(f"positives must be boolean, got {_checks.describe(positives)}.")
        _checks.shape("positives", positives, (number, number))
        pairs = jnp.asarray(positives) & mask[None]
        pairs = pairs | (own & ~jnp.any(pairs, axis=1)[:, None])
    rows = [unit_rows(jnp.where(mask[:, None], x, 0)) for x in (first, second)]
    logits = rows[0] @ rows[1].T / temperature

    def direction(logits: Array) -> Array:
        others = jnp.where(mask[None] | own, logits, -jnp.inf)
        return jax.nn.logsumexp(others, axis=1) - jax.nn.logsumexp(
            jnp.where(pairs, logits, -jnp.inf), axis=1
        )

    losses = balance * direction(logits) + (1 - balance) * direction(logits.T)
    return masked_sum(losses, mask)
