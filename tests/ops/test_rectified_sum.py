"""GINE's sum of rectified messages: the C++ kernel against the ordinary operations, and these against the equation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from graphattn_jax import ops


@pytest.fixture
def kernels():
    try:
        ops.build_cpp()
    except RuntimeError as error:
        pytest.skip(str(error))


def inputs(width, dtype=np.float32, *, num_senders=30, num_receivers=None, num_edges=120):
    """Some nodes have no edges, some edges are masked and hold large numbers."""
    rng = np.random.default_rng(width)
    rows = num_senders if num_receivers is None else num_receivers
    edges = ops.Edges(
        rng.integers(0, num_senders - 2, num_edges),
        rng.integers(0, rows - 2, num_edges),
        num_senders=num_senders,
        num_receivers=num_receivers,
        mask=rng.uniform(size=num_edges) < 0.8,
    )
    x, terms = (jnp.asarray(rng.normal(size=(n, width)), dtype) for n in (num_senders, num_edges))
    terms = jnp.where(jnp.asarray(edges.mask)[:, None], terms, 50)
    return x, terms, edges, ops.prepare_edges(edges)


def results(x, terms, edges, implementation):
    """Value and gradients."""
    g = jnp.asarray(np.random.default_rng(1).normal(size=(edges.num_rows, x.shape[1])), x.dtype)

    @jax.jit
    def run(x, terms, g):
        out, pull = jax.vjp(
            lambda x, terms: ops.rectified_sum(x, terms, edges, implementation=implementation),
            x,
            terms,
        )
        return out, *pull(g)

    return run(x, terms, g)


@pytest.mark.parametrize("num_receivers", [None, 7])
def test_the_reference_is_the_equation(num_receivers):
    x, terms, edges, prepared = inputs(5, num_receivers=num_receivers)
    want = np.zeros((edges.num_rows, 5), np.float32)
    for e in np.flatnonzero(edges.mask):
        want[edges.receivers[e]] += np.maximum(x[edges.senders[e]] + terms[e], 0)
    for pattern in (edges, prepared):
        out = ops.rectified_sum(x, terms, pattern, implementation="reference")
        np.testing.assert_allclose(out, want, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("num_receivers", [None, 7])
@pytest.mark.parametrize("width", [1, 12, 64])
def test_the_kernel_equals_the_reference(width, num_receivers):
    x, terms, edges, prepared = inputs(width, num_receivers=num_receivers)
    got, want = results(x, terms, prepared, "cpp"), results(x, terms, edges, "reference")
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.usefixtures("kernels")
def test_second_derivatives():
    with jax.enable_x64(True):
        x, terms, _, prepared = inputs(3, np.float64, num_senders=6, num_edges=10)
        f = jax.jit(lambda x, terms: jnp.sin(ops.rectified_sum(x, terms, prepared)))
        check_grads(f, (x, terms), order=2, modes=["rev"], atol=1e-5, rtol=1e-5, eps=1e-6)


@pytest.mark.usefixtures("kernels")
def test_none_takes_the_kernel_on_prepared_edges_only():
    x, terms, edges, prepared = inputs(4)
    for pattern, expected in ((prepared, True), (edges, False)):
        lowered = jax.jit(ops.rectified_sum).lower(x, terms, pattern)
        assert ("graphattn_rectified_sum" in lowered.as_text()) == expected


def test_half_precision_is_summed_in_float32():
    edges = ops.Edges(np.zeros(1000, int), np.zeros(1000, int), num_senders=1)
    ones = jnp.ones((1, 2), jnp.bfloat16)
    out = ops.rectified_sum(ones, jnp.zeros((1000, 2), jnp.bfloat16), edges)
    assert out.dtype == jnp.bfloat16 and out.tolist() == [[1000.0, 1000.0]]


def test_arguments():
    x, terms, edges, _ = inputs(4)
    with pytest.raises(NotImplementedError, match="layout"):
        ops.rectified_sum(x, terms, edges, implementation="cpp")
    with pytest.raises(ValueError, match=r"edge_terms must have shape \[120, 4\]"):
        ops.rectified_sum(x, terms[:, :3], edges)
    with pytest.raises(ValueError, match="implementation must be one of"):
        ops.rectified_sum(x, terms, edges, implementation="cuda")
