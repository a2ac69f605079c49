"""Affine maps and multilayer perceptrons over the last axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, ops
from graphattn_jax.nn._initializers import Initializer, initializer
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

Activation = Callable[[jax.Array], jax.Array]
"""Elementwise on an array, as in `jax.nn`."""

_ACTIVATIONS: dict[str, Activation] = {
    "relu": jax.nn.relu,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "silu": jax.nn.silu,
    "elu": jax.nn.elu,
    "leaky_relu": partial(jax.nn.leaky_relu, negative_slope=0.2),
    "tanh": jnp.tanh,
    "identity": lambda x: x,
}


class LinearParams(NamedTuple):
    """An affine map: `weight` `[in, out]`, `bias` `[out]` or None."""

    weight: Array
    bias: Array | None


class MLPParams(NamedTuple):
    """A multilayer perceptron: one `LinearParams` per layer, first to last."""

    layers: tuple[LinearParams, ...]


def activation(name: str | Activation) -> Activation:
    """An activation by name; a callable passes through.

    `gelu` is the exact one, by the error function; `leaky_relu` has slope 0.2, as in GAT.

    Args:
      name: `"relu"`, `"gelu"`, `"silu"`, `"elu"`, `"leaky_relu"`, `"tanh"`, `"identity"`, or a
        callable on arrays.

    Returns:
      An elementwise callable.

    Raises:
      ValueError: an unknown name.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> ga.nn.activation("leaky_relu")(jnp.array([-5.0, 2.0])).tolist()
      [-1.0, 2.0]
    """
    if callable(name):
        return name
    _checks.choice("activation", name, _ACTIVATIONS)
    return _ACTIVATIONS[name]


def init_linear(
    key: PRNGKey,
    in_features: int,
    out_features: int,
    *,
    bias: bool = True,
    init: str | Initializer = "fan_in_uniform",
) -> LinearParams:
    """Parameters of `linear`, in float32; the bias starts at zero.

    Args:
      key: from `jax.random.key`.
      in_features, out_features: widths, positive.
      bias: whether there is one.
      init: how the weight starts; see `initializer`. The default is that of `torch.nn.Linear`: Glorot's, √3
        times as large for a square map, makes a deep network with sums over nodes, such as GraphGPS, learn far slower.

    Returns:
      `LinearParams(weight [in, out], bias [out] | None)`.

    Raises:
      ValueError: a width that is not a positive integer, or an unknown `init`.

    Example:
      >>> import jax
      >>> import graphattn_jax as ga
      >>> params = ga.nn.init_linear(jax.random.key(0), 3, 4)
      >>> params.weight.shape, params.bias.shape
      ((3, 4), (4,))
    """
    _checks.typed_key("key", key)
    _checks.positive("in_features", in_features)
    _checks.positive("out_features", out_features)
    return LinearParams(
        weight=initializer(init)(key, (in_features, out_features), jnp.float32),
        bias=jnp.zeros(out_features, jnp.float32) if bias else None,
    )


def linear(params: LinearParams, x: ArrayLike | ops.SparseFeatures) -> Array:
    """The affine map `y = x W + b` over the last axis.

    The weight is cast to the dtype of `x`, products accumulate in float32 or wider, and the result
    returns to the dtype of `x`: the choice of input dtype is the choice of compute precision.

    Args:
      params: from `init_linear`.
      x: `[..., in]` floating point; any of the leading axes may be empty. Or `SparseFeatures` `[N, in]`.

    Returns:
      `[..., out]` in the dtype of `x`.

    Raises:
      ValueError: `x` is not floating point, or its last axis is not `in` wide.

    Cost: O(rows * in * out) time.
    Padding: exact, row by row.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> params = ga.nn.init_linear(jax.random.key(0), 3, 4)
      >>> ga.nn.linear(params, jnp.ones((5, 3))).shape
      (5, 4)
    """
    _checks.arrays_of(params, LinearParams, "init_linear")
    x = x if ops.is_sparse(x) else jnp.asarray(x)
    y = ops.matmul(x, params.weight)
    if params.bias is not None:
        y = y + jnp.broadcast_to(params.bias.astype(y.dtype), y.shape)
    return y.astype(x.dtype)


def init_mlp(
    key: PRNGKey,
    sizes: Sequence[int],
    *,
    bias: bool = True,
    init: str | Initializer = "fan_in_uniform",
) -> MLPParams:
    """Parameters of `mlp`: a linear map between each two neighbouring sizes.

    Args:
      key: from `jax.random.key`.
      sizes: widths from input to output, at least two.
      bias: whether the layers have one.
      init: how the weights start; see `initializer`.

    Returns:
      `MLPParams` with `len(sizes) - 1` layers.

    Raises:
      ValueError: fewer than two sizes, a size that is not a positive integer, or an unknown `init`.

    Example:
      >>> import jax
      >>> import graphattn_jax as ga
      >>> params = ga.nn.init_mlp(jax.random.key(0), [3, 16, 4])
      >>> [layer.weight.shape for layer in params.layers]
      [(3, 16), (16, 4)]
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes must name at least input and output width, got {list(sizes)}.")
    keys = jax.random.split(key, len(sizes) - 1)
    widths = zip(keys, sizes[:-1], sizes[1:])
    return MLPParams(tuple(init_linear(k, n, m, bias=bias, init=init) for k, n, m in widths))


def mlp(
    params: MLPParams,
    x: ArrayLike | ops.SparseFeatures,
    *,
    activation: str | Activation = "relu",
    dropout: ops.Dropout | None = None,
) -> Array:
    """A multilayer perceptron over the last axis.

        h_0 = x,   h_l = dropout(act(h_{l-1} W_l + b_l)),   y = h_{L-1} W_L + b_L

    The last layer has neither activation nor dropout.

    Args:
      params: from `init_mlp`.
      x: `[..., in]` floating point, or `SparseFeatures` `[N, in]`.
      activation: of the hidden layers, a name or a callable; see `activation`.
      dropout: of the hidden activations, or None; see `training_dropout`.

    Returns:
      `[..., out]` in the dtype of `x`.

    Raises:
      ValueError: `x` does not fit, an unknown activation, or dropout that is neither.

    Cost: O(rows * sum of in * out) time.
    Padding: exact, row by row.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> params = ga.nn.init_mlp(jax.random.key(0), [3, 16, 4])
      >>> ga.nn.mlp(params, jnp.ones((5, 3)), activation="gelu").shape
      (5, 4)
    """
    if dropout is not None and not isinstance(dropout, ops.Dropout):
        raise ValueError(
            f"dropout must be a ga.ops.Dropout(rate, key) or None, got {_checks.describe(dropout)}."
        )
    _checks.arrays_of(params, MLPParams, "init_mlp")
    act = _activation(activation)
    *hidden, last = params.layers
    for i, layer in enumerate(hidden):
        x = act(linear(layer, x))
        if dropout is not None:
            x = ops.dropout(x, dropout.rate, jax.random.fold_in(dropout.key, i))
    return linear(last, x)


# `mlp` has a parameter of the same name.
_activation = activation
