"""Where computations go by default."""

from __future__ import annotations

import re
from typing import Any

import jax

__all__ = ["on_cpu", "on_gpu", "on_recent_nvidia_gpu", "varies_over_devices"]


def on_cpu() -> bool:
    """Whether computations go to the CPU by default."""
    return _default_device().platform == "cpu"


def on_gpu() -> bool:
    """Whether computations go to a GPU by default."""
    return _default_device().platform in ("gpu", "cuda", "rocm")


def on_recent_nvidia_gpu() -> bool:
    """Where the kernels are chosen by themselves: from Ampere on. Triton has dropped older ones."""
    capability = str(getattr(_default_device(), "compute_capability", ""))
    return on_gpu() and re.fullmatch(r"\d+\.\d", capability) is not None and float(capability) >= 8


def _default_device() -> Any:
    device = jax.config.jax_default_device  # a device, the name of a platform, or None
    return jax.local_devices(backend=device)[0] if isinstance(device, str | None) else device


def varies_over_devices(x: Any) -> bool:
    """Whether `x` is traced in a `jax.shard_map` that checks how values vary over devices."""
    kind = jax.typeof(x)
    axes = getattr(kind, "manual_axis_type", None)  # jax 0.11; before, `vma`
    return bool(getattr(kind, "vma", ()) if axes is None else axes.varying)
