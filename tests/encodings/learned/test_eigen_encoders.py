"""What every learned encoder of eigenpairs does; its own test file has what is its own."""

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import encodings as enc

K, WIDTH = 4, 6


KEY = jax.random.key(0)
ENCODERS = {
    "deepset": (enc.init_laplace_deepset(KEY, WIDTH), lambda p, e, g: enc.laplace_deepset(p, *e)),
    "signnet": (
        enc.init_signnet(KEY, K, WIDTH, hidden=8, channels=3),
        lambda p, e, g: enc.signnet(p, *e),
    ),
    "signnet with edges": (
        enc.init_signnet(KEY, K, WIDTH, hidden=8, channels=3),
        lambda p, e, g: enc.signnet(p, *e, g),
    ),
    "san": (enc.init_san_encoder(KEY, WIDTH), lambda p, e, g: enc.san_encoder(p, *e, heads=2)),
    "spe": (
        enc.init_spe(KEY, WIDTH, functions=3, hidden=8),
        lambda p, e, g: enc.spe(p, *e, g),
    ),
}


@pytest.fixture(params=ENCODERS)
def encoder(request):
    params, encode = ENCODERS[request.param]
    # Biases start at zero and would hide that masked rows are not.
    params = jax.tree.map(lambda x: x + 0.1, params)
    return params, jax.jit(encode)


def test_a_batch_is_each_graph_alone_and_padding_is_zero(encoder, mixed_batch):
    params, encode = encoder
    batch = ga.graphs.batch(mixed_batch)
    size = int(batch.n_node.sum())
    padded = ga.graphs.pad(batch, ga.graphs.Budget(size + 5, len(batch.senders) + 9, 8))
    alone = [encode(params, enc.laplacian_eigenvectors(g, K), g) for g in mixed_batch]
    got = encode(params, enc.laplacian_eigenvectors(padded, K), padded)
    assert got.shape == (size + 5, WIDTH)
    np.testing.assert_allclose(got[:size], np.concatenate(alone), rtol=1e-5, atol=1e-5)
    assert not got[size:].any()
    isolated = [11, 12, 16]
    assert not got[np.array(isolated)].any()
    assert (np.abs(np.delete(got[:size], isolated, 0)).max(1) > 1e-3).all()


def test_masked_entries_count_for_nothing(encoder, graph_of, debug_nans):
    params, encode = encoder
    graph = graph_of(nx.path_graph(3))
    vectors, values, mask = enc.laplacian_eigenvectors(graph, K)

    def loss(params, vectors, values):
        return jnp.sum(encode(params, (vectors, values, mask), graph) ** 2)

    spoilt = np.where(mask, vectors, 1e3), np.where(mask, values, -7)
    clean = jax.value_and_grad(loss, argnums=(0, 1))(params, vectors, values)
    dirty = jax.value_and_grad(loss, argnums=(0, 1))(
        params, *(x.astype(np.float32) for x in spoilt)
    )
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)
    assert not clean[1][1][~mask].any()
    # Everything masked: zeros, with a zero and finite gradient.
    nothing = np.zeros_like(mask)
    out, pull = jax.vjp(lambda p: encode(p, (vectors, values, nothing), graph), params)
    assert not out.any()
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(pull(jnp.ones_like(out))))


def test_permutation_of_nodes(encoder, graph_of):
    params, encode = encoder
    graph = graph_of(nx.gnm_random_graph(12, 24, seed=2))
    permutation = np.random.default_rng(0).permutation(12)
    eigen = enc.laplacian_eigenvectors(graph, K)
    moved = ga.testing.permute_nodes(graph, permutation)
    got = encode(params, tuple(x[permutation] for x in eigen), moved)
    np.testing.assert_allclose(got, encode(params, eigen, graph)[permutation], rtol=1e-5, atol=1e-5)


def test_every_parameter_and_eigenvalue_matters(encoder, graph_of):
    params, encode = encoder
    graph = graph_of(nx.gnm_random_graph(12, 24, seed=2))
    vectors, values, mask = enc.laplacian_eigenvectors(graph, K)
    shape = encode(params, (vectors, values, mask), graph).shape
    probe = jax.random.normal(jax.random.key(3), shape)

    def score(params, values):
        return jnp.vdot(probe, encode(params, (vectors, values, mask), graph))

    of_params, of_values = jax.grad(score, argnums=(0, 1))(params, values)
    assert all(np.any(leaf) and np.isfinite(leaf).all() for leaf in jax.tree.leaves(of_params))
    assert np.any(of_values)


def test_half_precision_and_no_nodes(encoder, graph_of):
    params, encode = encoder
    graph = graph_of(nx.gnm_random_graph(12, 24, seed=2))
    vectors, values, mask = enc.laplacian_eigenvectors(graph, K)
    got = encode(params, (jnp.asarray(vectors, jnp.bfloat16), values, mask), graph)
    want = encode(params, (vectors, values, mask), graph)
    assert got.dtype == jnp.bfloat16
    np.testing.assert_allclose(got.astype(jnp.float32), want, atol=0.05 * np.abs(want).max())
    empty = ga.graphs.from_edge_list([], [], num_nodes=0)
    assert encode(params, enc.laplacian_eigenvectors(empty, K), empty).shape == (0, WIDTH)


def test_errors(encoder):
    params, encode = encoder
    graph = ga.graphs.from_edge_list([0, 1], [1, 0])
    vectors, mask = np.ones((2, K), np.float32), np.ones((2, K), bool)
    for bad, message in (
        ((vectors[0], vectors, mask), r"vectors must have shape \[N, K\]"),
        ((vectors, vectors[:1], mask), r"values must have shape \[2, 4\], got \(1, 4\)"),
        ((vectors, vectors, mask[:, :1]), r"mask must have shape \[2, 4\], got \(2, 1\)"),
        ((vectors, vectors, vectors), "mask must be boolean"),
        ((mask, vectors, mask), "vectors must be floating point"),
    ):
        with pytest.raises(ValueError, match=message):
            encode(params, bad, graph)
