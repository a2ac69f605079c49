"""Weight initialisers by name."""

from __future__ import annotations

from collections.abc import Callable

import jax

from graphattn_jax import _checks

Initializer = Callable[..., jax.Array]
"""`(key, shape, dtype) -> array`, as in `jax.nn.initializers`."""

_INITIALIZERS: dict[str, Initializer] = {
    "fan_in_uniform": jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"),
    "glorot_uniform": jax.nn.initializers.glorot_uniform(),
    "glorot_normal": jax.nn.initializers.glorot_normal(),
    "he_uniform": jax.nn.initializers.he_uniform(),
    "he_normal": jax.nn.initializers.he_normal(),
    "lecun_uniform": jax.nn.initializers.lecun_uniform(),
    "lecun_normal": jax.nn.initializers.lecun_normal(),
    "orthogonal": jax.nn.initializers.orthogonal(),
    "zeros": jax.nn.initializers.zeros,
}


def initializer(init: str | Initializer) -> Initializer:
    """An initialiser by name; a callable passes through.

    `fan_in_uniform`, W ~ U(-1/√in, 1/√in), is what `torch.nn.Linear` starts from, and so what most
    published graph networks were tuned with; its variance is a third of LeCun's. Glorot (Xavier)
    keeps the variance of linear and attention projections, He (Kaiming) that of layers followed by
    a ReLU, LeCun that of SELU networks; `orthogonal` keeps lengths; `zeros` makes a residual branch
    start as the identity. Fan-in and fan-out are the last two axes.

    Args:
      init: `"fan_in_uniform"`, `"glorot_uniform"`, `"glorot_normal"`, `"he_uniform"`, `"he_normal"`,
        `"lecun_uniform"`, `"lecun_normal"`, `"orthogonal"`, `"zeros"`, or a callable `(key, shape, dtype) -> array`.

    Returns:
      A callable `(key, shape, dtype) -> array`.

    Raises:
      ValueError: an unknown name.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> init = ga.nn.initializer("glorot_uniform")
      >>> init(jax.random.key(0), (3, 4), jnp.float32).shape
      (3, 4)

    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010; He et al., "Delving deep into rectifiers", ICCV 2015, arXiv:1502.01852.
    """
    if callable(init):
        return init
    _checks.choice("init", init, _INITIALIZERS)
    return _INITIALIZERS[init]
