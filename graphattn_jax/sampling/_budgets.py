"""Static sizes for samples: what was measured first, the worst case last."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import Budget

_HEADROOM, _GROWTH, _MULTIPLE = 1.1, 1.5, 64
_MOST = np.iinfo(np.int32).max - _MULTIPLE


def budget_ladder(
    measured: Iterable[tuple[int, int]], largest: tuple[int, int], num_graphs: int
) -> tuple[Budget, ...]:
    """Budgets from a tenth above the largest of some measured sizes (nodes, edges) up to the largest possible.

    A sample takes the first that holds it. Nearly all take the first rung, so nearly always there is one compilation;
    the others cost nothing until a sample needs them, and the last one holds every sample.
    """
    size = np.max([(1, 1), *measured], axis=0) * _HEADROOM
    ladder = []
    while True:
        nodes, edges = np.minimum(np.ceil(size), np.minimum(largest, _MOST)).astype(int)
        ladder.append(Budget(_rounded(nodes + 1), _rounded(max(edges, 1)), num_graphs + 1))
        if nodes >= min(largest[0], _MOST) and edges >= min(largest[1], _MOST):
            return tuple(ladder)
        size = size * _GROWTH


def _rounded(size: int) -> int:
    return int(-(-size // _MULTIPLE) * _MULTIPLE)


def check_budgets(budgets: object) -> None:
    """A tuple of budgets."""
    if not (isinstance(budgets, tuple) and budgets and all(isinstance(b, Budget) for b in budgets)):
        raise ValueError(
            f"budgets must be a tuple of ga.graphs.Budget, got {_checks.describe(budgets)}. "
            "Fix: None, to have them measured."
        )
