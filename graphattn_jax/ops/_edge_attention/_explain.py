"""Why sparse attention is computed the way it is."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from graphattn_jax.ops._edge_attention._api import edge_attention
from graphattn_jax.ops._edge_attention._choice import IMPLEMENTATIONS, candidates
from graphattn_jax.typing import ArrayLike

__all__ = ["Choice", "explain_choice"]


class Choice(NamedTuple):
    """The implementation that `implementation=None` takes, and for every one a sentence that says why (not)."""

    implementation: str
    reasons: dict[str, str]

    def __str__(self) -> str:
        """A line per implementation."""
        return "\n".join(f"{name:<12} {reason}" for name, reason in self.reasons.items())


def explain_choice(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    senders: ArrayLike,
    receivers: ArrayLike,
    **options: Any,
) -> Choice:
    """Which implementation `edge_attention` takes for these arguments on this machine, and why not another.

    Every implementation is asked with the real arguments, abstractly: nothing is computed.

    Args:
      query, key, value, senders, receivers: as `edge_attention`; `jax.ShapeDtypeStruct`s will do for the first three.
      **options: as `edge_attention`, but for `implementation`.

    Returns:
      `Choice(implementation, reasons)`; print it.

    Raises:
      ValueError: as `edge_attention`.

    Cost: traces `edge_attention` once per implementation.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> q, ids = jnp.ones((3, 1, 32)), jnp.array([0, 1, 2])
      >>> choice = ga.ops.explain_choice(q, q, q, ids, ids)
      >>> choice.implementation, choice.reasons["reference"]
      ('reference', 'taken: the first of cpp, xla, reference that supports these arguments')
    """
    order = candidates(options.get("score"), value)
    reasons, taken = {}, None
    for name in (*order, *(n for n in IMPLEMENTATIONS if n not in order)):
        if name not in order:
            reasons[name] = "not chosen on this platform; it can be named"
            continue
        try:
            jax.eval_shape(
                lambda q, k, v, name=name: edge_attention(
                    q, k, v, senders, receivers, implementation=name, **options
                ),
                *(query, key, value),
            )
        except NotImplementedError as error:
            reasons[name] = str(error)
            continue
        if taken is None:
            reasons[name] = f"taken: the first of {', '.join(order)} that supports these arguments"
        else:
            reasons[name] = f"supports these arguments; {taken} is preferred"
        taken = taken or name
    assert taken is not None  # the reference supports every argument
    return Choice(taken, reasons)
