"""NNX modules of layers and networks.

Parameters are `nnx.Param`s under `params`, in nested dicts by the names of their fields, running statistics
`nnx.BatchStat`s under `batch_stats`; the value itself is static. Modules start in training mode, as `nnx.Dropout` does:
`eval()` and `train()` switch, `deterministic=` and `rngs=` of a call override.

Example:
  >>> import numpy as np, graphattn_jax as ga
  >>> from flax import nnx
  >>> class Network(nnx.Module):
  ...   def __init__(self, in_features, rngs):
  ...     layer = ga.attention.GAT(channels=8, heads=8, dropout=0.6)
  ...     self.attention = ga.modules.nnx.Layer(layer, in_features, rngs=rngs)
  ...     self.output = nnx.Linear(64, 3, rngs=rngs)
  ...   def __call__(self, graph):
  ...     return self.output(nnx.elu(self.attention(graph).graph.nodes))
  >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
  >>> network = Network(4, nnx.Rngs(0))
  >>> network.attention.params.weight.shape
  (4, 8, 8)
  >>> network.eval()
  >>> network(graph).shape
  (2, 3)
"""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

from graphattn_jax import _checks, nn
from graphattn_jax.models import Network as NetworkValue
from graphattn_jax.modules._trees import from_dict, to_dict
from graphattn_jax.typing import Array

__all__ = ["Layer", "Network", "from_params", "to_params"]


class _Module(nnx.Module):
    """What a layer and a network have in common."""

    def _setup(self, params: Any, state: Any, rngs: nnx.Rngs, deterministic: bool) -> None:
        self.params = _to_node(to_dict(params, nnx.Param))
        self.batch_stats = _to_node(to_dict(state, nnx.BatchStat))
        self._structures = jax.tree.structure(params), jax.tree.structure(state)
        self.deterministic = deterministic
        has_stream = "dropout" in rngs or "default" in rngs
        self.rngs = rngs.dropout.fork() if has_stream else None

    def _variables(self) -> tuple[Any, Any]:
        """Parameters and statistics, with variables for leaves."""
        return tuple(map(from_dict, self._structures, (self.params, self.batch_stats)))

    def _arrays(self) -> tuple[Any, Any]:
        """As `init` makes them."""
        return jax.tree.map(lambda x: x.get_value(), self._variables(), is_leaf=_is_variable)

    def _training(self, deterministic: bool | None) -> bool:
        return not (self.deterministic if deterministic is None else deterministic)

    def _key(self, rngs: Any) -> Array | None:
        """None without a stream: a value that needs a key says so itself."""
        stream = self.rngs if rngs is None else rngs
        return stream.dropout() if isinstance(stream, nnx.Rngs) else stream and stream()

    def set_view(self, deterministic: bool | None = None) -> None:
        """Called by `nnx.view`.

        Args:
          deterministic: True = evaluation, False = training.
        """
        if deterministic is not None:
            self.deterministic = deterministic


class Layer(_Module):
    """A layer as an NNX module.

    Args:
      layer: a `ga.nn.Layer`.
      in_features: width of the node features, or (senders, receivers).
      edge_features: width of the edge features, None without.
      rngs: streams `params` and, for dropout, `dropout`.
      deterministic: True = evaluation, False = training.

    Call:
      graph: as the layer takes it.
      deterministic, rngs: override those of the module.
      **arrays: further arguments of `layer.apply`, such as `bias=`.

    Returns:
      What `layer.apply` gives.

    Raises:
      ValueError: as the layer.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> from flax import nnx
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> module = ga.modules.nnx.Layer(ga.message_passing.GCN(8), 4, rngs=nnx.Rngs(0))
      >>> module(graph).graph.nodes.shape
      (2, 8)
    """

    def __init__(
        self,
        layer: nn.Layer,
        in_features: int | tuple[int, int],
        edge_features: int | None = None,
        *,
        rngs: nnx.Rngs,
        deterministic: bool = False,
    ):
        _checks.instance("layer", layer, nn.Layer, "ga.attention.GATv2(heads=4)")
        self.layer = layer
        params = layer.init(rngs.params(), in_features, edge_features)
        self._setup(params, None, rngs, deterministic)

    def __call__(
        self,
        graph: Any,
        *,
        deterministic: bool | None = None,
        rngs: nnx.Rngs | nnx.RngStream | None = None,
        **arrays: Any,
    ) -> nn.LayerOutput:
        """As `layer.apply`; see the class."""
        training = self._training(deterministic)
        key = self._key(rngs) if training else None
        params, _ = self._arrays()
        return self.layer.apply(params, graph, training=training, key=key, **arrays)


class Network(_Module):
    """A network as an NNX module.

    Args:
      network: a `ga.models.Network`.
      rngs: streams `params` and, for dropout, `dropout`.
      deterministic: True = evaluation, False = training.

    Call:
      graph: as the network takes it.
      deterministic, rngs: override those of the module.

    Returns:
      The prediction; in training the statistics are renewed. For the attention of the layers,
      `network.apply(*to_params(module), graph).attention`.

    Raises:
      ValueError: as the network.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> from flax import nnx
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> module = ga.modules.nnx.Network(ga.models.PlainNetwork.gat(4, 3), rngs=nnx.Rngs(0))
      >>> module(graph, deterministic=True).shape
      (2, 3)
    """

    def __init__(self, network: NetworkValue, *, rngs: nnx.Rngs, deterministic: bool = False):
        _checks.instance("network", network, NetworkValue, "ga.models.GPS(...)")
        self.network = network
        self._setup(*network.init(rngs.params()), rngs, deterministic)

    def __call__(
        self,
        graph: Any,
        *,
        deterministic: bool | None = None,
        rngs: nnx.Rngs | nnx.RngStream | None = None,
    ) -> Array:
        """As `network.apply`; see the class."""
        training = self._training(deterministic)
        key = self._key(rngs) if training else None
        out = self.network.apply(*self._arrays(), graph, training=training, key=key)
        if training:
            _, statistics = self._variables()
            _assign("state", statistics, out.state)
        return out.prediction


def from_params(module: Layer | Network, params: Any, state: Any = None) -> None:
    """Puts the parameters of a value into its module, in place.

    Args:
      module: a `Layer` or a `Network`.
      params: as `init` of its value makes them.
      state: running statistics, for networks that have them; None = leave them.

    Raises:
      ValueError: another module, or its arrays have other names or shapes.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> from flax import nnx
      >>> layer = ga.message_passing.GCN(8)
      >>> module = ga.modules.nnx.Layer(layer, 4, rngs=nnx.Rngs(0))
      >>> params = layer.init(jax.random.key(1), 4)
      >>> ga.modules.nnx.from_params(module, params)
      >>> bool((module.params.weight[...] == params.weight).all())
      True
    """
    _check(module)
    variables, statistics = module._variables()
    _assign("params", variables, params)
    if state is not None:
        _assign("state", statistics, state)


def to_params(module: Layer | Network) -> Any:
    """Parameters of a module's value: the inverse of `from_params`.

    Args:
      module: a `Layer` or a `Network`.

    Returns:
      What `init` gives: the parameters of a layer, `(params, state)` of a network.

    Raises:
      ValueError: another module.

    Example:
      >>> import graphattn_jax as ga
      >>> from flax import nnx
      >>> module = ga.modules.nnx.Layer(ga.message_passing.GCN(8), 4, rngs=nnx.Rngs(0))
      >>> params = ga.modules.nnx.to_params(module)
      >>> type(params).__name__, params.weight.shape
      ('GCNParams', (4, 8))
    """
    _check(module)
    params, state = module._arrays()
    return (params, state) if isinstance(module, Network) else params


def _check(module: Any) -> None:
    if not isinstance(module, (Layer, Network)):
        raise ValueError(
            f"module must be a Layer or a Network of ga.modules.nnx, got {type(module).__name__}. "
            "Fix: pass the submodule."
        )


def _to_node(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    return nnx.Dict({name: _to_node(branch) for name, branch in tree.items()})


def _is_variable(x: Any) -> bool:
    return isinstance(x, nnx.Variable)


def _assign(name: str, variables: Any, values: Any) -> None:
    """Gives all variables of a tree new values; none if one does not fit."""
    paths, structure = jax.tree_util.tree_flatten_with_path(variables, is_leaf=_is_variable)
    if jax.tree.structure(values) != structure:
        raise ValueError(
            f"{name} must have the structure {structure}, got {jax.tree.structure(values)}. "
            "Fix: make both with the same value."
        )
    leaves = jax.tree.leaves(values)
    for (path, variable), leaf in zip(paths, leaves, strict=True):
        _checks.shape(name + jax.tree_util.keystr(path), leaf, variable.shape)
    for (_, variable), leaf in zip(paths, leaves, strict=True):
        variable.set_value(leaf)
