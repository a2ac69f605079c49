"""Waves of a number, such as a time."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["sinusoid"]


def sinusoid(time: ArrayLike, width: int) -> Array:
    """Sines and cosines of a number by turns, from fast to slow ones.

        s_2k = sin( t · 10000^(−2k/D) ) / √D,    s_2k+1 = cos( t · 10000^(−2k/D) ) / √D

    Args:
      time: `[N]` numbers; one unit is one radian of the fastest wave.
      width: D.

    Returns:
      `[N, D]` float32.

    Raises:
      ValueError: not a vector, a width that is not a positive integer.

    Cost: O(N D).

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.nn.sinusoid(jnp.zeros(1), 4).tolist()
      [[0.0, 0.5, 0.0, 0.5]]

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, arXiv:1706.03762, section 3.5; over √D as in the
      relative temporal encoding of Hu et al., WWW 2020, arXiv:2003.01332.
    """
    _checks.positive("width", width)
    _checks.shape("time", time, ("N",))
    rates = (10000.0 ** (-2 * np.arange((width + 1) // 2) / width)).astype(np.float32)
    angles = jnp.asarray(time).astype(jnp.float32)[:, None] * rates[None]
    waves = jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1)
    return waves.reshape(len(angles), 2 * len(rates))[:, :width] * width**-0.5
