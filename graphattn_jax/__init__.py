"""Graph attention for JAX: pure functions on jraph `GraphsTuple`s and explicit parameter pytrees.

The sub-packages load on first use: `ga.graphs`, `ga.attention`, `ga.linear_attention`, `ga.message_passing`, `ga.ops`,
`ga.nn`, `ga.models`, `ga.modules`, `ga.links`, `ga.losses`, `ga.metrics`, `ga.encodings`, `ga.diagnostics`, `ga.chem`,
`ga.data`, `ga.training`, `ga.sampling`, `ga.testing`, `ga.interop`, `ga.values`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "attention",
    "chem",
    "data",
    "diagnostics",
    "encodings",
    "graphs",
    "interop",
    "linear_attention",
    "links",
    "losses",
    "message_passing",
    "metrics",
    "models",
    "modules",
    "nn",
    "ops",
    "sampling",
    "testing",
    "training",
    "values",
]

if TYPE_CHECKING:
    from graphattn_jax import (
        attention,
        chem,
        data,
        diagnostics,
        encodings,
        graphs,
        interop,
        linear_attention,
        links,
        losses,
        message_passing,
        metrics,
        models,
        modules,
        nn,
        ops,
        sampling,
        testing,
        training,
        values,
    )


def __getattr__(name: str):
    if name in __all__:
        return importlib.import_module(f"graphattn_jax.{name}")
    raise AttributeError(f"module 'graphattn_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
