"""The energy of the diffusion: what a step of the layer lowers."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _linear_rows import graph_of

from graphattn_jax import graphs, nn
from graphattn_jax import linear_attention as la

EYE = nn.LinearParams(jnp.eye(4), None)
IDENTITY = la.QueryKeyValue(EYE, EYE, EYE)
KERNELS = ("simple", "sigmoid")


def unit_graph(seed, scale=1.0):
    """Rows of one length."""
    graph = graph_of(seed)
    nodes = scale * graph.nodes / np.linalg.norm(graph.nodes, axis=1, keepdims=True)
    return graph._replace(nodes=nodes.astype(np.float32))


def pair_weights(z, kernel):
    """`[N, N]`, f of the layer with identity maps."""
    c = z @ z.T
    return 1 + c / np.sum(z**2) if kernel == "simple" else 1 / (1 + np.exp(-c))


def energy_by_pairs(z, y, kernel, weight):
    """In float64, δ by quadrature of f."""
    z, y = np.float64(z), np.float64(y)
    square = np.mean(np.sum(y**2, 1))
    u = np.sum((z[:, None] - z[None]) ** 2, -1)
    t = (np.arange(2000) + 0.5) / 2000
    s = square - u[..., None] * t / 2
    f = 1 + s / (len(y) * square) if kernel == "simple" else 1 / (1 + np.exp(-s))
    return np.sum((z - y) ** 2) + weight * np.sum(u * f.mean(-1))


@pytest.mark.parametrize("kernel", KERNELS)
@jax.disable_jit()
def test_energy_equals_its_definition_by_pairs_for_each_graph(kernel):
    alone = [graph_of(0), graph_of(1, 4, 6)]
    rng = np.random.default_rng(0)
    moved = [0.5 * g.nodes + rng.normal(size=g.nodes.shape).astype(np.float32) for g in alone]
    want = [energy_by_pairs(z, g.nodes, kernel, 0.3) for z, g in zip(moved, alone)]
    batch, z = graphs.batch(alone), np.concatenate(moved)
    found = la.diffusion_energy(z, batch, kernel=kernel, weight=0.3)
    np.testing.assert_allclose(found, want, rtol=1e-4)
    padded = graphs.pad(batch, graphs.Budget(16, 40, 4))
    z = np.concatenate([z, np.full((3, 4), np.nan, np.float32)])
    found = la.diffusion_energy(z, padded, kernel=kernel, weight=0.3)
    np.testing.assert_allclose(found, [*want, 0, 0], rtol=1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("scale", [0.5, 2.0])
@jax.disable_jit()
def test_a_step_lowers_the_energy(kernel, scale):
    """For every τ in (0, 1), with the smallest λ that is promised, and with a larger one."""
    layer = la.DIFFormerAttention(kernel=kernel, use_graph=False)
    for seed in range(3):
        graph = unit_graph(seed, scale)
        y = graph.nodes
        attended = np.asarray(layer.apply(IDENTITY, graph).graph.nodes)
        f = pair_weights(np.float64(y), kernel)
        np.testing.assert_allclose(attended, f @ y / f.sum(1, keepdims=True), rtol=1e-4, atol=1e-5)
        for tau in (0.05, 0.5, 0.95):
            least = tau / (4 * (1 - tau) * f.sum(1).min())
            z = (1 - tau) * y + tau * attended
            for weight in (least, 10 * least):
                before, after = (
                    la.diffusion_energy(x, graph, kernel=kernel, weight=weight) for x in (y, z)
                )
                assert after[0] < before[0], (seed, tau, weight)


def test_a_step_away_raises_it():
    """The test above can fail: against the diffusion the energy grows."""
    graph = unit_graph(0)
    attended = la.DIFFormerAttention(use_graph=False).apply(IDENTITY, graph).graph.nodes
    away = 1.5 * graph.nodes - 0.5 * attended
    assert la.diffusion_energy(away, graph)[0] > la.diffusion_energy(graph.nodes, graph)[0]


def test_gradient_of_the_energy_is_finite_and_bad_arguments_raise():
    graph = unit_graph(0)
    for kernel in KERNELS:
        g = jax.grad(lambda z, k=kernel: la.diffusion_energy(z, graph, kernel=k)[0])(graph.nodes)
        assert np.isfinite(g).all() and np.abs(g).max() > 0
    with pytest.raises(ValueError, match="kernel must be one of 'simple', 'sigmoid'"):
        la.diffusion_energy(graph.nodes, graph, kernel="softmax")
    with pytest.raises(ValueError, match=r"nodes must have shape \[8, 4\]"):
        la.diffusion_energy(graph.nodes[:3], graph)
    with pytest.raises(ValueError, match="kernel must be one of"):
        la.DIFFormerAttention(kernel="a")
    assert replace(la.DIFFormerAttention(), use_graph=False).use_graph is False
