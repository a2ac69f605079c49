"""Equal blocks of a network, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.core import Tracer

from graphattn_jax import nn
from graphattn_jax.models._keys import Mode
from graphattn_jax.ops import Attention
from graphattn_jax.typing import Array, PRNGKey

Tree = TypeVar("Tree")
Init = TypeVar("Init", bound=Callable[..., Any])
Block = Callable[[Any, Any, Mode], tuple[Any, Any, Attention | None]]
"""x, the arrays of one block and its mode to the new x, its statistics and how it attended."""


def in_one_program(init: Init) -> Init:
    """`init` of a network as one program, which is not optimised as it runs once: the many small ones that it consists
    of take longer to compile.
    """
    compiled = jax.jit(
        init, static_argnums=0, compiler_options={"xla_backend_optimization_level": 0}
    )

    @wraps(init)
    def run(self: Any, key: PRNGKey) -> Any:
        # Options belong to the outermost program. Within somebody else's, new arrays are tracers.
        inside = isinstance(key, Tracer) or isinstance(jnp.zeros(()), Tracer)
        return init(self, key) if inside else compiled(self, key)

    return run  # pyright: ignore[reportReturnType]


def init_blocks(init: Callable[[PRNGKey], Tree], keys: Array) -> Tree:
    """The trees that `init` makes of each key as one, leaves `[L, ...]`."""
    return jax.vmap(init)(keys)


def run_blocks(
    block: Block, x: Any, arrays: Any, mode: Mode, *, scan: bool
) -> tuple[Any, Any, tuple[Attention | None, ...]]:
    """The last x of x ← block(x), L times, each with its row of `arrays`; the statistics of all blocks, `[L, ...]`, in
    training, None otherwise; and how each attended.

    With `scan` the program holds one block, in a loop. Attention stays lazy: to read that of a block runs it again on
    the x that it got.
    """
    if not scan:
        states, attention = [], []
        for index, own in enumerate(nn.unstack(arrays)):
            x, state, attended = block(x, own, mode.at(index))
            states.append(state)
            attention.append(attended)
        return x, nn.stack(states) if mode.training else None, tuple(attention)

    attends = []

    def step(x: Any, place: Any) -> tuple[Any, Any]:
        index, own = place
        new, state, attended = block(x, own, mode.at(index))
        attends.append(attended is not None)
        return new, (x, state if mode.training else None)

    length = len(jax.tree.leaves(arrays)[0])
    last, (entered, states) = jax.lax.scan(step, x, (jnp.arange(length), arrays))

    def again(index: int) -> Any:
        x, own = jax.tree.map(lambda leaf: leaf[index], (entered, arrays))
        return block(x, own, mode.at(index))[2]

    attention = (Attention.later(partial(again, i)) if attends[0] else None for i in range(length))
    return last, states, tuple(attention)
