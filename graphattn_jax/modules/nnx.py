"""NNX modules of the layers and networks.

Parameters are `nnx.Param`s under the names of the fields of the functions' parameters, running statistics
`nnx.BatchStat`s under `batch_stats`; hyperparameters are in `options`. Modules start in training mode, as `nnx.Dropout`
does: `eval()` and `train()` switch, `deterministic=` and `rngs=` of a call override.

Example:
  >>> import numpy as np, graphattn_jax as ga
  >>> from flax import nnx
  >>> class Network(nnx.Module):
  ...   def __init__(self, in_features, rngs):
  ...     self.attention = ga.modules.nnx.GAT(in_features, channels=8, heads=8, dropout_rate=0.6, rngs=rngs)
  ...     self.output = nnx.Linear(64, 3, rngs=rngs)
  ...   def __call__(self, graph):
  ...     return self.output(nnx.elu(self.attention(graph).nodes))
  >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
  >>> network = Network(4, nnx.Rngs(0))
  >>> network.attention.weight.shape
  (4, 8, 8)
  >>> network.eval()
  >>> network(graph).shape
  (2, 3)
"""

from __future__ import annotations

import dataclasses
import inspect
import types
from inspect import Parameter
from typing import TYPE_CHECKING, Any

import jax
from flax import nnx

from graphattn_jax import _checks
from graphattn_jax.modules._layers import LAYERS, Layer

__all__ = ["from_params", "to_params"]


def from_params(module: Any, params: Any, state: Any = None) -> None:
    """Puts the parameters of a function into its module, in place.

    Args:
      module: of this package.
      params: as `init_x` makes them for the module's options.
      state: running statistics, for networks that have them; None = leave them.

    Raises:
      ValueError: the module is not of this package, or its arrays have other names or shapes.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> from flax import nnx
      >>> layer = ga.modules.nnx.GCN(4, 8, rngs=nnx.Rngs(0))
      >>> params = ga.message_passing.init_gcn(jax.random.key(1), 4, 8)
      >>> ga.modules.nnx.from_params(layer, params)
      >>> bool((layer.weight[...] == params.weight).all())
      True
    """
    layer = _layer(module)
    _assign("params", module, params)
    if state is not None:
        if not layer.has_state:
            raise ValueError(f"{type(module).__name__} has no running statistics. Fix: state=None.")
        _assign("state", module.batch_stats, state)


def to_params(module: Any) -> Any:
    """Parameters of a module's function: the inverse of `from_params`.

    Args:
      module: of this package.

    Returns:
      What `init_x` gives: the parameters, or `(params, state)` for networks with running statistics.

    Raises:
      ValueError: the module is not of this package.

    Example:
      >>> import graphattn_jax as ga
      >>> from flax import nnx
      >>> layer = ga.modules.nnx.GCN(4, 8, rngs=nnx.Rngs(0))
      >>> params = ga.modules.nnx.to_params(layer)
      >>> type(params).__name__, params.weight.shape
      ('GCNParams', (4, 8))
    """
    params = _arrays(module)
    return (params, _arrays(module.batch_stats)) if _layer(module).has_state else params


def _layer(module: Any) -> Layer:
    layer = getattr(module, "_layer", None)
    if layer is None:
        raise ValueError(
            f"module must be one of ga.modules.nnx, got {type(module).__name__}. "
            "Fix: pass the submodule."
        )
    return layer


class _Fields(nnx.Module):
    """A NamedTuple as a module: arrays as variables, NamedTuples as modules, tuples as lists, None as None."""

    def __init__(self, values: Any, variable: type[nnx.Variable]):
        self._type = type(values)
        for name, value in values._asdict().items():
            setattr(self, name, _to_node(value, variable))


def _to_node(value: Any, variable: type[nnx.Variable]) -> Any:
    if value is None:
        return None
    if hasattr(value, "_fields"):
        return _Fields(value, variable)
    if isinstance(value, tuple):
        return nnx.List([_to_node(item, variable) for item in value])
    return variable(value)


def _variables(node: Any) -> Any:
    """The NamedTuple behind `_Fields`, with variables for leaves."""
    if isinstance(node, _Fields):
        return node._type(*(_variables(getattr(node, name)) for name in node._type._fields))
    if isinstance(node, nnx.List):
        return tuple(_variables(item) for item in node)
    return node


def _is_variable(x: Any) -> bool:
    return isinstance(x, nnx.Variable)


def _arrays(node: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.get_value(), _variables(node), is_leaf=_is_variable)


def _assign(name: str, node: Any, values: Any) -> None:
    """Gives all variables of a node new values; none if one does not fit."""
    variables = _variables(node)
    paths, structure = jax.tree_util.tree_flatten_with_path(variables, is_leaf=_is_variable)
    if jax.tree.structure(values) != structure:
        raise ValueError(
            f"{name} must have the structure {structure}, got {jax.tree.structure(values)}. "
            "Fix: make both with the same options."
        )
    leaves = jax.tree.leaves(values)
    for (path, variable), leaf in zip(paths, leaves, strict=True):
        _checks.shape(name + jax.tree_util.keystr(path), leaf, variable.shape)
    for (_, variable), leaf in zip(paths, leaves, strict=True):
        variable.set_value(leaf)


def _call(
    self,
    inputs: tuple[Any, ...],
    deterministic: bool | None = None,
    rngs: Any = None,
    **arrays: Any,
) -> Any:
    layer: Layer = self._layer
    options, key = vars(self.options), None
    if deterministic is None:
        deterministic = getattr(self, "deterministic", True)
    evaluates = deterministic or not layer.is_random(options)
    if not evaluates:
        stream = self.rngs if rngs is None else rngs
        key = stream.dropout() if isinstance(stream, nnx.Rngs) else stream()
    state = _arrays(self.batch_stats) if layer.has_state else None
    out, new = layer.run(_arrays(self), state, inputs, options, arrays, key, evaluates)
    if layer.has_state and not evaluates:
        _assign("state", self.batch_stats, new)
    return out


def _set_view(self, deterministic: bool | None = None) -> None:
    """Called by `nnx.view`.

    Args:
      deterministic: True = evaluation, False = training.
    """
    if deterministic is not None:
        self.deterministic = deterministic


_SELF = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
_RNGS = Parameter("rngs", Parameter.KEYWORD_ONLY, annotation="nnx.Rngs")
_DETERMINISTIC = Parameter(
    "deterministic", Parameter.KEYWORD_ONLY, default=False, annotation="bool"
)
_OVERRIDES = (
    _DETERMINISTIC.replace(default=None, annotation="bool | None"),
    _RNGS.replace(default=None, annotation="nnx.Rngs | nnx.RngStream | None"),
)


def _options_class(name: str, layer: Layer) -> type:
    """The arguments of the constructor as a frozen dataclass: static, and compared by value."""
    fields = []
    for p in layer.fields:
        default = dataclasses.MISSING if p.default is Parameter.empty else p.default
        kw_only = p.kind is Parameter.KEYWORD_ONLY
        fields.append((p.name, p.annotation, dataclasses.field(default=default, kw_only=kw_only)))
    namespace = {
        "__module__": __name__,
        "__qualname__": f"{name}.Options",
        "__doc__": f"Of `{name}`.",
    }
    return dataclasses.make_dataclass("Options", fields, namespace=namespace, frozen=True)


def _module(name: str, layer: Layer) -> type[nnx.Module]:
    """The module class of a layer."""
    options_class = _options_class(name, layer)
    signature = layer.call_signature(*(_OVERRIDES if layer.trains else ()))

    def __init__(self, *args, rngs, deterministic: bool = False, **keywords):
        self.options = options_class(*args, **keywords)
        options = vars(self.options)
        params, state = layer.make(rngs.params(), options)
        _Fields.__init__(self, params, nnx.Param)
        if layer.has_state:
            self.batch_stats = _Fields(state, nnx.BatchStat)
        if layer.is_random(options):
            self.deterministic = deterministic
            self.rngs = rngs.dropout.fork()

    def __call__(self, *args, **keywords):
        inputs, keywords = layer.bind(signature, (self, *args), keywords)
        return _call(self, inputs, **keywords)

    fields = [*layer.fields, *([_DETERMINISTIC] if layer.trains else []), _RNGS]
    __init__.__signature__ = inspect.Signature([_SELF, *fields])  # pyright: ignore[reportFunctionMemberAccess]
    __call__.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
    __call__.__doc__ = f"As `{layer.apply.__name__}`; see the class."
    widths = {"edge_features": "edge_features=3"}
    given = [widths.get(size, "4") for size in layer.inferred]
    arguments = ", ".join(filter(None, [*given, layer.example, "rngs=nnx.Rngs(0)"]))
    example = (
        ">>> from flax import nnx\n"
        f">>> layer = ga.modules.nnx.{name}({arguments})\n"
        f">>> out = layer({layer.call}" + (", deterministic=True)" if layer.trains else ")")
    )
    namespace = {
        "__module__": __name__,
        "__doc__": layer.docstring("NNX", fields, example),
        "__init__": __init__,
        "__call__": __call__,
        "Options": options_class,
        "_layer": layer,
    }
    if layer.trains:
        namespace["set_view"] = _set_view
    return types.new_class(name, (_Fields,), exec_body=lambda body: body.update(namespace))


globals().update({name: _module(name, layer) for name, layer in LAYERS.items()})
__all__ += LAYERS  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
