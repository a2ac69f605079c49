"""Layers and networks as Flax modules, for Linen and for NNX.

A module wraps a value, a layer of this package or one of your own, and owns its parameters, its running statistics and
its dropout keys. Values and modules exchange weights by `to_params` and `from_params`.

Example:
  >>> import jax, numpy as np, graphattn_jax as ga
  >>> from flax import nnx
  >>> graph = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 0], nodes=np.eye(3, 4, dtype=np.float32))
  >>> layer = ga.attention.GAT(channels=8, heads=2)
  >>> module = ga.modules.linen.Layer(layer)
  >>> variables = module.init(jax.random.key(0), graph)
  >>> params = ga.modules.linen.to_params(module, variables)
  >>> same = ga.modules.nnx.Layer(layer, 4, rngs=nnx.Rngs(0))
  >>> ga.modules.nnx.from_params(same, params)
  >>> wanted = layer.apply(params, graph).graph.nodes
  >>> all(bool((x.graph.nodes == wanted).all()) for x in (module.apply(variables, graph), same(graph)))
  True
"""

import importlib
from typing import TYPE_CHECKING

__all__ = ["linen", "nnx"]

if TYPE_CHECKING:
    from graphattn_jax.modules import linen, nnx


def __getattr__(name: str):
    if name in __all__:
        return importlib.import_module(f"graphattn_jax.modules.{name}")
    raise AttributeError(f"module 'graphattn_jax.modules' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
