"""Splits that put molecules of one scaffold on one side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphattn_jax.chem import murcko_scaffolds
from graphattn_jax.data._graph_dataset import GraphSplit
from graphattn_jax.data._splits import check_fractions


def scaffold_split(
    smiles: Sequence[str], *, fractions: Sequence[float] = (0.8, 0.1, 0.1)
) -> GraphSplit:
    """Train on common scaffolds, test on rare ones: harder and more honest than a random split.

    Molecules with the same Bemis-Murcko scaffold form a group. Groups are dealt out whole, the
    largest first (of equal size, the one whose first molecule comes later): to train while it fits
    into its fraction, else to val while train and val fit into theirs, else to test. Nothing is
    random. As in MoleculeNet and OGB.

    Args:
      smiles: G molecules.
      fractions: (train, val, test), none negative, with sum 1. A part is smaller or larger than its
        fraction where groups do not fit.

    Returns:
      A `GraphSplit` with ascending ids, a partition of the molecules.

    Raises:
      ValueError: `smiles` are not strings, or `fractions` are not three that sum to 1.
      ImportError: RDKit is not installed.

    Cost: that of `murcko_scaffolds`, a millisecond per molecule.

    Example:
      >>> import graphattn_jax as ga
      >>> smiles = ["c1ccccc1", "Cc1ccccc1", "CCc1ccccc1", "C1CCCCC1", "CC1CCCCC1", "CCO"]
      >>> [ids.tolist() for ids in ga.data.scaffold_split(smiles, fractions=(0.5, 0.35, 0.15))]
      [[0, 1, 2], [3, 4], [5]]

    Source: Wu et al., "MoleculeNet: A Benchmark for Molecular Machine Learning", Chemical Science
      9, 2018, arXiv:1703.00564, section 3.2.
    """
    check_fractions(fractions)
    scaffolds = np.array(murcko_scaffolds(smiles), dtype=str)
    _, first, group, counts = np.unique(
        scaffolds, return_index=True, return_inverse=True, return_counts=True
    )
    num_train = fractions[0] * len(scaffolds)
    num_seen = (fractions[0] + fractions[1]) * len(scaffolds)
    filled = np.zeros(3, int)
    part = np.zeros(len(counts), int)
    for g in np.lexsort((first, counts))[::-1]:
        if filled[0] + counts[g] <= num_train:
            part[g] = 0
        elif filled[0] + filled[1] + counts[g] <= num_seen:
            part[g] = 1
        else:
            part[g] = 2
        filled[part[g]] += counts[g]
    return GraphSplit(*(np.flatnonzero(part[group] == p).astype(np.int32) for p in range(3)))
