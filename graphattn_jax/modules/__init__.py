"""The layers and networks as Flax modules, for Linen and for NNX.

A module owns its parameters, its running statistics and its dropout keys, and calls the function of the same name:
`ga.modules.linen.GAT` and `ga.modules.nnx.GAT` are `ga.attention.gat`. Hyperparameters go to the constructor; arrays,
such as the graph, its layout and a bias, go to the call. `bias` of an init function is called `use_bias`, as in Flax.
Functions and modules exchange weights by `to_params` and `from_params`.

Example:
  >>> import jax, numpy as np, graphattn_jax as ga
  >>> from flax import linen, nnx
  >>> graph = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 0], nodes=np.eye(3, 4, dtype=np.float32))
  >>> layer = ga.modules.linen.GAT(channels=8, heads=2)
  >>> variables = layer.init(jax.random.key(0), graph)
  >>> same = ga.modules.nnx.GAT(4, channels=8, heads=2, rngs=nnx.Rngs(0))
  >>> params = ga.modules.linen.to_params(layer, variables)
  >>> ga.modules.nnx.from_params(same, params)
  >>> bool((same(graph).nodes == layer.apply(variables, graph).nodes).all())
  True
  >>> ga.attention.gat(params, graph).nodes.shape
  (3, 16)
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
