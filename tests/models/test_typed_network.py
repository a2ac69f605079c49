"""Networks of typed graphs: inputs by type, any layers, padding, keeping."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import models
from graphattn_jax.attention import GAT, HAN, HGT, GraphTransformer, SimpleHGN
from graphattn_jax.message_passing import RGCN

EDGES = {
    ("author", "writes", "paper"): ([0, 1, 1, 2], [0, 1, 2, 4]),
    ("paper", "cites", "paper"): ([0, 1, 2], [1, 2, 3]),
    ("paper", "at", "venue"): ([0, 1, 2, 3, 4], [0, 0, 1, 1, 0]),
}


def typed_graph(seed=0):
    rng = np.random.default_rng(seed)
    nodes = {
        "author": rng.normal(size=(3, 2)).astype(np.float32),
        "paper": rng.normal(size=(5, 4)).astype(np.float32),
        "venue": 2,
    }
    return ga.graphs.from_types(nodes, EDGES, reverse=True)


GRAPH = typed_graph()
SCHEMA, INPUTS = ga.graphs.schema_of(GRAPH), models.TypedInputs.of(GRAPH)


def network(*layers, **options):
    return models.TypedNetwork(INPUTS, layers, **{"width": 8, "out_features": 3} | options)


CASES = {
    "hgt": network(HGT(heads=2, schema=SCHEMA), activation="identity", dropout=0.2),
    "rgcn": network(RGCN(6, schema=SCHEMA), RGCN(3, schema=SCHEMA), out_features=None),
    "simple-hgn": network(*[SimpleHGN(heads=2, schema=SCHEMA)] * 2, unit_output=True),
    "mixed": network(
        GAT(4, 2),
        HAN(3, 2, schema=SCHEMA),
        GraphTransformer(heads=2, output=8),
        RGCN(schema=SCHEMA),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_padding_dropout_attention_and_keeping(name, tmp_path):
    net = CASES[name]
    params, state = net.init(jax.random.key(0))
    assert state is None
    out = jax.jit(net.apply)(params, None, ga.graphs.prepare(GRAPH))
    assert out.prediction.shape == (10, 3) and len(out.attention) == len(net.layers)
    plain = net.apply(params, None, GRAPH).prediction
    np.testing.assert_allclose(out.prediction, plain, rtol=1e-4, atol=1e-5)
    padded = ga.graphs.pad(GRAPH, ga.graphs.Budget(16, 40, 2))
    got = jax.jit(net.apply)(params, None, padded).prediction[:10]
    np.testing.assert_allclose(got, plain, rtol=1e-4, atol=1e-5)
    if net.unit_output:
        np.testing.assert_allclose(jnp.linalg.norm(plain, axis=1), 1, rtol=1e-5)
    models.save(tmp_path / "net.npz", net, params, state)
    kept, *arrays = models.load(tmp_path / "net.npz")
    assert kept == net
    again = kept.apply(*arrays, GRAPH).prediction
    np.testing.assert_array_equal(again, plain)
    if net.dropout:
        with pytest.raises(ValueError, match="needs key= in training"):
            net.apply(params, None, GRAPH, training=True)


def test_inputs_are_maps_by_type_and_vectors_of_nodes():
    params = INPUTS.init(jax.random.key(0), 8)
    assert params.features.shape == (3, 4, 8) and params.embedding.shape == (2, 8)
    assert not params.features[0, 2:].any() and not params.features[2].any()
    x = INPUTS.apply(params, GRAPH)
    np.testing.assert_allclose(
        x[:3], GRAPH.nodes.features[:3, :2] @ params.features[0, :2], rtol=1e-5
    )
    np.testing.assert_allclose(x[3:8], GRAPH.nodes.features[3:8] @ params.features[1], rtol=1e-5)
    np.testing.assert_array_equal(x[8:], params.embedding)
    inductive = replace(INPUTS, missing="zero")
    params = inductive.init(jax.random.key(0), 8)
    assert params.embedding is None and not inductive.apply(params, GRAPH)[8:].any()


def test_degrees_stand_for_what_types_without_features_lack():
    """Σ_φ log(1 + d) u_φ of the venues, with a layout, without one and padded."""
    inputs = replace(INPUTS, missing="degree")
    params = inputs.init(jax.random.key(0), 8)
    assert params.embedding is None
    at = SCHEMA.relation_id("at")
    want = np.log([4.0, 3.0])[:, None] * np.asarray(params.degree)[at]
    budget = ga.graphs.Budget(16, 40, 2)
    for graph in (GRAPH, ga.graphs.prepare(GRAPH), ga.graphs.pad(GRAPH, budget)):
        x = jax.jit(inputs.apply)(params, graph)
        np.testing.assert_allclose(x[8:10], want, rtol=1e-5)
        np.testing.assert_allclose(x[:8], INPUTS.apply(params, GRAPH)[:8], rtol=1e-5)


def test_categories_are_vectors_by_type_and_column():
    encoded = ga.graphs.EncodedColumns
    rows = {
        "author": encoded(None, np.array([[1, 0], [2, 1], [0, 1]], np.int32), (3, 2)),
        "paper": encoded(np.ones((5, 4), np.float32), np.arange(5, dtype=np.int32)[:, None], (5,)),
        "venue": 2,
    }
    graph = ga.graphs.from_types(rows, EDGES, reverse=True)
    inputs = models.TypedInputs.of(graph)
    assert inputs.vocabularies == ((3, 2), (5,), ())
    params = inputs.init(jax.random.key(0), 8)
    assert params.categories.shape == (10, 8) and params.embedding.shape == (2, 8)
    x, of = jax.jit(inputs.apply)(params, ga.graphs.prepare(graph)), params.categories
    np.testing.assert_allclose(x[:3], of[jnp.array([1, 2, 0])] + of[3 + jnp.array([0, 1, 1])])
    np.testing.assert_allclose(x[3:8], params.features[1].sum(0)[None] + of[5:10], rtol=1e-5)
    np.testing.assert_array_equal(x[8:], params.embedding)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(16, 40, 2))
    gradient = jax.jit(jax.grad(lambda p, g: jnp.sum(inputs.apply(p, g)[:10] ** 2)))
    whole, part = gradient(params, graph), gradient(params, with_nan_in_padding(padded))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), whole, part)
    with pytest.raises(
        ValueError, match=r"must have vocabularies \(\(3, 2\), \(5,\), \(\)\) per type"
    ):
        inputs.apply(params, GRAPH._replace(nodes=replace(GRAPH.nodes, widths=inputs.widths)))


def with_nan_in_padding(graph):
    real = np.asarray(graph.layout.node_mask)[:, None]
    return graph._replace(
        nodes=replace(graph.nodes, features=np.where(real, graph.nodes.features, np.nan))
    )


def test_simple_hgn_takes_up_the_weights_of_the_layer_before():
    net = CASES["simple-hgn"]
    params, _ = net.init(jax.random.key(0))
    one, two = net.apply(params, None, GRAPH).attention
    alone = replace(net, layers=(replace(net.layers[0], attention_residual=0.0),) * 2)
    own = alone.apply(params, None, GRAPH).attention
    np.testing.assert_allclose(one.weights, own[0].weights, rtol=1e-5)
    mixed = 0.95 * own[1].weights + 0.05 * one.weights
    np.testing.assert_allclose(two.weights, mixed, rtol=1e-4, atol=1e-6)


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match=r"inputs must be ga.models.TypedInputs"):
        models.TypedNetwork(4, (RGCN(schema=SCHEMA),))
    with pytest.raises(ValueError, match="layers must be a tuple of layers"):
        models.TypedNetwork(INPUTS, [RGCN(schema=SCHEMA)])
    with pytest.raises(ValueError, match="counts must have an entry for each of 3 types"):
        models.TypedInputs(SCHEMA, (1, 2, 3), (1,))
    other = ga.graphs.from_types({"page": 2}, {("page", "links", "page"): ([0], [1])})
    params, _ = CASES["rgcn"].init(jax.random.key(0))
    with pytest.raises(ValueError, match="must have the 3 types of schema, got 1"):
        CASES["rgcn"].apply(params, None, other)
