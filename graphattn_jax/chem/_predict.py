"""From the text of molecules to predictions, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import jax
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.chem._smiles import from_smiles_list
from graphattn_jax.graphs import (
    Budget,
    GraphsTuple,
    PreparedGraph,
    batches_to_budget,
    bucket,
    estimate_budget,
    graph_mask,
    pad,
    unbatch,
)


def predict(
    fn: Callable[[Any], Any],
    smiles: str | Sequence[str],
    *,
    encode: Callable[[GraphsTuple], GraphsTuple] | None = None,
    features: Literal["ogb", "zinc"] = "ogb",
    on_error: Literal["raise", "skip"] = "raise",
    strict_valence: bool = True,
    batch_size: int = 256,
) -> np.ndarray:
    """Predictions for molecules given as SMILES.

    Reads the texts, pads batches to one size, and calls `fn` on each under `jax.jit`. Sizes are
    rounded up to powers of two, so that calls with similar molecules share a compilation too, as
    long as `fn` is the same object: make it once, and call `predict` often. The batches have blocks,
    so that global attention is computed molecule by molecule.

    Args:
      fn: `graph -> [G, T]`, a model with its parameters; `graph` is a padded
        `PreparedGraph` with integer columns, or with what `encode` made of them.
      smiles: M strings, or one; see `from_smiles_list`.
      encode: what the model needs beside atoms and bonds, such as positional encodings: a function
        of the batch of all molecules on the host. None = nothing.
      features: columns of integers, as in `from_smiles_list`.
      on_error: `"raise"` an error for texts that are no molecule, or `"skip"` them: a row of NaN.
      strict_valence: as in `from_smiles_list`.
      batch_size: molecules per batch, about.

    Returns:
      `[M, T]` float32, in the order of `smiles`; `[1, T]` for one string.

    Raises:
      ValueError: `smiles` are not strings, cannot be read, or `fn` does not return `[G, T]`.
      ImportError: RDKit is not installed.

    Cost: a millisecond per molecule to read, then that of `encode` and `fn`; a compilation per call
      with sizes that were not seen before.
    Padding: rows of padding graphs are dropped.

    Example:
      >>> import graphattn_jax as ga
      >>> def count_atoms(graph):
      ...     return graph.n_node[:, None]
      >>> ga.chem.predict(count_atoms, ["CCO", "no molecule", "C"], on_error="skip").tolist()
      [[3.0], [nan], [1.0]]
    """
    _checks.function("fn", fn)
    _checks.positive("batch_size", batch_size)
    smiles = [smiles] if isinstance(smiles, str) else smiles
    graphs, rows, _ = from_smiles_list(
        smiles, features=features, on_error=on_error, strict_valence=strict_valence
    )
    if encode is not None:
        graphs = encode(graphs)
    run = jax.jit(fn)
    outputs = np.concatenate([_outputs(run, b) for b in _batches(graphs, batch_size)])
    predictions = np.full((len(smiles), outputs.shape[1]), np.nan, np.float32)
    predictions[rows] = outputs
    return predictions


def _batches(graphs: GraphsTuple, batch_size: int) -> Iterator[PreparedGraph]:
    """The graphs in order, in batches of one size; without graphs one batch of padding."""
    parts = unbatch(graphs)
    block_size = bucket(graphs.n_node.max(initial=1))
    if not parts:
        return iter([pad(graphs, Budget(8, 8, 2), block_size=block_size)])
    budget = estimate_budget(parts, min(batch_size, len(parts)))
    budget = Budget(
        n_node=bucket(budget.n_node),
        n_edge=bucket(budget.n_edge),
        n_graph=bucket(budget.n_graph, multiple_of=1),
    )
    return batches_to_budget(parts, budget, block_size=block_size)


def _outputs(run: Callable[[Any], Any], batch: PreparedGraph) -> np.ndarray:
    """The rows of `run` for the real graphs."""
    out = run(batch)
    _checks.shape("the result of fn", out, (batch.n_node.shape[0], "T"))
    return np.asarray(out, np.float32)[np.asarray(graph_mask(batch))]
