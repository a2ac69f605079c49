"""Linen modules of layers and networks.

Parameters lie in the collection "params" under the names of the fields of the parameters, running statistics in
"batch_stats"; dropout takes the stream "dropout". `deterministic`, in the constructor or in the call, says whether a
module evaluates or trains; in training, statistics are renewed, so "batch_stats" must be mutable.

Example:
  >>> import jax, numpy as np, graphattn_jax as ga
  >>> from flax import linen as nn
  >>> class Network(nn.Module):
  ...   @nn.compact
  ...   def __call__(self, graph, training=False):
  ...     layer = ga.attention.GAT(channels=8, heads=8, dropout=0.6)
  ...     graph = ga.modules.linen.Layer(layer)(graph, deterministic=not training).graph
  ...     return nn.Dense(3)(nn.elu(graph.nodes))
  >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
  >>> variables = Network().init(jax.random.key(0), graph)
  >>> sorted(variables["params"]["Layer_0"])
  ['bias', 'receiver_vector', 'sender_vector', 'weight']
  >>> Network().apply(variables, graph, training=True, rngs={"dropout": jax.random.key(1)}).shape
  (2, 3)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen
from flax.traverse_util import flatten_dict

from graphattn_jax import _checks, nn
from graphattn_jax.models import Network as NetworkValue
from graphattn_jax.modules._trees import from_dict, paths, to_dict, widths
from graphattn_jax.typing import Array

__all__ = ["Layer", "Network", "from_params", "to_params"]


class Layer(linen.Module):
    """A layer as a Linen module. The widths of the inputs come from the graph.

    Args:
      layer: a `ga.nn.Layer`.
      deterministic: True = evaluation, False = training; None = evaluation, unless the call says otherwise.

    Call:
      graph: as the layer takes it. Edge features that are floating point are read, if the layer reads any.
      deterministic: overrides that of the constructor.
      **arrays: further arguments of `layer.apply`, such as `bias=`.

    Returns:
      What `layer.apply` gives.

    Raises:
      ValueError: as the layer; variables of another layer.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> module = ga.modules.linen.Layer(ga.message_passing.GCN(8))
      >>> variables = module.init(jax.random.key(0), graph)
      >>> module.apply(variables, graph).graph.nodes.shape
      (2, 8)
    """

    layer: nn.Layer
    deterministic: bool | None = None

    @linen.compact
    def __call__(
        self, graph: Any, *, deterministic: bool | None = None, **arrays: Any
    ) -> nn.LayerOutput:
        """As `layer.apply`; see the class."""
        _checks.instance("layer", self.layer, nn.Layer, "ga.attention.GATv2(heads=4)")
        sizes = widths(graph)
        training = _trains(self, deterministic)
        params, _ = _variables(self, lambda key: (self.layer.init(key, **sizes), None))
        key = _dropout_key(self) if training else None
        return self.layer.apply(params, graph, training=training, key=key, **arrays)


class Network(linen.Module):
    """A network as a Linen module.

    Args:
      network: a `ga.models.Network`.
      deterministic: True = evaluation, False = training; None = evaluation, unless the call says otherwise.

    Call:
      graph: as the network takes it.
      deterministic: overrides that of the constructor.

    Returns:
      The prediction. Where the collection "intermediates" is mutable, the attention of the layers is sown in it under
      the name `attention`.

    Raises:
      ValueError: as the network; variables of another network.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> module = ga.modules.linen.Network(ga.models.PlainNetwork.gat(4, 3))
      >>> variables = module.init(jax.random.key(0), graph)
      >>> prediction, sown = module.apply(variables, graph, mutable=["intermediates"])
      >>> prediction.shape, len(sown["intermediates"]["attention"][0])
      ((2, 3), 2)
    """

    network: NetworkValue
    deterministic: bool | None = None

    @linen.compact
    def __call__(self, graph: Any, *, deterministic: bool | None = None) -> Array:
        """As `network.apply`; see the class."""
        _checks.instance("network", self.network, NetworkValue, "ga.models.GPS(...)")
        training = _trains(self, deterministic)
        params, state = _variables(self, self.network.init)
        key = _dropout_key(self) if training else None
        out = self.network.apply(params, state, graph, training=training, key=key)
        if training:
            for name, tree in to_dict(out.state).items():
                self.put_variable("batch_stats", name, tree)
        if self.is_mutable_collection("intermediates") and not self.is_initializing():
            self.sow("intermediates", "attention", out.attention)
        return out.prediction


def from_params(params: Any, state: Any = None) -> dict[str, Any]:
    """Variables of a module from the parameters of its value.

    Args:
      params: as `init` makes them.
      state: running statistics, for networks that have them.

    Returns:
      `{"params": ...}`, and "batch_stats" if there are any: nested dicts by the names of the fields, tuples by
      position. Inside another module, they lie under the name of this one.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.attention.GAT(channels=8, heads=2).init(jax.random.key(0), 4)
      >>> ga.modules.linen.from_params(params)["params"]["weight"].shape
      (4, 2, 8)
    """
    variables = {"params": to_dict(params), "batch_stats": to_dict(state)}
    return {name: tree for name, tree in variables.items() if tree}


def to_params(module: Layer | Network, variables: Mapping[str, Any]) -> Any:
    """Parameters of a module's value from its variables: the inverse of `from_params`.

    Args:
      module: a `Layer` or a `Network`, as it made the variables.
      variables: its own, `{"params": ...}` with "batch_stats" if it has any.

    Returns:
      What `init` gives: the parameters of a layer, `(params, state)` of a network.

    Raises:
      ValueError: another module, or other parameters.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> module = ga.modules.linen.Layer(ga.message_passing.GCN(8))
      >>> params = ga.modules.linen.to_params(module, module.init(jax.random.key(0), graph))
      >>> type(params).__name__, params.weight.shape
      ('GCNParams', (4, 8))
    """
    if isinstance(module, Network):
        params, state = jax.eval_shape(module.network.init, jax.random.key(0))
        return (
            _checked(params, variables.get("params", {}), "params"),
            _checked(state, variables.get("batch_stats", {}), "batch_stats"),
        )
    if not isinstance(module, Layer):
        raise ValueError(
            f"module must be a Layer or a Network of ga.modules.linen, got {type(module).__name__}. "
            "Fix: pass the submodule and its own part of the variables."
        )
    tree = variables.get("params", {})
    return _checked(_params_like(module.layer, tree), tree, "params")


def _variables(module: linen.Module, init: Callable[[Array], tuple[Any, Any]]) -> tuple[Any, Any]:
    """Parameters and statistics of a module whose value makes them by `init(key)`."""
    shapes = params, state = jax.eval_shape(init, jax.random.key(0))
    missing = [
        f"{collection}/{name}"
        for collection, tree in (("params", params), ("batch_stats", state))
        for name in to_dict(tree)
        if not module.has_variable(collection, name)
    ]
    if missing:
        if not module.has_rng("params"):
            raise ValueError(
                f"variables of {module} must have {', '.join(missing)}. Fix: variables from "
                "module.init(key, ...) or from_params(params, state), of this very module."
            )
        params, state = init(_typed(module.make_rng("params")))
    own = {name: module.param(name, _initial, tree) for name, tree in to_dict(params).items()}
    kept = {
        name: module.variable("batch_stats", name, _initial, None, tree).value
        for name, tree in to_dict(state).items()
    }
    return _checked(shapes[0], own, "params"), _checked(shapes[1], kept, "batch_stats")


def _trains(module: Any, deterministic: bool | None) -> bool:
    said = module.deterministic if deterministic is None else deterministic
    return said is False and not module.is_initializing()


def _dropout_key(module: linen.Module) -> Array | None:
    """None without a stream: a value that needs a key says so itself."""
    return _typed(module.make_rng("dropout")) if module.has_rng("dropout") else None


def _typed(key: Array) -> Array:
    """Linen also passes on the old keys of `jax.random.PRNGKey`."""
    is_typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    return key if is_typed else jax.random.wrap_key_data(key)


def _initial(_, tree: dict[str, Any]) -> dict[str, Any]:
    """New values; of existing ones Linen asks for the shapes, and gets zeros of these shapes."""
    return jax.tree.map(
        lambda x: x if isinstance(x, jax.Array) else jnp.zeros(x.shape, x.dtype), tree
    )


def _checked(params: Any, tree: Mapping[str, Any], name: str) -> Any:
    """The leaves of nested dicts in the structure of `params`."""
    wanted, got = set(paths(params)), flatten_dict(dict(tree)).keys()
    if wanted != got:
        missing, excess = (sorted(map("/".join, names)) for names in (wanted - got, got - wanted))
        raise ValueError(
            f"{name} must be those of this module, got {missing} missing and {excess} in excess. "
            "Fix: the value of the module that made them."
        )
    return from_dict(jax.tree.structure(params), tree)


def _params_like(layer: nn.Layer, tree: Mapping[str, Any]) -> Any:
    """The parameters of a layer with the names of these, or with names that come closest. The widths of its inputs,
    which it takes to make them, are among the sizes of its arrays; which of them does not matter for the names.
    """
    names = set(flatten_dict(dict(tree)))
    sizes = sorted({size for leaf in jax.tree.leaves(tree) for size in leaf.shape}) or [1]
    pairs = [(size, size) for size in sizes]
    found, least = None, math.inf
    for in_features, edges in itertools.product([*sizes, *pairs], [None, *sizes]):
        try:
            params = jax.eval_shape(
                lambda n=in_features, e=edges: layer.init(jax.random.key(0), n, e)
            )
        except Exception:  # this layer has no such inputs, and says so in its own way
            continue
        differing = len(names.symmetric_difference(paths(params)))
        if differing < least:
            found, least = params, differing
        if not differing:
            break
    return found
