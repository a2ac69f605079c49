"""Seeded random splits and the two usual feature scalings. Host-side numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax.data._dataset import Split
from graphattn_jax.ops import SparseFeatures


def random_splits(
    labels: np.ndarray,
    *,
    train_per_class: int | None = None,
    val_per_class: int | None = None,
    fractions: Sequence[float] | None = None,
    num_splits: int = 1,
    seed: int = 0,
) -> tuple[Split, ...]:
    """Random train/val/test masks, by count per class or by fraction of all nodes.

    Counts per class are the protocol of the co-author graphs (20 and 30 per class, the rest test);
    fractions, drawn over all nodes alike, that of many others (0.48, 0.32, 0.2). Split `i` depends
    on `seed` and `i` only, so more splits extend the same list.

    Args:
      labels: `[N]` integer classes, 0 or larger.
      train_per_class: training nodes of every class; needs `val_per_class`.
      val_per_class: validation nodes of every class. All other nodes are test nodes.
      fractions: three numbers, (train, val, test), that sum to 1; instead of the counts.
      num_splits: how many.
      seed: any integer from 0 on.

    Returns:
      `num_splits` of `Split`, each a partition of the nodes.

    Raises:
      ValueError: both or neither of the two ways are given, a class is smaller than its counts, or
        the fractions are not three that sum to 1.

    Cost: O(N log N) per split.

    Example:
      >>> import graphattn_jax as ga, numpy as np
      >>> labels = np.arange(100) % 4
      >>> split, *_ = ga.data.random_splits(labels, train_per_class=5, val_per_class=10)
      >>> [int(mask.sum()) for mask in split]
      [20, 40, 40]
      >>> np.bincount(labels[split.train]).tolist()
      [5, 5, 5, 5]

    Source: Shchur et al., "Pitfalls of Graph Neural Network Evaluation", 2018, arXiv:1811.05868.
    """
    _checks.ids("labels", labels)
    _checks.positive("num_splits", num_splits)
    if labels.size and labels.min() < 0:
        raise ValueError(f"labels must be 0 or larger, got {int(labels.min())}.")
    labels = np.asarray(labels, np.int64)
    if fractions is None and train_per_class is not None and val_per_class is not None:
        groups, num_train, num_val = labels, train_per_class, val_per_class
        _check_counts(labels, num_train, num_val)
    elif fractions is not None and train_per_class is None and val_per_class is None:
        check_fractions(fractions)
        groups = np.zeros_like(labels)
        num_train, num_val = (round(f * len(labels)) for f in fractions[:2])
    else:
        raise ValueError(
            "Give either train_per_class and val_per_class, or fractions; got "
            f"train_per_class={train_per_class}, val_per_class={val_per_class}, "
            f"fractions={fractions}."
        )
    return tuple(
        _split(_random_rank(groups, np.random.default_rng([seed, i])), num_train, num_val)
        for i in range(num_splits)
    )


def _check_counts(labels: np.ndarray, train_per_class: int, val_per_class: int) -> None:
    _checks.positive("train_per_class", train_per_class)
    _checks.positive("val_per_class", val_per_class)
    wanted, counts = train_per_class + val_per_class, np.bincount(labels)
    small = np.flatnonzero((counts > 0) & (counts < wanted))
    if small.size:
        raise ValueError(
            f"Class {small[0]} has {counts[small[0]]} nodes, fewer than train_per_class + "
            f"val_per_class = {wanted}. Fix: smaller counts, or fractions."
        )


def check_fractions(fractions: Sequence[float]) -> None:
    """Three shares that sum to 1."""
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            "fractions must be (train, val, test), none negative, with sum 1; "
            f"got {tuple(fractions)}."
        )


def _random_rank(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The place of each node in a random order of its group, `[N]`."""
    order = rng.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    counts = np.bincount(groups)
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank


def _split(rank: np.ndarray, num_train: int, num_val: int) -> Split:
    return Split(
        train=rank < num_train,
        val=(rank >= num_train) & (rank < num_train + num_val),
        test=rank >= num_train + num_val,
    )


def row_normalize(x):
    """Divides each row by the sum of its absolute values: `x[i, :] / sum_d |x[i, d]|`.

    The usual scaling of bag-of-words features; for those, which are never negative, rows then sum
    to 1. A row of zeros stays zero.

    Args:
      x: `[N, D]` array, or a scipy sparse matrix or `ops.SparseFeatures`, which stay sparse.

    Returns:
      `[N, D]` float32: a numpy array, a `csr_array` if `x` is a scipy matrix, or `SparseFeatures`.

    Raises:
      ValueError: `x` does not have two axes.

    Cost: O(N*D), or O(stored values).

    Example:
      >>> import graphattn_jax as ga, numpy as np
      >>> ga.data.row_normalize(np.array([[1.0, 3.0], [0.0, 0.0]])).tolist()
      [[0.25, 0.75], [0.0, 0.0]]
    """
    _checks.shape("x", x, ("N", "D"))
    if isinstance(x, SparseFeatures):
        return SparseFeatures.from_scipy(row_normalize(x.to_scipy()))
    sparse = scipy.sparse.issparse(x)
    x = scipy.sparse.csr_array(x, dtype=np.float32) if sparse else np.asarray(x, np.float32)
    total = np.asarray(abs(x).sum(axis=1)).reshape(-1)
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    return scipy.sparse.diags_array(scale) @ x if sparse else x * scale[:, None]


def standardize(x: np.ndarray, *, where: np.ndarray | None = None) -> np.ndarray:
    """Shifts and scales each column to mean 0 and standard deviation 1.

    A column that is constant becomes 0. With `where`, mean and deviation come from those rows only
    (the training nodes) and are applied to all rows.

    Args:
      x: `[N, D]` float or integer.
      where: `[N]` bool, the rows to take the statistics from. None = all.

    Returns:
      `[N, D]` float32.

    Raises:
      ValueError: `x` does not have two axes, or `where` is not a mask over its rows or is all
        False.

    Cost: O(N*D).

    Example:
      >>> import graphattn_jax as ga, numpy as np
      >>> ga.data.standardize(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist()
      [[-1.0, 0.0], [1.0, 0.0]]
    """
    x = np.asarray(x)
    _checks.shape("x", x, ("N", "D"))
    if where is not None:
        _checks.mask("where", where, len(x))
    rows = np.asarray(x if where is None else x[where], np.float64)
    if len(rows) == 0:
        raise ValueError("standardize needs at least one row, got none (where is all False).")
    varies = rows.min(axis=0) < rows.max(axis=0)
    std = np.where(varies, rows.std(axis=0), np.inf)
    return ((x - rows.mean(axis=0)) / std).astype(np.float32)
