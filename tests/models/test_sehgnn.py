"""SeHGNN: its equation in NumPy, padding, keeping, and labels of others as features."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import graphs, models

RNG = np.random.default_rng(0)
GRAPH = graphs.from_types(
    {
        "author": RNG.normal(size=(6, 3)).astype(np.float32),
        "paper": RNG.normal(size=(9, 5)).astype(np.float32),
    },
    {
        ("author", "writes", "paper"): RNG.integers((6, 9), size=(20, 2)).T,
        ("paper", "cites", "paper"): RNG.integers(9, size=(2, 12)),
    },
    reverse=True,
)
SCHEMA = graphs.schema_of(GRAPH)
PATHS = graphs.schema_metapaths(SCHEMA, "paper", 2)
PAPERS = graphs.metapath_features(GRAPH, "paper", PATHS)
NETWORK = models.SeHGNN.of(PAPERS, 4, own="paper", width=8, heads=2, hidden_layers=1)


def noisy():
    params, state = NETWORK.init(jax.random.key(0))
    assert state is None
    leaves, structure = jax.tree.flatten(params)
    return structure.unflatten(
        [x + 0.3 * np.asarray(RNG.normal(size=x.shape), np.float32) for x in leaves]
    )


PARAMS = noisy()


def layer_norm(p, x):
    centred = x - x.mean(axis=-1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    return unit * np.asarray(p.scale, np.float64) + np.asarray(p.bias, np.float64)


def dense(p, nodes):
    """One node and one metapath after the other."""
    p = jax.tree.map(lambda x: np.asarray(x, np.float64), p)
    weights = dict(zip(NETWORK.tokens, (w for group in p.first for w in group)))
    out, attention = [], []
    for i in range(len(nodes["paper"])):
        h = np.stack([nodes[n][i] @ weights[n] for n in NETWORK.tokens]) + p.first_bias
        h = np.maximum(layer_norm(p.first_norm, h.ravel()), 0).reshape(h.shape)
        h = np.stack([row @ w for row, w in zip(h, p.second)]) + p.second_bias
        h = np.maximum(layer_norm(p.second_norm, h.ravel()), 0).reshape(h.shape)
        q, k, v = (
            (h @ m.weight + m.bias).reshape(len(h), 2, -1)
            for m in (p.attention.query, p.attention.key, p.attention.value)
        )
        e = np.exp(np.einsum("ahc,bhc->hab", q, k) / np.sqrt(q.shape[2]))
        a = e / e.sum(axis=2, keepdims=True)
        h = h + p.attention.gate * np.einsum("hab,bhc->ahc", a, v).reshape(h.shape)
        y = h.ravel() @ p.fuse.weight + p.fuse.bias
        y = y + nodes["paper"][i] @ p.residual.weight + p.residual.bias
        y = np.maximum(layer_norm(p.norm, y), 0)
        *hidden, last = p.task.layers
        for m in hidden:
            y = np.maximum(y @ m.weight + m.bias, 0)
        out.append(y @ last.weight + last.bias)
        attention.append(a)
    return np.array(out), np.array(attention)


def test_it_is_its_equation_and_pads(tmp_path):
    want, weights = dense(PARAMS, PAPERS.nodes)
    run = jax.jit(NETWORK.apply)
    out = run(PARAMS, None, PAPERS)
    np.testing.assert_allclose(out.prediction, want, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(out.attention[0].weights, weights, rtol=1e-4, atol=1e-5)
    padded = graphs.pad(PAPERS, graphs.Budget(12, 1, 2))
    padded = padded._replace(
        nodes={
            n: np.concatenate([x[:9], np.full_like(x[9:], np.nan)]) for n, x in padded.nodes.items()
        }
    )

    def loss(params, graph):
        return jnp.sum(jnp.sin(NETWORK.apply(params, None, graph).prediction[:9]))

    both = [jax.jit(jax.value_and_grad(loss))(PARAMS, g) for g in (PAPERS, padded)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *both)
    models.save(tmp_path / "net.npz", NETWORK, PARAMS, None)
    kept, *arrays = models.load(tmp_path / "net.npz")
    assert kept == NETWORK
    np.testing.assert_array_equal(
        kept.apply(*arrays, PAPERS).prediction, NETWORK.apply(PARAMS, None, PAPERS).prediction
    )
    table = ga.diagnostics.metapath_table(out.attention[0], NETWORK.tokens, PAPERS)
    np.testing.assert_allclose(table.mass, weights.mean(axis=(0, 2)).T, rtol=1e-4)
    assert str(table).splitlines()[1].startswith(NETWORK.tokens[0])


def test_a_part_of_the_nodes_is_a_batch():
    chosen = np.arange(9) % 2 > 0
    part = NETWORK.apply(PARAMS, None, graphs.subgraph(PAPERS, chosen)).prediction
    np.testing.assert_allclose(
        part, NETWORK.apply(PARAMS, None, PAPERS).prediction[chosen], rtol=1e-4, atol=1e-5
    )


def test_dropout_low_precision_and_labels_as_inputs():
    labels, known = np.arange(9) % 3, np.arange(9) < 6
    own = graphs.schema_metapaths(SCHEMA, "paper", 2, sources=("paper",))
    votes = graphs.metapath_labels(GRAPH, own, labels, known)
    inputs = PAPERS._replace(nodes=PAPERS.nodes | votes)
    network = models.SeHGNN.of(inputs, 3, width=8, dropout=0.5, input_dropout=0.1)
    assert len(network.tokens) == len(PATHS) + 1 + len(own)
    params, _ = network.init(jax.random.key(0))
    outs = [
        network.apply(params, None, inputs, training=True, key=jax.random.key(k)).prediction
        for k in (0, 0, 1)
    ]
    np.testing.assert_array_equal(outs[0], outs[1])
    assert not np.allclose(outs[0], outs[2])
    with pytest.raises(ValueError, match="needs key= in training"):
        network.apply(params, None, inputs, training=True)
    low = PAPERS._replace(nodes={n: jnp.asarray(x, jnp.bfloat16) for n, x in PAPERS.nodes.items()})
    half = NETWORK.apply(PARAMS, None, low).prediction
    assert half.dtype == jnp.bfloat16
    full = NETWORK.apply(PARAMS, None, PAPERS).prediction
    np.testing.assert_allclose(np.asarray(half, np.float32), full, rtol=0.1, atol=0.2)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: models.SeHGNN((), 3), r"inputs must be a tuple of at least one \(name, width\)"),
        (lambda: models.SeHGNN.of(GRAPH, 3), "graph.nodes must be a dict of features by metapath"),
        (lambda: replace(NETWORK, heads=3), "width must be divisible by 4 heads"),
        (lambda: replace(NETWORK, own="authors"), "own must be one of None, 'paper'"),
        (
            lambda: NETWORK.apply(PARAMS, None, PAPERS._replace(nodes={})),
            "must have features of metapath 'paper', got none",
        ),
        (
            lambda: NETWORK.apply(
                PARAMS, None, PAPERS._replace(nodes=PAPERS.nodes | {"paper": np.ones((9, 2))})
            ),
            r"graph.nodes\['paper'\] must have shape \[N, 5\]",
        ),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()
