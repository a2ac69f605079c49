"""Masked features: what is hidden reaches nothing, padding is never masked, and it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import attention, models

RNG = np.random.default_rng(0)
GROUP = np.arange(12) // 4
NODES = np.eye(3, dtype=np.float32)[GROUP] + 0.1 * RNG.normal(size=(12, 3)).astype(np.float32)
TOGETHER = np.nonzero((GROUP[:, None] == GROUP[None]) & ~np.eye(12, dtype=bool))
GRAPH = ga.graphs.from_edge_list(*TOGETHER, nodes=NODES)
NETWORK = models.MaskedFeatures(
    models.PlainNetwork(3, (attention.GAT(4, 2),)), attention.GAT(3), features=3, width=8
)
PARAMS, STATE = NETWORK.init(jax.random.key(0))


def reconstructed(graph, seed=3):
    key = jax.random.key(seed)
    return NETWORK.apply(PARAMS, STATE, graph, training=True, key=key).prediction


def test_what_is_masked_reaches_nothing():
    features, masked = reconstructed(GRAPH)
    assert 0 < masked.sum() < 12
    other = np.where(np.asarray(masked)[:, None], NODES + 5, NODES)
    np.testing.assert_array_equal(reconstructed(GRAPH._replace(nodes=other)).features, features)
    whole = NETWORK.apply(PARAMS, STATE, GRAPH).prediction
    assert not whole.masked.any()
    assert abs(whole.features - features).max() > 1e-4
    assert (reconstructed(GRAPH, 4).masked != masked).any()


def test_padding():
    padded = ga.graphs.pad(GRAPH, ga.graphs.Budget(20, 48, 2))
    nodes = np.where(padded.layout.node_mask[:, None], padded.nodes, np.nan)
    padded = padded._replace(nodes=nodes)
    features, masked = reconstructed(padded)
    assert not masked[12:].any()
    spread = ga.losses.scaled_cosine_error(features, np.nan_to_num(nodes), where=masked)
    assert np.isfinite(spread[0])


def test_it_learns():
    def loss_fn(params, graph, key):
        z, masked = NETWORK.apply(params, None, graph, training=True, key=key).prediction
        return ga.losses.scaled_cosine_error(z, graph.nodes, where=masked)

    optimizer = ga.training.make_optimizer(0.02)
    state = ga.training.init_train_state(PARAMS, optimizer, jax.random.key(1))
    step = ga.training.make_train_step(loss_fn, optimizer)
    batches = ga.training.Repeat(ga.graphs.prepare(GRAPH))
    history = ga.training.fit(state, step, batches, num_steps=150).history
    losses = np.array([record["loss"] for record in history])
    assert losses[-20:].mean() < 0.4 * losses[:5].mean()


def test_kept_and_refused(tmp_path):
    models.save(tmp_path / "m.npz", NETWORK, PARAMS, STATE)
    again, params, _ = models.load(tmp_path / "m.npz")
    assert again == NETWORK and jax.tree.all(jax.tree.map(jnp.array_equal, params, PARAMS))
    with pytest.raises(ValueError, match="training needs key="):
        NETWORK.apply(PARAMS, STATE, GRAPH, training=True)
    with pytest.raises(ValueError, match=r"graph\.nodes must have shape"):
        NETWORK.apply(PARAMS, STATE, GRAPH._replace(nodes=NODES[:, :2]))
    with pytest.raises(ValueError, match="decoder must be a layer such as"):
        models.MaskedFeatures(NETWORK.encoder, NETWORK.encoder, 3, 8)
    with pytest.raises(ValueError, match=r"rate must be a number in \[0, 1\)"):
        models.MaskedFeatures(NETWORK.encoder, NETWORK.decoder, 3, 8, rate=1.0)
