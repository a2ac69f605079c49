"""Graphs whose neighbours tend to differ in label, with their ten official splits."""

from __future__ import annotations

import os
from typing import Literal

from graphattn_jax import _checks
from graphattn_jax.data._dataset import NodeDataset, Split, node_dataset
from graphattn_jax.data._fetch import fetch
from graphattn_jax.data._files import read_npz, unreadable

_METRIC: dict[str, Literal["accuracy", "roc_auc"]] = {
    "roman-empire": "accuracy",
    "amazon-ratings": "accuracy",
    "minesweeper": "roc_auc",
    "tolokers": "roc_auc",
    "questions": "roc_auc",
    "chameleon-filtered": "accuracy",
    "squirrel-filtered": "accuracy",
    "actor": "accuracy",
}
NAMES = tuple(_METRIC)
_MASKS = ("train_masks", "val_masks", "test_masks")


def load_heterophilous(name: str, *, root: str | os.PathLike | None = None) -> NodeDataset:
    """Heterophilous graphs with ten official splits.

    Reads `<name with underscores>.npz` (`node_features`, `node_labels`, `edges` once per undirected
    edge, `train_masks`, `val_masks`, `test_masks`). The first five sets split 50/25/25, the other
    three 48/32/20. The filtered versions of chameleon and squirrel are without the duplicated nodes
    that leak test labels in the original ones.

    Args:
      name: `"roman-empire"`, `"amazon-ratings"`, `"minesweeper"`, `"tolokers"`, `"questions"`,
        `"chameleon-filtered"`, `"squirrel-filtered"` or `"actor"`.
      root: a folder with the files. None = the one named by `GRAPHATTN_DATA`, then the cache, then
        a download.

    Returns:
      A `NodeDataset` with ten splits; the metric is `"roc_auc"` for minesweeper, tolokers and
      questions, else `"accuracy"`.

    Raises:
      ValueError: unknown name, or a corrupted file.
      FileNotFoundError: the file is neither in a local folder nor can be downloaded.

    Cost: dense features, 4*N*D bytes (at most 59 MB).

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load_heterophilous("minesweeper")  # doctest: +SKIP
      NodeDataset('minesweeper': 10,000 nodes, 78,804 edges, 7 features, 2 classes, 10 splits,
        roc_auc)

    Source: Platonov et al., "A critical look at the evaluation of GNNs under heterophily: are we
      really making progress?", ICLR 2023, arXiv:2302.11640.
    """
    _checks.choice("name", name, NAMES)
    path = fetch(f"{name.replace('-', '_')}.npz", root=root)
    arrays = read_npz(path, ("node_features", "node_labels", "edges", *_MASKS))
    masks = [arrays[key] for key in _MASKS]
    if any(m.ndim != 2 or m.shape != masks[0].shape for m in masks):
        shapes = ", ".join(f"{key} {arrays[key].shape}" for key in _MASKS)
        raise unreadable(path, f"masks must all be [splits, nodes], got {shapes}")
    labels = arrays["node_labels"]
    dataset = node_dataset(
        name,
        nodes=arrays["node_features"],
        edges=arrays["edges"],
        labels=labels,
        splits=tuple(Split(*split) for split in zip(*masks)),
        metric=_METRIC[name],
        source=path,
    )
    if dataset.metric == "roc_auc" and dataset.num_classes != 2:
        raise unreadable(path, f"two classes expected, got {dataset.num_classes}")
    return dataset
