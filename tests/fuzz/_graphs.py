"""Random edge lists of few sizes, so that what is compiled for one serves the others."""

from dataclasses import dataclass

import numpy as np

from graphattn_jax import ops

SIZES = ((0, 0), (5, 0), (1, 4), (6, 20), (6, 20), (9, 32), (9, 32))
SHAPES = ("sparse", "mutual", "hub", "parallel", "loops")


@dataclass(frozen=True)
class Structure:
    """Which sender each receiver hears; `real` `[E]` says which edges there are. num_receivers None = same nodes."""

    senders: np.ndarray
    receivers: np.ndarray
    num_senders: int
    num_receivers: int | None
    real: np.ndarray

    @property
    def num_rows(self) -> int:
        return self.num_senders if self.num_receivers is None else self.num_receivers

    @property
    def num_edges(self) -> int:
        return len(self.senders)

    def edges(self, *, masked: bool) -> ops.Edges:
        mask = self.real if masked else None
        return ops.Edges(
            self.senders, self.receivers, self.num_senders, self.num_receivers, mask=mask
        )


def random_structure(rng: np.random.Generator, *, bipartite: bool = False) -> Structure:
    """One of `SIZES` and `SHAPES`; the last nodes may be isolated, and edges in the middle masked."""
    nodes, edges = SIZES[rng.integers(len(SIZES))]
    other = nodes + 2 if bipartite and nodes else None
    # Of more nodes than hear anything, some are isolated.
    used = max(1, nodes - rng.integers(0, nodes // 2 + 1))
    senders = rng.integers(0, used if other is None else used + 2, edges)
    receivers = rng.integers(0, used, edges)
    if bipartite:
        senders, receivers = receivers, senders
    shape = rng.choice(SHAPES) if not bipartite else "sparse"
    half = edges // 2
    if shape == "mutual":
        senders[half:], receivers[half:] = receivers[:half], senders[:half]
    elif shape == "hub":
        receivers[rng.random(edges) < 0.8] = 0
    elif shape == "parallel":
        few = rng.integers(0, max(1, min(3, edges)), edges)
        senders, receivers = senders[few], receivers[few]
        senders[half:], receivers[half:] = receivers[:half].copy(), senders[:half].copy()
    elif shape == "loops":
        receivers = np.where(rng.random(edges) < 0.7, senders, receivers)
    order = rng.permutation(edges)
    share = rng.choice([1.0, 1.0, 0.7, 0.0])
    return Structure(
        senders[order].astype(np.int32),
        receivers[order].astype(np.int32),
        nodes,
        other,
        rng.random(edges) < share,
    )
