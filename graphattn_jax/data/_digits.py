"""Handwritten digits as a nearest-neighbour graph: a real data set that needs no network."""

from __future__ import annotations

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.data._dataset import NodeDataset, node_dataset
from graphattn_jax.data._splits import random_splits


def load_digits(*, neighbors: int = 8, num_splits: int = 10, seed: int = 0) -> NodeDataset:
    """1,797 handwritten digits, each joined to its nearest neighbours.

    The images (8 x 8 pixels) come with scikit-learn. Two digits are joined if either is among the
    `neighbors` nearest of the other by Euclidean distance; equal distances go to the smaller id, so
    that the graph is the same everywhere. Each split draws 20 nodes per class to train, 50 per
    class to validate and the rest (1,097) to test.

    Args:
      neighbors: nearest neighbours per node, in `[1, 1796]`.
      num_splits: how many random splits.
      seed: of the splits; the graph does not depend on it.

    Returns:
      A `NodeDataset` with 64 features in [0, 1], ten classes and metric `"accuracy"`.

    Raises:
      ValueError: `neighbors` out of range.
      ImportError: scikit-learn is not installed.

    Cost: O(N^2 log N) time, half a second; 100 MB while it runs.

    Example:
      >>> import graphattn_jax as ga
      >>> digits = ga.data.load_digits(neighbors=5, num_splits=1)
      >>> digits.graph.nodes.shape, digits.labels[:5].tolist()
      ((1797, 64), [0, 1, 2, 3, 4])
      >>> [int(mask.sum()) for mask in digits.splits[0]]
      [200, 500, 1097]

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
      Learning Repository, 1998, doi:10.24432/C50P49.
    """
    _checks.positive("neighbors", neighbors)
    try:
        from sklearn.datasets import load_digits as load_images
    except ImportError as error:
        raise ImportError(
            "load_digits reads the images that come with scikit-learn, which is not installed. "
            'Fix: pip install ".[experiments]" in a clone of graphattn_jax, or pip install scikit-learn.'
        ) from error
    pixels, labels = load_images(return_X_y=True)  # whole numbers, 0 to 16
    if neighbors >= len(pixels):
        raise ValueError(f"neighbors must be below the {len(pixels)} nodes, got {neighbors}.")
    return node_dataset(
        "digits",
        nodes=(pixels / 16).astype(np.float32),
        edges=_nearest_neighbors(pixels, neighbors),
        labels=labels,
        splits=random_splits(
            labels, train_per_class=20, val_per_class=50, num_splits=num_splits, seed=seed
        ),
        source="digits",
    )


def _nearest_neighbors(x: np.ndarray, neighbors: int) -> np.ndarray:
    """Pairs (node, neighbour) `[N * neighbors, 2]`. Exact for whole numbers, whatever the BLAS."""
    norm = np.sum(x * x, axis=1)
    distance = norm[:, None] + norm[None, :] - 2 * (x @ x.T)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :neighbors]
    return np.stack([np.repeat(np.arange(len(x)), neighbors), nearest.reshape(-1)], axis=1)
