"""An encoder and a decoder as one network: padding, open ends, keeping, training."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.links import ComplEx, DistMult, DotProduct, Links
from graphattn_jax.models import LinkGraph, LinkNetwork

RNG = np.random.default_rng(0)
GRAPH = ga.graphs.from_types(
    {"a": RNG.normal(size=(6, 4)).astype(np.float32), "b": 5},
    {("a", "to", "b"): (RNG.integers(6, size=12), RNG.integers(5, size=12))},
    reverse=True,
)
SCHEMA, INPUTS = ga.graphs.schema_of(GRAPH), ga.models.TypedInputs.of(GRAPH)
LINKS = Links(np.array([0, 1, 2]), np.zeros(3, np.int32), np.array([6, 7, 10]))
QUERIES = (LINKS, LINKS._replace(tails=None), LINKS._replace(heads=None))


def encoder(*layers):
    return ga.models.TypedNetwork(INPUTS, layers, width=8)


NETWORKS = {
    "embedding": LinkNetwork(encoder(), DistMult(2), 8),
    "rgcn": LinkNetwork(
        encoder(ga.message_passing.RGCN(schema=SCHEMA)), DistMult(2), 8, dropout=0.5
    ),
    "hgt": LinkNetwork(encoder(ga.attention.HGT(heads=2, schema=SCHEMA)), ComplEx(2), 8),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_changes_nothing_and_is_nobodys_answer(name):
    network = NETWORKS[name]
    params, state = network.init(jax.random.key(0))
    padded = ga.graphs.pad(GRAPH, ga.graphs.Budget(14, 30, 2))
    features = np.where(padded.layout.node_mask[:, None], padded.nodes.features, np.nan)
    padded = padded._replace(nodes=dataclasses.replace(padded.nodes, features=features))

    def loss(params, graph):
        scores = network.apply(params, state, LinkGraph(graph, QUERIES)).prediction
        scores = [scores[0], *(s[:, :11] for s in scores[1:])]
        return sum(jnp.sum(jnp.sin(s)) for s in scores), scores

    run = jax.jit(jax.value_and_grad(loss, has_aux=True))
    for want, found in zip(*(jax.tree.leaves(run(params, g)) for g in (GRAPH, padded))):
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)
    every = network.apply(params, state, LinkGraph(padded, QUERIES[1])).prediction
    assert (every[:, 11:] == jnp.finfo(jnp.float32).min).all()


def test_it_is_its_parts():
    network = NETWORKS["rgcn"]
    params, state = network.init(jax.random.key(0))
    states = network.encoder.apply(params.encoder, state, GRAPH).prediction
    want = network.decoder.apply(params.decoder, states, LINKS)
    found = network.apply(params, state, LinkGraph(GRAPH, LINKS)).prediction
    np.testing.assert_array_equal(found, want)


def test_dropout_and_attention():
    network = NETWORKS["rgcn"]
    params, state = network.init(jax.random.key(0))
    batch = LinkGraph(GRAPH, LINKS)

    def run(**options):
        return network.apply(params, state, batch, training=True, **options).prediction

    one, two, other = (run(key=jax.random.key(k)) for k in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert abs(one - other).max() > 1e-4
    with pytest.raises(ValueError, match=r"dropout=0\.5 needs key="):
        run()
    hgt = NETWORKS["hgt"]
    params, state = hgt.init(jax.random.key(0))
    out = hgt.apply(params, state, LinkGraph(GRAPH, LINKS))
    assert out.attention[0].weights.shape == (24, 2)


@pytest.mark.parametrize("name", NETWORKS)
def test_kept_and_wrapped(name, tmp_path):
    network, batch = NETWORKS[name], LinkGraph(GRAPH, LINKS)
    params, state = network.init(jax.random.key(0))
    ga.models.save(tmp_path / "links.npz", network, params, state)
    again, *arrays = ga.models.load(tmp_path / "links.npz")
    assert again == network
    want = network.apply(params, state, batch).prediction
    np.testing.assert_array_equal(again.apply(*arrays, batch).prediction, want)
    module = ga.modules.linen.Network(network)
    found = module.apply(ga.modules.linen.from_params(params, state), batch)
    np.testing.assert_allclose(found, want, rtol=1e-6)


def test_it_learns_which_links_there_are():
    """Two groups that link within themselves."""
    group = np.arange(12) % 2
    senders, receivers = np.nonzero((group[:, None] == group[None]) & ~np.eye(12, dtype=bool))
    nodes = {"n": 12}
    graph = ga.graphs.from_types(nodes, {("n", "like", "n"): (senders, receivers)})
    split = ga.links.split_links(graph, (0.7, 0.0, 0.3), seed=0, supervision=0.0)
    index = ga.links.index_links(graph, self_links=False)
    inputs = ga.models.TypedInputs.of(graph)
    layer = ga.message_passing.RGCN(schema=ga.graphs.schema_of(graph))
    network = LinkNetwork(ga.models.TypedNetwork(inputs, (layer,), width=8), DotProduct(), 8)
    batches = ga.links.LinkBatches(split.train.graph, seed=0, index=index, negatives=4, hide=0.5)

    def loss_fn(params, batch, key):
        both = LinkGraph(batch.graph, (batch.links, batch.negatives))
        positives, negatives = network.apply(params, None, both, training=True, key=key).prediction
        return ga.losses.negative_sampling(
            positives, negatives, where=batch.where, negatives_where=batch.negatives_where
        )

    optimizer = ga.training.make_optimizer(0.03)
    params, _ = network.init(jax.random.key(0))
    state = ga.training.init_train_state(params, optimizer, jax.random.key(1))
    step = ga.training.make_train_step(loss_fn, optimizer)
    result = ga.training.fit(state, step, batches, num_steps=40)

    def mrr(params):
        test = ga.graphs.prepare(split.test.graph)
        pairs = []
        for query in ga.links.ranking_batches(split.test.links, index, 9):
            scores = network.apply(params, None, LinkGraph(test, query.links)).prediction
            ranks = ga.metrics.ranks(scores, query.answers, where=query.candidates)
            pairs.append(ga.metrics.reciprocal_rank(ranks, where=query.where))
        return ga.metrics.mean_from_sums(pairs)

    assert mrr(params) < 0.75 < 0.95 < mrr(result.state.params)


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="encoder must be a Network such as"):
        LinkNetwork(ga.attention.GAT(3), DotProduct(), 8)
    with pytest.raises(ValueError, match="decoder must be a Decoder such as"):
        LinkNetwork(encoder(), "distmult", 8)
    wide = LinkNetwork(encoder(), DotProduct(), 9)
    params, state = wide.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"encoder must give states \[N, 9\], got \(11, 8\)"):
        wide.apply(params, state, LinkGraph(GRAPH, LINKS))
    with pytest.raises(ValueError, match=r"graph must be a ga\.models\.LinkGraph"):
        wide.apply(params, state, GRAPH)
