"""A batch in parts, spread over devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from graphattn_jax import _checks
from graphattn_jax.ops import BATCH_AXIS


def device_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """Devices in a row, over which the parts of a batch are spread.

    Args:
      devices: None = all devices of all processes.

    Returns:
      A `jax.sharding.Mesh` whose one axis is `ga.ops.BATCH_AXIS`.

    Raises:
      ValueError: no devices.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.training.device_mesh(jax.devices()[:1]).shape
      OrderedDict({'batch': 1})
    """
    devices = jax.devices() if devices is None else list(devices)
    if not devices:
        raise ValueError("devices must name at least one device, got none.")
    return Mesh(np.array(devices), (BATCH_AXIS,))


def stack_batches(batches: Sequence[Any]) -> Any:
    """Batches of one budget as one, in parts: for a step over several devices, or one that accumulates.

    Args:
      batches: pytrees of equal structure, shapes and dtypes, such as graphs that `ga.graphs.pad` gave one budget.

    Returns:
      A pytree like each of them in numpy, leaves `[n, ...]`.

    Raises:
      ValueError: no batches, or batches that differ.

    Cost: a copy on the host.
    Padding: that of the batches.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> ga.training.stack_batches([{"x": np.ones(3)}, {"x": np.zeros(3)}])["x"].shape
      (2, 3)
    """
    batches = list(batches)
    if not batches:
        raise ValueError("batches must hold at least one batch, got none.")
    first = _signature(batches[0])
    for place, batch in enumerate(batches[1:], 1):
        if _signature(batch) != first:
            raise ValueError(
                f"batches must have the structure, shapes and dtypes of the first one, got others in batches[{place}]. "
                "Fix: pad all of them to one budget."
            )
    return jax.tree.map(lambda *leaves: np.stack(leaves), *batches)


def over_devices(
    step: Callable[..., Any], devices: Mesh | str | None, parts: int, *, donate: bool
) -> Callable[..., Any]:
    """`step(*variables, batch)` compiled for these devices.

    On several, each runs it on its `parts` parts of the batch, with the same variables; what it returns must be the
    same on all. A single part comes without its axis.
    """

    def own_parts(*arguments: Any) -> Any:
        *variables, batch = arguments
        return step(*variables, jax.tree.map(lambda x: x[0], batch) if parts == 1 else batch)

    def checked(count: int, run: Callable[..., Any]) -> Callable[..., Any]:
        def on_all(*arguments: Any) -> Any:
            _check_parts(arguments[-1], count)
            return run(*arguments)

        return on_all

    donated = 0 if donate else ()
    if devices is None:
        return jax.jit(step if parts == 1 else checked(parts, step), donate_argnums=donated)
    if isinstance(devices, str):
        _checks.choice("devices", devices, ("pmap",))
        count = jax.local_device_count()
        return checked(parts * count, _by_pmap(own_parts, count))
    if not isinstance(devices, Mesh) or devices.axis_names != (BATCH_AXIS,):
        raise ValueError(
            f"devices must be a mesh of one axis {BATCH_AXIS!r}, 'pmap' or None, got {_checks.describe(devices)}. "
            "Fix: ga.training.device_mesh()."
        )

    def spread(*arguments: Any) -> Any:
        specs = (*[PartitionSpec()] * (len(arguments) - 1), PartitionSpec(BATCH_AXIS))
        return jax.shard_map(
            own_parts, mesh=devices, in_specs=specs, out_specs=PartitionSpec(), check_vma=False
        )(*arguments)

    everywhere = NamedSharding(devices, PartitionSpec())
    run = checked(parts * devices.size, spread)
    compiled = jax.jit(run, donate_argnums=donated, out_shardings=everywhere)
    return compiled if jax.process_count() == 1 else _from_processes(compiled, devices)


def _by_pmap(own_parts: Callable[..., Any], count: int) -> Callable[..., Any]:
    @cache
    def compiled(num_variables: int) -> Callable[..., Any]:
        in_axes = (*[None] * num_variables, 0)
        return jax.pmap(own_parts, BATCH_AXIS, in_axes=in_axes, out_axes=None)

    def run(*arguments: Any) -> Any:
        *variables, batch = arguments
        by_device = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), batch)
        return compiled(len(variables))(*variables, by_device)

    return run


def _from_processes(compiled: Callable[..., Any], devices: Mesh) -> Callable[..., Any]:
    """Each process gives its own parts of the batch."""
    sharding = NamedSharding(devices, PartitionSpec(BATCH_AXIS))

    def run(*arguments: Any) -> Any:
        *variables, batch = arguments
        whole = jax.tree.map(
            lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)), batch
        )
        return compiled(*variables, whole)

    return run


def _check_parts(batch: Any, parts: int) -> None:
    for path, x in jax.tree_util.tree_leaves_with_path(batch):
        if getattr(x, "shape", ())[:1] != (parts,):
            raise ValueError(
                f"batch{jax.tree_util.keystr(path)} must have {parts} parts as its first axis, got "
                f"{_checks.describe(x)}. Fix: ga.training.stack_batches, or GraphBatches(..., parts={parts})."
            )


def _signature(batch: Any) -> Any:
    leaves, structure = jax.tree.flatten(batch)
    return structure, [(np.shape(x), np.asarray(x).dtype) for x in leaves]
