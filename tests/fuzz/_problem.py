"""What is compared with what: values, first and second derivatives of one call in all its variants."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Tree = Any


class Mismatch(AssertionError):
    """A variant that does not compute the equation."""


@dataclass(frozen=True)
class Problem:
    """A call of the library, drawn at random.

    inputs: a tree of float32 arrays. equation: outputs of it in float64 NumPy. variants: the same by the library, in
    each implementation and form of the graph, by name; "reference" is one that is differentiated in float64.
    tolerance: relative to the largest entry. only_finite: where rounding decides the result. smooth: whether finite
    differences say something. twice: whether second derivatives fit into float32.
    """

    name: str
    inputs: dict[str, Tree]
    equation: Callable[[dict[str, Tree]], Mapping[str, np.ndarray]]
    variants: Mapping[str, Callable[[dict[str, Tree]], Mapping[str, Any]]]
    tolerance: float = 5e-5
    only_finite: bool = False
    smooth: bool = True
    twice: bool = True


def check(problem: Problem, rng: np.random.Generator) -> None:
    """All variants of a problem.

    Raises:
      Mismatch: says which variant, which output or derivative, and by how much.
    """
    exact = jax.tree.map(lambda x: np.asarray(x, np.float64), problem.inputs)
    want = problem.equation(exact)
    weights = {name: rng.normal(size=np.shape(x)).astype(np.float32) for name, x in want.items()}

    def loss(run, inputs):
        """A random sum of all outputs; and the outputs."""
        out = run(inputs)
        parts = (jnp.sum(jnp.asarray(weights[k], x.dtype) * x) for k, x in out.items())
        return sum(parts), out

    def derivatives(run, inputs, twice):
        """Outputs, the gradient, and if asked the gradient of its square."""
        first = jax.grad(lambda x: loss(run, x), has_aux=True)

        def square(x):
            gradient, out = first(x)
            return sum(jnp.sum(g * g) for g in jax.tree.leaves(gradient)), (gradient, out)

        if twice:
            second, (gradient, out) = jax.grad(square, has_aux=True)(inputs)
            return out, gradient, second
        gradient, out = first(inputs)
        return out, gradient

    def exact_loss(inputs):
        return sum((weights[k] * x).sum() for k, x in problem.equation(inputs).items())

    with jax.enable_x64(True):
        out, *exact_derivatives = derivatives(
            problem.variants["reference"], jax.tree.map(jnp.asarray, exact), problem.twice
        )
        out, exact_derivatives = jax.tree.map(np.asarray, (out, exact_derivatives))
    if not problem.only_finite:
        _compare("reference in float64", out, want, max(1e-9, problem.tolerance / 1e4))
    if problem.smooth:
        _check_slope(exact_loss, exact, exact_derivatives[0], rng)

    inputs = jax.tree.map(jnp.asarray, problem.inputs)
    # A few variants in each case, one of them with second derivatives, which cost more than all else.
    few = rng.permutation(list(problem.variants))[:4]
    for name in few:
        try:
            out, *found = derivatives(
                problem.variants[name], inputs, problem.twice and name == few[0]
            )
        except NotImplementedError:
            continue
        for what, x in zip(("out", "gradient", "second derivative"), (out, *found)):
            _check_finite(f"{name}, {what}", x)
        if problem.only_finite:
            continue
        _compare(name, out, want, problem.tolerance)
        if problem.smooth:
            for what, x, y, times in zip(
                ("gradient", "second derivative"), found, exact_derivatives, (20, 100)
            ):
                _compare(f"{name}, {what}", x, y, times * problem.tolerance, together=True)


def _check_finite(what: str, tree: Tree) -> None:
    for path, x in jax.tree_util.tree_leaves_with_path(tree):
        if not np.isfinite(np.asarray(x)).all():
            raise Mismatch(f"{what}{jax.tree_util.keystr(path)} is not finite")


def _compare(what: str, got: Tree, want: Tree, tolerance: float, *, together: bool = False) -> None:
    """`together`: errors relative to the largest entry of the tree, not of its leaf."""
    pairs = list(zip(jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(want), strict=True))
    scale = max((np.abs(y).max(initial=0) for _, y in pairs), default=0) if together else 0
    for (path, x), y in pairs:
        x, y = np.asarray(x, np.float64), np.asarray(y)
        if x.shape != y.shape:
            raise Mismatch(f"{what}{jax.tree_util.keystr(path)} is {x.shape}, not {y.shape}")
        error = np.abs(x - y).max(initial=0)
        allowed = tolerance * max(1, scale, np.abs(y).max(initial=0))
        if not error <= allowed:
            raise Mismatch(
                f"{what}{jax.tree_util.keystr(path)} is off by {error:.2g}, {allowed:.2g} allowed"
            )


def _check_slope(f, inputs: Tree, gradient: Tree, rng: np.random.Generator) -> None:
    """The gradient along a random direction, by central differences; a kink between the points spoils one step."""
    direction = jax.tree.map(lambda x: rng.normal(size=x.shape), inputs)
    parts = jax.tree.map(lambda g, d: (g * d).sum(), gradient, direction)
    want = sum(jax.tree.leaves(parts))

    def at(step):
        return f(jax.tree.map(lambda x, d: x + step * d, inputs, direction))

    slopes = [(at(step) - at(-step)) / (2 * step) for step in (1e-5, 1e-6, 1e-7)]
    if not min(abs(slope - want) for slope in slopes) <= 1e-5 * max(1, abs(want)):
        raise Mismatch(f"gradient along a direction is {want:.8g}, by differences {slopes}")
