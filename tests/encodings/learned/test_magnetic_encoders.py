"""Complex eigenvectors in encoders: phases, direction, networks."""

import jax
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import encodings as enc

RNG = np.random.default_rng(1)
KEY = jax.random.key(0)
SPE = jax.tree.map(lambda x: x + 0.1, enc.init_spe(KEY, 6, functions=3, hidden=8, magnetic=True))
DEEPSET = jax.tree.map(lambda x: x + 0.1, enc.init_laplace_deepset(KEY, 6, magnetic=True))
GRAPH = ga.graphs.from_edge_list(*RNG.integers(0, 9, (2, 20)), num_nodes=9)
EIGEN = enc.magnetic_laplacian_eigenvectors(GRAPH, 9, q=0.2)
IDS = np.zeros(9, np.int32)


def perceptron(params, x):
    (w1, b1), (w2, b2) = (tuple(map(np.asarray, layer)) for layer in params.layers)
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


def turned(key):
    return EIGEN._replace(vectors=np.asarray(enc.turn_phases(key, EIGEN.vectors, IDS, 1)))


def test_spe_is_its_equation_with_dense_matrices():
    v = EIGEN.vectors[..., 0] + 1j * EIGEN.vectors[..., 1]
    phi = perceptron(SPE.phi, EIGEN.values[..., None]) * EIGEN.mask[..., None]
    matrices = np.einsum("ik,ikm,jk->ijm", v, phi, v.conj())
    messages = perceptron(SPE.pair, np.concatenate([matrices.real, matrices.imag], -1))
    received = np.einsum("ij,ijm->im", ga.graphs.to_dense(GRAPH).astype(float), messages)
    diagonal = np.einsum("iim->im", matrices).real
    want = perceptron(SPE.rho, np.concatenate([diagonal, received], 1))
    np.testing.assert_allclose(enc.spe(SPE, *EIGEN, GRAPH), want, rtol=1e-4, atol=1e-4)


def test_phases_turn_together_and_spe_does_not_see_them():
    other = turned(jax.random.key(1))
    a, b = (x.vectors[..., 0] + 1j * x.vectors[..., 1] for x in (EIGEN, other))
    there = np.abs(a) > 1e-3
    phase = np.where(there, b / np.where(there, a, 1), np.nan)
    np.testing.assert_allclose(np.abs(phase[there]), 1, rtol=1e-4)
    np.testing.assert_allclose(np.nanmax(np.abs(phase - np.nanmean(phase, 0))), 0, atol=1e-3)
    assert np.abs(np.nanmean(phase, 0) - 1).max() > 0.1
    want, found = (enc.spe(SPE, *eigen, GRAPH) for eigen in (EIGEN, other))
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-4)
    want, found = (enc.laplace_deepset(DEEPSET, *eigen) for eigen in (EIGEN, other))
    assert np.abs(found - want).max() > 1e-2


def test_the_direction_of_edges_shows():
    """On the same pairs, so that nothing but the vectors knows it."""
    back = enc.magnetic_laplacian_eigenvectors(ga.graphs.transpose(GRAPH), 9, q=0.2)
    pairs = ga.graphs.add_reverse_edges(GRAPH)
    there, here = (enc.spe(SPE, *eigen, pairs) for eigen in (back, EIGEN))
    assert np.abs(there - here).max() > 1e-2


@pytest.mark.parametrize("training", [False, True])
def test_a_network_takes_them_as_they_are_returned(training):
    """In a batch, padded, under jit; each graph as alone."""
    inputs = ga.models.Inputs(nodes=3, encoding=4, encoding_width=4, encoder="magnetic")
    network = ga.models.GPS(inputs, width=8, num_layers=1, norm="layer", dropout=0.0)
    params, state = network.init(KEY)

    def encoded(seed):
        graph = ga.testing.random_graph(seed, 6, 9, 3)
        eigen = enc.magnetic_laplacian_eigenvectors(graph, 4)
        return graph._replace(nodes=ga.models.NodeInputs(graph.nodes, eigen), edges=None)

    graphs = [encoded(seed) for seed in range(2)]
    padded = ga.graphs.pad(ga.graphs.batch(graphs), ga.graphs.Budget(16, 24, 3), block_size=8)

    @jax.jit
    def run(graph, key):
        return network.apply(params, state, graph, training=training, key=key).prediction

    found = [run(padded, jax.random.key(seed))[:2] for seed in range(2)]
    if training:
        assert np.abs(found[0] - found[1]).max() > 1e-4
        return
    alone = [network.apply(params, state, ga.graphs.prepare(g, block_size=8)) for g in graphs]
    want = np.concatenate([out.prediction for out in alone])
    np.testing.assert_allclose(found[0], want, rtol=1e-4, atol=1e-5)


def test_real_and_complex_vectors_are_not_mixed_up():
    plain = enc.laplacian_eigenvectors(GRAPH, 4, directed="symmetrize")
    for call in (
        lambda: enc.spe(SPE, *plain, GRAPH),
        lambda: enc.laplace_deepset(DEEPSET, *plain),
        lambda: enc.san_encoder(enc.init_san_encoder(KEY, 8), *EIGEN),
        lambda: enc.signnet(enc.init_signnet(KEY, 9, 8), *EIGEN),
    ):
        with pytest.raises(ValueError, match=r"vectors must have shape \[N, K.*magnetic=True"):
            call()
