"""Linen modules of the layers and networks.

Widths of the inputs come from the graph. Parameters lie in the collection "params" under the names of the fields of
the functions' parameters, running statistics in "batch_stats"; dropout takes the stream "dropout". A module that
differs in training takes `deterministic`, in the constructor or in the call; in training, statistics are renewed,
so "batch_stats" must be mutable.

Example:
  >>> import jax, numpy as np, graphattn_jax as ga
  >>> from flax import linen as nn
  >>> class Network(nn.Module):
  ...   @nn.compact
  ...   def __call__(self, graph, training=False):
  ...     graph = ga.modules.linen.GAT(channels=8, heads=8, dropout_rate=0.6)(graph, deterministic=not training)
  ...     return nn.Dense(3)(nn.elu(graph.nodes))
  >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
  >>> variables = Network().init(jax.random.key(0), graph)
  >>> sorted(variables["params"]["GAT_0"])
  ['bias', 'receiver_vector', 'sender_vector', 'weight']
  >>> Network().apply(variables, graph, training=True, rngs={"dropout": jax.random.key(1)}).shape
  (2, 3)
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from inspect import Parameter
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from flax import linen
from flax.traverse_util import flatten_dict, unflatten_dict

from graphattn_jax.modules._layers import LAYERS, Layer
from graphattn_jax.typing import Array

__all__ = ["from_params", "to_params"]


def from_params(params: Any, state: Any = None) -> dict[str, Any]:
    """Variables of a module from the parameters of its function.

    Args:
      params: as `init_x` makes them.
      state: running statistics, for networks that have them.

    Returns:
      `{"params": ...}`, and "batch_stats" if there are any: nested dicts by the names of the fields, tuples by
      position. Inside another module, they lie under the name of this one.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.attention.init_gat(jax.random.key(0), 4, 8, heads=2)
      >>> ga.modules.linen.from_params(params)["params"]["weight"].shape
      (4, 2, 8)
    """
    variables = {"params": _to_dict(params), "batch_stats": _to_dict(state)}
    return {name: tree for name, tree in variables.items() if tree}


def to_params(module: linen.Module, variables: Mapping[str, Any]) -> Any:
    """Parameters of a module's function from its variables: the inverse of `from_params`.

    Args:
      module: of this package, as it made the variables.
      variables: its own, `{"params": ...}` with "batch_stats" if it has any.

    Returns:
      What `init_x` gives: the parameters, or `(params, state)` for networks with running statistics.

    Raises:
      ValueError: the module is not of this package, or has other parameters.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> layer = ga.modules.linen.GCN(out_features=8)
      >>> params = ga.modules.linen.to_params(layer, layer.init(jax.random.key(0), graph))
      >>> type(params).__name__, params.weight.shape
      ('GCNParams', (4, 8))
    """
    layer = getattr(module, "_layer", None)
    if layer is None:
        raise ValueError(
            f"module must be one of ga.modules.linen, got {type(module).__name__}. "
            "Fix: pass the submodule and its own part of the variables."
        )
    options = _options(module)
    # Which parameters there are does not depend on the widths of the inputs: any that all sizes divide will do.
    width = math.lcm(*(size for size in options.values() if type(size) is int and size > 0))
    params, state = _abstract(layer, dict.fromkeys(layer.inferred, width) | options)
    params = _from_dict(params, variables.get("params", {}), "params")
    if not layer.has_state:
        return params
    return params, _from_dict(state, variables.get("batch_stats", {}), "batch_stats")


def _to_dict(tree: Any) -> dict[str, Any]:
    """Nested dicts by field and position; without what is None."""
    return unflatten_dict({path: leaf for path, leaf in _leaves(tree)})


def _from_dict(like: Any, tree: Mapping[str, Any], name: str) -> Any:
    """The leaves of nested dicts in the structure of `like`."""
    wanted, got = dict(_leaves(like)), flatten_dict(dict(tree))
    if wanted.keys() != got.keys():
        missing, excess = (
            sorted("/".join(path) for path in paths)
            for paths in (wanted.keys() - got.keys(), got.keys() - wanted.keys())
        )
        raise ValueError(
            f"{name} must be those of this module, got {missing} missing and {excess} in excess. "
            "Fix: the options of the module that made them."
        )
    return jax.tree.unflatten(jax.tree.structure(like), [got[path] for path in wanted])


def _leaves(tree: Any) -> list[tuple[tuple[str, ...], Any]]:
    return [
        (tuple(jax.tree_util.keystr((key,), simple=True) for key in path), leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    ]


def _options(module: Any) -> dict[str, Any]:
    fields = (p.name for p in module._layer.fields)
    return {name: getattr(module, name) for name in fields if name not in module._layer.inferred}


def _abstract(layer: Layer, options: Mapping[str, Any]) -> tuple[Any, Any]:
    return jax.eval_shape(lambda: layer.make(jax.random.key(0), options))


def _typed(key: Array) -> Array:
    """Linen also passes on the old keys of `jax.random.PRNGKey`."""
    is_typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    return key if is_typed else jax.random.wrap_key_data(key)


def _initial(_, tree: dict[str, Any]) -> dict[str, Any]:
    """New values; of existing ones Linen asks for the shapes, and gets zeros of these shapes."""
    return jax.tree.map(
        lambda x: x if isinstance(x, jax.Array) else jnp.zeros(x.shape, x.dtype), tree
    )


def _call(self, inputs: tuple[Any, ...], deterministic: bool | None = None, **arrays: Any) -> Any:
    layer: Layer = self._layer
    options = _options(self) | layer.sizes(inputs)
    params, state = _abstract(layer, options)
    missing = [
        f"{collection}/{name}"
        for collection, tree in (("params", params), ("batch_stats", state))
        for name in _to_dict(tree)
        if not self.has_variable(collection, name)
    ]
    if missing:
        if not self.has_rng("params"):
            raise ValueError(
                f"variables of {type(self).__name__} must have {', '.join(missing)}. Fix: variables from "
                "module.init(key, ...) or from_params(params, state), with the options of this module."
            )
        params, state = layer.make(_typed(self.make_rng("params")), options)
    own = {name: self.param(name, _initial, tree) for name, tree in _to_dict(params).items()}
    statistics = {
        name: self.variable("batch_stats", name, _initial, None, tree)
        for name, tree in _to_dict(state).items()
    }
    old = {name: variable.value for name, variable in statistics.items()}

    key = None
    if not layer.is_random(options) or self.is_initializing():
        deterministic = True
    else:
        deterministic = linen.merge_param("deterministic", self.deterministic, deterministic)
        # A network that decides by its config may need no key, and says so itself if it does.
        if not deterministic and ("dropout_rate" in options or self.has_rng("dropout")):
            key = _typed(self.make_rng("dropout"))
    out, new = layer.run(
        _from_dict(params, own, "params"),
        _from_dict(state, old, "batch_stats"),
        inputs,
        options,
        arrays,
        key,
        deterministic,
    )
    if not deterministic:
        for name, tree in _to_dict(new).items():
            statistics[name].value = tree
    return out


_DETERMINISTIC = Parameter(
    "deterministic", Parameter.KEYWORD_ONLY, default=None, annotation="bool | None"
)


def _module(name: str, layer: Layer) -> type[linen.Module]:
    """The module class of a layer: its options are dataclass fields."""
    more = [_DETERMINISTIC] if layer.trains else []
    fields = [p for p in layer.fields if p.name not in layer.inferred] + more
    signature = layer.call_signature(*more)

    def __call__(self, *args, **keywords):
        inputs, keywords = layer.bind(signature, (self, *args), keywords)
        return _call(self, inputs, **keywords)

    __call__.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
    __call__.__doc__ = f"As `{layer.apply.__name__}`; see the class."
    example = (
        ">>> import jax\n"
        f">>> layer = ga.modules.linen.{name}({layer.example})\n"
        f">>> variables = layer.init(jax.random.key(0), {layer.call})\n"
        f">>> out = layer.apply(variables, {layer.call}"
        + (", deterministic=True)" if layer.trains else ")")
    )
    namespace = {
        "__module__": __name__,
        "__doc__": layer.docstring("Linen", fields, example),
        "__annotations__": {p.name: p.annotation for p in fields},
        "__call__": linen.compact(__call__),
        "_layer": layer,
    }
    for p in fields:
        default = dataclasses.MISSING if p.default is Parameter.empty else p.default
        kw_only = p.kind is Parameter.KEYWORD_ONLY
        namespace[p.name] = dataclasses.field(default=default, kw_only=kw_only)
    return types.new_class(name, (linen.Module,), exec_body=lambda body: body.update(namespace))


globals().update({name: _module(name, layer) for name, layer in LAYERS.items()})
__all__ += LAYERS  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
