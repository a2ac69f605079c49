"""Symmetry within a relation and its reverse: every treatment, in every layer that takes it; a bias by relation."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_typed_layers import COUNTS, RELATIONS, WIDTH

import graphattn_jax as ga
from graphattn_jax.attention import HAN, HGT, RGAT, RelativeBias, Shared, Symmetrized
from graphattn_jax.ops import PostHoc, Sigmoid, Sinkhorn, Symmetric

KEY = jax.random.key(0)


def symmetric_graph(seed, density=0.5, counts=COUNTS):
    """Every edge has one of the reverse relation."""
    rng = np.random.default_rng(seed)
    nodes = {t: rng.normal(size=(n, WIDTH)).astype(np.float32) for t, n in counts.items()}
    edges = {
        r: np.argwhere(rng.random((counts[r[0]], counts[r[2]])) < density).T for r in RELATIONS
    }
    return ga.graphs.prepare(ga.graphs.from_types(nodes, edges, reverse=True))


GRAPH = symmetric_graph(0)
SCHEMA = ga.graphs.schema_of(GRAPH)
REVERSE = np.asarray(GRAPH.layout.reverse)
FEW = Sinkhorn(iterations=60)
LAYERS = {
    **{
        f"{name}-{type(normalizer).__name__}": replace(layer, normalizer=normalizer)
        for name, layer in {
            "hgt": HGT(heads=2, schema=SCHEMA),
            "rgat": RGAT(3, 2, schema=SCHEMA),
            "rgat-within": RGAT(3, 2, schema=SCHEMA, within=True),
            "han": HAN(3, 2, schema=SCHEMA),
        }.items()
        for normalizer in (PostHoc(), Symmetric(), FEW)
    },
    # The score alone: gates are symmetric where logits are.
    "hgt-shared": HGT(heads=2, schema=SCHEMA, score=Shared(), normalizer=Sigmoid()),
    "hgt-symmetrized": HGT(heads=2, schema=SCHEMA, score=Symmetrized(), normalizer=Sigmoid()),
    "han-shared": HAN(3, 2, schema=SCHEMA, score=Shared(), normalizer=Sigmoid()),
    "han-symmetrized": HAN(3, 2, schema=SCHEMA, score=Symmetrized(), normalizer=Sigmoid()),
    "rgat-within-symmetrized": RGAT(
        3, 2, schema=SCHEMA, within=True, score=Symmetrized(), normalizer=Sigmoid()
    ),
}
BIASED = RelativeBias(LAYERS["han-shared"], 3, SCHEMA, symmetric=True)
each_layer = pytest.mark.parametrize("name", LAYERS)


def noisy(layer):
    leaves, structure = jax.tree.flatten(layer.init(KEY, WIDTH))
    keys = jax.random.split(jax.random.key(1), len(leaves))
    return structure.unflatten(
        [x + 0.3 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)]
    )


def weights_of(layer, graph=GRAPH):
    return np.asarray(jax.jit(layer.apply)(noisy(layer), graph).attention.weights)


def test_every_edge_has_its_partner_of_the_reverse_relation():
    relation = np.asarray(GRAPH.edges.relation)
    assert (REVERSE >= 0).all()
    np.testing.assert_array_equal(np.array(SCHEMA.reverses)[relation], relation[REVERSE])
    np.testing.assert_array_equal(GRAPH.senders[REVERSE], GRAPH.receivers)


@each_layer
def test_weights_of_an_edge_and_the_one_back_are_equal(name):
    weights = weights_of(LAYERS[name])
    np.testing.assert_allclose(weights, weights[REVERSE], rtol=1e-5, atol=1e-7)
    assert np.ptp(weights) > 1e-3


@pytest.mark.parametrize("name", ["han-Sinkhorn", "rgat-within-Sinkhorn"])
def test_sinkhorn_within_a_relation_sums_to_one_at_both_ends(name):
    """As many nodes of each type, and all pairs: there is such a matrix."""
    graph = symmetric_graph(0, 1.0, dict.fromkeys(COUNTS, 4))
    weights = weights_of(LAYERS[name], graph)
    relation = np.asarray(graph.edges.relation)
    for ends in (graph.receivers, graph.senders):
        total = np.zeros((len(SCHEMA.relations), 12, 2))
        np.add.at(total, (relation, np.asarray(ends)), weights)
        np.testing.assert_allclose(total[total > 0], 1, atol=1e-3)


def test_without_a_treatment_they_are_not():
    for layer in (HGT(heads=2, schema=SCHEMA), HAN(3, 2, schema=SCHEMA), RGAT(3, 2, schema=SCHEMA)):
        weights = weights_of(replace(layer, normalizer=Sigmoid()))
        assert np.abs(weights - weights[REVERSE]).max() > 1e-3


@pytest.mark.parametrize("num_buckets", [1, 3])
def test_a_bias_by_relation_is_that_of_its_relation_and_symmetric_if_asked(num_buckets):
    buckets = (np.asarray(GRAPH.senders) + np.asarray(GRAPH.receivers)).astype(
        np.int32
    ) % num_buckets
    edges = GRAPH.edges if num_buckets == 1 else GRAPH.edges._replace(buckets=buckets)
    graph = GRAPH._replace(edges=edges)
    layer = replace(BIASED, num_buckets=num_buckets)
    params = noisy(layer)
    assert params.table.shape == (len(SCHEMA.relations), num_buckets, 2)
    got = layer.apply(params, graph).attention
    np.testing.assert_allclose(got.weights, got.weights[REVERSE], rtol=1e-5)
    one_way = replace(layer, symmetric=False).apply(params, graph).attention.logits
    plain = layer.layer.apply(params.layer, graph).attention.logits
    table = np.asarray(params.table)
    want = table[np.asarray(GRAPH.edges.relation), buckets]
    np.testing.assert_allclose(one_way - plain, want, rtol=1e-4, atol=1e-5)
    assert jnp.abs(one_way - one_way[REVERSE]).max() > 1e-2


def test_padding_takes_any_bucket_and_what_does_not_fit_is_said():
    params = noisy(BIASED)
    plain = ga.graphs.GraphsTuple(*GRAPH)
    plain = plain._replace(edges=plain.edges._replace(buckets=np.zeros(len(REVERSE), np.int32)))
    padded = ga.graphs.pad(plain, ga.graphs.Budget(16, 80, 2))
    out, want = (BIASED.apply(params, g).graph.nodes.features for g in (padded, plain))
    np.testing.assert_allclose(out[:10], want, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="must hold the bucket of every edge"):
        BIASED.apply(params, GRAPH)
    with pytest.raises(ValueError, match="symmetric=True is for a table per relation"):
        RelativeBias(BIASED.layer, 3, symmetric=True)
    bad = plain._replace(edges=plain.edges._replace(buckets=np.full(len(REVERSE), 3)))
    with pytest.raises(ValueError, match=r"buckets must lie in \[0, 3\)"):
        BIASED.apply(params, bad)
