"""Tables and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean ± standard deviation over runs; without the latter for one."""
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{deviation}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is the header."""
    header, *others = rows
    lines = [header, ["---"] * len(header), *others]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def show(rows: Sequence[Sequence[str]], console: Console) -> None:
    """The same table on the terminal."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    header, *others = ([escape(cell) for cell in row] for row in rows)
    for index, name in enumerate(header):
        shown.add_column(name, justify="right" if index else "left", no_wrap=not index)
    for row in others:
        shown.add_row(*row)
    console.print(shown, width=None if console.is_terminal else 200)


@contextmanager
def figure(
    path: Path,
    rows: int,
    columns: int,
    panel: tuple[float, float],
    *,
    margin: tuple[float, float] = (0.0, 0.0),
    **options: Any,
) -> Iterator[tuple[Any, np.ndarray]]:
    """A figure and its `[rows, columns]` axes, written to `path` at the end of the block.

    Its size in inches is that of all panels and of the margin, which is for labels and legends; `options` are those of
    `plt.subplots`.
    """
    width, height = (
        count * size + more
        for count, size, more in zip((columns, rows), panel, margin, strict=True)
    )
    drawn, axes = plt.subplots(
        rows, columns, figsize=(width, height), squeeze=False, layout="constrained", **options
    )
    drawn.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    for axis in axes.flat:
        axis.grid(color="0.92")
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    yield drawn, axes
    drawn.savefig(path, dpi=120)
    plt.close(drawn)
