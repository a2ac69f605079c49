"""Gates in [0, 1] that can be learned: relaxed coins, with and without exact zeros."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import wide
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = [
    "binary_concrete",
    "gate_bias",
    "hard_concrete",
    "hard_concrete_penalty",
    "straight_through",
]

LOW, HIGH = -0.1, 1.1
"""γ and ζ of the hard concrete distribution: how far beyond [0, 1] it is stretched before it is cut."""


def binary_concrete(
    logits: ArrayLike, temperature: ArrayLike | float = 2 / 3, key: PRNGKey | None = None
) -> Array:
    """A relaxed coin that is 1 with probability σ(ℓ): a gate strictly between 0 and 1.

        m = σ( (ℓ + log u − log(1 − u)) / τ ),    u uniform;    σ(ℓ) without a key

    Args:
      logits: ℓ, floating point.
      temperature: τ > 0; coins in the limit 0. A number or an array, such as what an optax schedule gives.
      key: typed key in training; None = the probability.

    Returns:
      As `logits`, float32 or wider.

    Raises:
      ValueError: logits that are not floating point, no typed key.

    Cost: elementwise.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.ops.binary_concrete(jnp.array([0.0, 100.0])).tolist()
      [0.5, 1.0]

    Source: Maddison, Mnih, Teh, "The Concrete Distribution", ICLR 2017, arXiv:1611.00712, appendix C.3.1.
    """
    _checks.floating("logits", logits)
    logits = wide(logits)
    if key is None:
        return jax.nn.sigmoid(logits)
    _checks.typed_key("key", key)
    noise = jax.random.logistic(key, logits.shape, logits.dtype)
    return jax.nn.sigmoid((logits + noise) / jnp.asarray(temperature, logits.dtype))


def hard_concrete(
    logits: ArrayLike, temperature: ArrayLike | float = 2 / 3, key: PRNGKey | None = None
) -> Array:
    """A gate that is exactly 0 or exactly 1 with positive probability, and has a gradient in between.

        m = min(1, max(0, s (ζ − γ) + γ)),    s = `binary_concrete`,    γ = −0.1, ζ = 1.1

    Args:
      logits, temperature, key: see `binary_concrete`.

    Returns:
      As `logits`, float32 or wider.

    Raises:
      ValueError: as `binary_concrete`.

    Cost: elementwise.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.ops.hard_concrete(jnp.array([-5.0, 0.0, 5.0])).tolist()
      [0.0, 0.5, 1.0]

    Source: Louizos, Welling, Kingma, "Learning Sparse Neural Networks through L0 Regularization", ICLR 2018,
      arXiv:1712.01312, equations 10, 11 and 13.
    """
    return jnp.clip(binary_concrete(logits, temperature, key) * (HIGH - LOW) + LOW, 0, 1)


def hard_concrete_penalty(
    logits: ArrayLike, temperature: ArrayLike | float = 2 / 3, *, where: ArrayLike | None = None
) -> Array:
    """How many gates are expected to be open: the L0 penalty of `hard_concrete`.

        Σ P(m > 0) = Σ σ( ℓ − τ log(−γ / ζ) )

    Args:
      logits: ℓ, floating point.
      temperature: τ.
      where: which of them count, as `logits`; None = all.

    Returns:
      A scalar, float32 or wider.

    Raises:
      ValueError: logits that are not floating point.

    Cost: elementwise.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> round(float(ga.ops.hard_concrete_penalty(jnp.array([-100.0, 100.0]))), 3)
      1.0

    Source: Louizos et al., ICLR 2018, arXiv:1712.01312, equation 12.
    """
    _checks.floating("logits", logits)
    logits = wide(logits)
    shift = jnp.asarray(temperature, logits.dtype) * math.log(-LOW / HIGH)
    return jnp.sum(jax.nn.sigmoid(logits - shift), where=where)


def straight_through(gate: ArrayLike) -> Array:
    """The gate as 0 or 1, with the gradient that it had in between.

        m̂ = [m > ½] + m − stop_gradient(m)

    Args:
      gate: m in [0, 1], of `binary_concrete`.

    Returns:
      As `gate`.

    Cost: elementwise.

    Example:
      >>> import jax, jax.numpy as jnp, graphattn_jax as ga
      >>> ga.ops.straight_through(jnp.array([0.3, 0.7])).tolist()
      [0.0, 1.0]
      >>> jax.grad(lambda m: ga.ops.straight_through(m))(0.3).item()
      1.0

    Source: Bengio, Léonard, Courville, "Estimating or Propagating Gradients Through Stochastic Neurons", 2013,
      arXiv:1308.3432, section 4.
    """
    gate = jnp.asarray(gate)
    return (gate > 0.5).astype(gate.dtype) + (gate - jax.lax.stop_gradient(gate))


def gate_bias(gate: ArrayLike) -> Array:
    """What a gate adds to the logits of attention: −inf where it is shut, which a softmax gives a weight of 0.

        ℓ' = ℓ + log m,    softmax(ℓ')_j = m_j e^{ℓ_j} / Σ_j m_j e^{ℓ_j}

    Before the normalizer, so that what is left sums to one; a mask on the weights behind it loses mass.

    Args:
      gate: m ≥ 0, floating point.

    Returns:
      As `gate`; gates of 0 have a gradient of 0.

    Raises:
      ValueError: a gate that is not floating point.

    Cost: elementwise.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.ops.gate_bias(jnp.array([0.0, 1.0])).tolist()
      [-inf, 0.0]

    Source: the identity above.
    """
    _checks.floating("gate", gate)
    gate = jnp.asarray(gate)
    is_open = gate > 0
    return jnp.where(is_open, jnp.log(jnp.where(is_open, gate, 1)), -jnp.inf)
