"""Means over random signs, a few probes at a time."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.typing import Array, PRNGKey

ENTRIES = 2**27
"""Numbers that the probes of one time may take: 512 MiB."""

Moments = tuple[Array, Array]


def check_probes(num_probes: int) -> None:
    """At least two, for a standard error."""
    if not isinstance(num_probes, int) or num_probes < 2:
        raise ValueError(
            f"num_probes must be an integer of at least 2, got {_checks.describe(num_probes)}. Fix: one probe has no "
            "standard error; take 64 or more."
        )


def moments(samples: Array) -> Moments:
    """Mean and sum of squared deviations over the last axis."""
    mean = samples.mean(axis=-1)
    return mean, jnp.square(samples - mean[..., None]).sum(axis=-1)


def mean_over_probes(
    key: PRNGKey,
    moments_of: Callable[[Array], Moments],
    *,
    num_nodes: int,
    num_probes: int,
    entries_per_probe: int,
) -> Moments:
    """Mean over probes and its standard error, of any shape, from the moments of some probes `[N, c]` of signs ±1.

    Each probe has a key of its own, so that how many there are at a time changes nothing but the rounding.
    """
    keys = jax.random.split(key, num_probes)
    at_once = max(1, min(num_probes, ENTRIES // max(entries_per_probe, 1)))
    first = num_probes - (num_probes - 1) // at_once * at_once

    def of(keys: Array) -> Moments:
        draw = jax.vmap(lambda k: jax.random.rademacher(k, (num_nodes,), jnp.float32), out_axes=1)
        return moments_of(draw(keys))

    def merge(state: tuple[Array, Array, Array], keys: Array):
        """Chan's update: no difference of large sums."""
        seen, mean, squares = state
        more, more_squares = of(keys)
        step, total = more - mean, seen + at_once
        squares = squares + more_squares + jnp.square(step) * (seen * at_once / total)
        return (total, mean + step * (at_once / total), squares), None

    start = (jnp.float32(first), *of(keys[:first]))
    (_, mean, squares), _ = jax.lax.scan(merge, start, keys[first:].reshape(-1, at_once))
    return mean, jnp.sqrt(squares / (num_probes * (num_probes - 1)))
