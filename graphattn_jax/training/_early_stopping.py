"""When to stop, and which state to keep."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from graphattn_jax import _checks


class Patience(NamedTuple):
    """What early stopping remembers: the best value per metric, evaluations since then."""

    best: dict[str, float]
    num_without: int


@dataclass(frozen=True)
class EarlyStopping:
    """Keep the best state by a monitored metric and stop when it no longer improves.

    With several metrics the wait restarts when any of them improves and the state is kept when
    all of them do, which is the rule of the GAT paper's code: `EarlyStopping.gat()`. A NaN
    never improves anything.

    Args:
      monitor: name of a metric in the records of `fit`, or several.
      mode: "min" or "max", one per metric.
      patience: evaluations without improvement after which training stops; None = never stop,
        only keep the best.
      ties: whether a value equal to the best counts as an improvement, so that of equal states
        the latest is kept.

    Raises:
      ValueError: lengths differ, a mode is unknown, or patience is not positive.

    Example:
      >>> import graphattn_jax as ga
      >>> stopping = ga.training.EarlyStopping("val_accuracy", "max", patience=2)
      >>> memory = stopping.init()
      >>> for accuracy in (0.6, 0.8, 0.7, 0.8):
      ...     memory, keep = stopping.update(memory, {"val_accuracy": accuracy})
      ...     print(keep, stopping.done(memory))
      True False
      True False
      False False
      False True

    Source: the rule for several metrics: Velickovic et al., "Graph Attention Networks",
    ICLR 2018, section 3.3 and the authors' code.
    """

    monitor: str | tuple[str, ...] = "val_accuracy"
    mode: str | tuple[str, ...] = "max"
    patience: int | None = 100
    ties: bool = False

    def __post_init__(self):
        _checks.switches(self)
        for name in ("monitor", "mode"):
            value = getattr(self, name)
            if not all(isinstance(x, str) for x in _as_tuple(value)):
                raise ValueError(
                    f"{name} must be a name or a tuple of names, got {_checks.describe(value)}."
                )
        names, modes = _as_tuple(self.monitor), _as_tuple(self.mode)
        if not names or len(names) != len(modes):
            raise ValueError(
                f"mode must hold one entry per metric, got monitor={self.monitor!r}, "
                f"mode={self.mode!r}."
            )
        for mode in modes:
            _checks.choice("mode", mode, ["min", "max"])
        if self.patience is not None:
            _checks.positive("patience", self.patience)

    @classmethod
    def gat(cls, patience: int = 100) -> EarlyStopping:
        """Stop when neither `val_loss` nor `val_accuracy` improved; keep the best in both."""
        return cls(("val_loss", "val_accuracy"), ("min", "max"), patience, ties=True)

    @property
    def _metrics(self) -> list[tuple[str, str]]:
        """Name and mode of each monitored metric."""
        return list(zip(_as_tuple(self.monitor), _as_tuple(self.mode)))

    def init(self) -> Patience:
        """The memory before the first evaluation."""
        worst = {"min": math.inf, "max": -math.inf}
        return Patience({name: worst[mode] for name, mode in self._metrics}, 0)

    def update(self, memory: Patience, metrics: dict[str, float]) -> tuple[Patience, bool]:
        """One evaluation: the new memory, and whether this state is the one to keep.

        Raises:
          ValueError: a monitored metric is missing.
        """
        missing = [name for name in memory.best if name not in metrics]
        if missing:
            raise ValueError(
                f"monitor names {missing}, which fit did not record; it has {sorted(metrics)}. "
                "Fix: return the metric from `evaluate`, or monitor one of these."
            )
        improved = {
            name: self._better(metrics[name], memory.best[name], mode)
            for name, mode in self._metrics
        }
        best = {name: metrics[name] if improved[name] else old for name, old in memory.best.items()}
        num_without = 0 if any(improved.values()) else memory.num_without + 1
        return Patience(best, num_without), all(improved.values())

    def done(self, memory: Patience) -> bool:
        """Whether the wait for an improvement is over."""
        return self.patience is not None and memory.num_without >= self.patience

    def _better(self, value: float, best: float, mode: str) -> bool:
        if self.ties and value == best:
            return True
        return value < best if mode == "min" else value > best


def _as_tuple(x: str | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)
