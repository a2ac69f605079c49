"""One choice of implementation for all that a layer or a network is made of."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

__all__ = ["with_implementation"]

T = TypeVar("T")


def with_implementation(value: T, implementation: str | None) -> T:
    """The same layer or network with this implementation of all its ops.

    It replaces the field `implementation` of the value and of every value inside. With `"reference"`, plain gathers and
    sums, `jax.jvp`, `jax.jacfwd` and `jax.hessian` work, which the kernels and written-out derivatives of the others
    do not know; parameters are the same. Sparse features are not part of the value: give `x.without_layout()`.

    Args:
      value: a layer, a network, or any dataclass or tuple of these.
      implementation: "reference", or another name that all of them have; None = each chosen, the default.

    Returns:
      A value like it. What has no such field stays as it is.

    Raises:
      ValueError: a part has no implementation of this name.

    Cost: that of the implementation: with "reference" `[E, H, C]` arrays and scatters.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> layer = ga.nn.with_implementation(ga.attention.GAT(heads=2), "reference")
      >>> layer
      GAT(heads=2, implementation='reference')
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, dtype=np.float32))
      >>> params, graph = layer.init(jax.random.key(0), 2), ga.graphs.prepare(graph)
      >>> _, change = jax.jvp(lambda p: layer.apply(p, graph).graph.nodes, (params,), (params,))
      >>> change.shape
      (2, 2)
    """
    if isinstance(value, tuple):
        parts = [with_implementation(x, implementation) for x in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)  # pyright: ignore
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    changes: dict[str, Any] = {}
    for field in (field for field in dataclasses.fields(value) if field.init):
        old = getattr(value, field.name)
        is_choice = field.name == "implementation"
        changes[field.name] = (
            implementation if is_choice else with_implementation(old, implementation)
        )
    return dataclasses.replace(value, **changes)
