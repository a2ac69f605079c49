"""Assertions on functions of arrays: gradients, precision, tracing, agreement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax.testing._compare import compare, is_inexact, place, results


def assert_finite_gradients(fn: Callable[..., Any], *args: Any) -> None:
    """The outputs of `fn(*args)` and their gradients in every argument are finite.

    The gradient is that of a random linear function of all floating-point outputs.

    Args:
      fn: returns any pytree of arrays.
      *args: pytrees of arrays; integer leaves are allowed and not differentiated.

    Raises:
      AssertionError: with the first array that is not finite, where, and the usual cause.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> ga.testing.assert_finite_gradients(jnp.exp, jnp.zeros(3))
    """
    for path, x in jax.tree.leaves_with_path(results(fn, args, gradients=True)):
        if x.dtype == jax.dtypes.float0 or not is_inexact(x):
            continue
        finite = np.isfinite(np.asarray(x).astype(np.float64))
        if not finite.all():
            index = tuple(np.argwhere(~finite)[0])
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise AssertionError(
                f"{place(name, index)} is {x[index]}; {(~finite).sum()} of {finite.size} entries "
                "are not finite. Usual cause: a root, logarithm or division at 0, or a softmax over "
                "nothing, selected away by one jnp.where only after it; guard its input as well. "
                "jax.debug_nans(True) finds the operation."
            )


def assert_no_retrace(fn: Callable[..., Any], args_list: Sequence[tuple]) -> None:
    """One trace of `fn` under `jax.jit` serves all of `args_list`.

    Args:
      fn: a function of pytrees of arrays, jitted or not.
      args_list: tuples of positional arguments, such as the batches of one budget.

    Raises:
      AssertionError: with the call that traced again, and the arguments whose shape, dtype or
        structure changed.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> ga.testing.assert_no_retrace(jnp.sin, [(jnp.zeros(3),), (jnp.ones(3),)])
    """
    traces = 0

    @jax.jit
    def counted(*args):
        nonlocal traces
        traces += 1
        return fn(*args)

    for i, args in enumerate(args_list):
        counted(*args)
        if traces > 1:
            raise AssertionError(
                f"call {i} traced again, because {_difference(args_list[0], args)}. Usual cause: "
                "batches of different sizes; pad them to one graphs.Budget."
            )


def assert_implementations_agree(
    implementations: Mapping[str, Callable[..., Any]],
    *args: Any,
    gradients: bool = True,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> None:
    """All implementations return what the first one does, and have its gradients.

    Args:
      implementations: functions by name; the first is the reference.
      *args: pytrees of arrays, the arguments of each; integer leaves are not differentiated.
      gradients: compare the gradients of a random linear function of the outputs as well.
      rtol, atol: `|difference| <= atol + rtol * max|wanted|` in each array.

    Raises:
      AssertionError: with the implementation, the worst entry and by how much it is off.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> product = {"reference": lambda x: x * x, "power": jnp.square}
      >>> ga.testing.assert_implementations_agree(product, jnp.arange(3.0))
    """
    (first, reference), *others = implementations.items()
    expected = results(reference, args, gradients=gradients)
    for name, fn in others:
        compare(
            results(fn, args, gradients=gradients),
            expected,
            failure=f'implementation "{name}" disagrees with "{first}"',
            cause="a masked, empty or padded row or a custom gradient treated in its own way",
            rtol=rtol,
            atol=atol,
        )


def assert_low_precision_error(
    fn: Callable[..., Any],
    reference: Callable[..., Any],
    *args: Any,
    dtype: Any = jnp.bfloat16,
    factor: float = 2.0,
    gradients: bool = True,
) -> None:
    """In low precision, `fn` errs at most twice as much as the plain computation.

        max|fn(low) - exact| <= factor * max|reference(low) - exact|,   exact = reference(float32)

    in each array, all three from the same inputs rounded to `dtype`. A result that is `exact`
    correctly rounded always passes.

    Args:
      fn: the implementation under test.
      reference: the plain implementation, which computes in the dtype of its inputs.
      *args: pytrees of arrays, the arguments of both; floating-point leaves are rounded.
      dtype: the low precision.
      factor: how much larger the error may be.
      gradients: hold the gradients of a random linear function of the outputs to the same rule.

    Raises:
      AssertionError: with the array, both errors, and the usual cause.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> plain = lambda x: x / jnp.sqrt((x * x).sum())
      >>> careful = lambda x: plain(x.astype(jnp.float32)).astype(x.dtype)
      >>> ga.testing.assert_low_precision_error(careful, plain, jnp.linspace(0.0, 1.0, 100))

    Source: the rule of the tests of Dao et al., "FlashAttention", NeurIPS 2022, arXiv:2205.14135.
    """
    low = _cast(args, dtype)
    exact = results(reference, _cast(low, jnp.float32), gradients=gradients)
    tested = results(fn, low, gradients=gradients)
    plain = results(reference, low, gradients=gradients)
    for (path, want), got, baseline in zip(
        jax.tree.leaves_with_path(exact),
        jax.tree.leaves(tested),
        jax.tree.leaves(plain),
        strict=True,
    ):
        if want.dtype == jax.dtypes.float0 or not is_inexact(want):
            continue
        want, got, baseline = (np.asarray(x).astype(np.float64) for x in (want, got, baseline))
        with np.errstate(invalid="ignore"):  # inf - inf
            error, plain_error = (np.abs(x - want).max(initial=0.0) for x in (got, baseline))
        rounding = float(jnp.finfo(dtype).eps) / 2 * np.abs(want).max(initial=0.0)
        # Where the plain computation overflows, any finite result is as good.
        allowed = max(factor * plain_error, rounding) if np.isfinite(plain_error) else np.inf
        if not error <= allowed:
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise AssertionError(
                f"{name} errs by {error:.3g} in {jnp.dtype(dtype)}, the plain computation by "
                f"{plain_error:.3g}; {allowed:.3g} is allowed. Usual cause: sums, softmax or norms "
                "accumulated in low precision; accumulate in float32 and cast the result."
            )


def _cast(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda x: jnp.asarray(x, dtype) if is_inexact(x) else x, tree)


def _difference(first: tuple, later: tuple) -> str:
    """What makes `jax.jit` see the arguments `later` as new."""
    structures = jax.tree.structure(first), jax.tree.structure(later)
    if structures[0] != structures[1]:
        return f"the structure changed from {structures[0]} to {structures[1]}"
    changes = [
        f"args{jax.tree_util.keystr(path)} changed from {a} to {b}"
        for (path, x), y in zip(jax.tree.leaves_with_path(first), jax.tree.leaves(later))
        if (a := jax.typeof(x)) != (b := jax.typeof(y))
    ]
    return " and ".join(changes) or "a static property of the arguments changed"
