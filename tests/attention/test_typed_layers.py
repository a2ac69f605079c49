"""What every layer of typed graphs promises."""

from dataclasses import replace

import _typed_dense as dense
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import nn, testing
from graphattn_jax.attention import HAN, HGT, RGAT, Shared, SimpleHGN, Symmetrized
from graphattn_jax.message_passing import RGCN
from graphattn_jax.ops import PostHoc, Symmetric

WIDTH, EDGE_WIDTH = 4, 3
COUNTS = {"author": 3, "paper": 5, "venue": 2}
RELATIONS = (("author", "writes", "paper"), ("paper", "cites", "paper"), ("paper", "at", "venue"))


def typed_graph(seed, counts=COUNTS, **options):
    """Distinct edges, reverse relations, edge features and times."""
    rng = np.random.default_rng(seed)
    nodes = {t: rng.normal(size=(n, WIDTH)).astype(np.float32) for t, n in counts.items()}
    edges, features, time = {}, {}, {}
    for relation in RELATIONS:
        source, _, target = relation
        edges[relation] = np.argwhere(rng.random((counts[source], counts[target])) < 0.4).T
        number = edges[relation].shape[1]
        features[relation] = rng.normal(size=(number, EDGE_WIDTH)).astype(np.float32)
        time[relation] = rng.integers(3, size=number).astype(np.float32)
    return ga.graphs.from_types(
        nodes, edges, edge_features=features, edge_time=time, reverse=True, **options
    )


GRAPH = typed_graph(0)
SCHEMA = ga.graphs.schema_of(GRAPH)
NO_TIME = GRAPH._replace(edges=GRAPH.edges._replace(time=None))

LAYERS = {
    "hgt": HGT(heads=2, schema=SCHEMA),
    "hgt-norm-wide": HGT(3, 2, schema=SCHEMA, features=5, norm=True),
    "hgt-edges": HGT(heads=2, schema=SCHEMA),
    "hgt-time": HGT(heads=2, schema=SCHEMA, relative_time=True),
    "hgt-shared-symmetric": HGT(heads=2, schema=SCHEMA, score=Shared(), normalizer=Symmetric()),
    "hgt-symmetrized-post-hoc": HGT(
        heads=2, schema=SCHEMA, score=Symmetrized(), normalizer=PostHoc(), use_bias=False
    ),
    "rgcn": RGCN(3, schema=SCHEMA),
    "rgcn-sum": RGCN(3, schema=SCHEMA, reduce="sum", root=False, use_bias=False),
    "rgcn-basis": RGCN(3, schema=SCHEMA, sharing=nn.Basis(2)),
    "rgcn-low-rank": RGCN(3, schema=SCHEMA, sharing=nn.LowRank(2)),
    "rgcn-clusters": RGCN(3, schema=SCHEMA, sharing=nn.Clusters(2)),
    "rgat": RGAT(3, 2, schema=SCHEMA),
    "rgat-within": RGAT(3, 2, schema=SCHEMA, within=True, concat=False),
    "rgat-symmetric": RGAT(3, 2, schema=SCHEMA, score=Symmetrized(), normalizer=Symmetric()),
    "rgcn-routing": RGCN(3, schema=SCHEMA, fusion=nn.Routing(5, 0.5)),
    "han": HAN(3, 2, schema=SCHEMA, fusion=nn.SemanticAttention(5)),
    "han-routing-top": HAN(3, 2, schema=SCHEMA, fusion=nn.Routing(5, top=1)),
    "han-transformer": HAN(4, 2, schema=SCHEMA, fusion=nn.TransformerFusion(2)),
    "han-shared-symmetric": HAN(
        3, 2, schema=SCHEMA, score=Shared(), normalizer=Symmetric(), fusion=nn.SemanticAttention(5)
    ),
    "rgat-within-post-hoc": RGAT(3, 2, schema=SCHEMA, within=True, normalizer=PostHoc()),
    "simple-hgn": SimpleHGN(3, 2, schema=SCHEMA, relation_width=4),
    "simple-hgn-mean": SimpleHGN(3, 2, schema=SCHEMA, relation_width=4, root=False, concat=False),
}
DENSE = {
    HGT: dense.hgt,
    RGCN: dense.rgcn,
    RGAT: dense.rgat,
    HAN: dense.han,
    SimpleHGN: dense.simple_hgn,
}
KEY = jax.random.key(0)
each_layer = pytest.mark.parametrize("name", LAYERS)


def params_of(name):
    """With noise: biases, priors and gates start at constants, which would hide them."""
    edge_features = EDGE_WIDTH if "edges" in name else None
    params = LAYERS[name].init(jax.random.key(0), WIDTH, edge_features)
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noisy = [x + 0.3 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)]
    return structure.unflatten(noisy)


def given(name, graph=GRAPH):
    return graph if "time" in name else graph._replace(edges=graph.edges._replace(time=None))


def needs_layout(name):
    layer = LAYERS[name]
    score, normalizer = getattr(layer, "score", None), getattr(layer, "normalizer", None)
    return getattr(score, "is_symmetrized", False) or getattr(normalizer, "is_constraint", False)


def run(name):
    """`layer(params, graph)` with arrays for nodes, as the assertions take it."""

    def layer(params, graph):
        out = LAYERS[name].apply(params, graph)
        nodes = out.graph.nodes.features
        return graph._replace(nodes=nodes), out.attention and out.attention.weights

    return layer


@each_layer
def test_equals_its_equation_edge_by_edge(name):
    graph, params = given(name), params_of(name)
    want, weights = DENSE[type(LAYERS[name])](LAYERS[name], params, graph)
    for g in (ga.graphs.prepare(graph), *([] if needs_layout(name) else [graph])):
        got = jax.jit(LAYERS[name].apply)(params, g)
        np.testing.assert_allclose(got.graph.nodes.features, want, rtol=1e-4, atol=1e-5)
        if weights is not None:
            np.testing.assert_allclose(got.attention.weights, weights, rtol=1e-4, atol=1e-6)


@each_layer
def test_gradients_without_and_with_layout(name):
    """Of parameters and features; and second ones are finite."""
    graph, params = given(name), params_of(name)

    def loss(params, x, graph):
        nodes = replace(graph.nodes, features=x)
        out = LAYERS[name].apply(params, graph._replace(nodes=nodes)).graph.nodes.features
        return jnp.vdot(out, jnp.sin(jnp.arange(out.size)).reshape(out.shape))

    gradient = jax.jit(jax.grad(loss, (0, 1)))
    x, prepared = graph.nodes.features, ga.graphs.prepare(graph)
    got = gradient(params, x, prepared)
    if not needs_layout(name):
        want = gradient(params, x, graph)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), got, want)
    # A step along the gradient changes the loss by its square.
    step, square = 1e-3, sum(float(jnp.vdot(g, g)) for g in jax.tree.leaves(got))
    size = step / np.sqrt(square)
    forth, back = (
        loss(*jax.tree.map(lambda a, g, s=s: a + s * g, (params, x), got), prepared)
        for s in (size, -size)
    )
    np.testing.assert_allclose((forth - back) / (2 * size), square, rtol=2e-2)
    second = jax.jit(jax.grad(lambda p: optax_norm(jax.grad(loss)(p, x, prepared))))(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(second))


def optax_norm(tree):
    return sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(tree))


@each_layer
def test_invariances(name):
    """Names of nodes, order of edges, padding; one graph of a batch is as it is alone."""
    graph, params, layer = ga.graphs.prepare(given(name)), params_of(name), run(name)
    testing.assert_permutation_equivariant(layer, params, graph, rtol=1e-4, atol=1e-5)
    testing.assert_edge_order_invariant(layer, params, graph, rtol=1e-4, atol=1e-5)
    testing.assert_padding_invariant(layer, params, graph, rtol=1e-4, atol=1e-5)
    other = typed_graph(1, {"author": 2, "paper": 3, "venue": 2})
    other = replace_static(given(name, other), graph)
    testing.assert_batch_invariant(layer, params, [given(name), other], rtol=1e-4, atol=1e-5)


def replace_static(graph, like):
    """Parts of one whole: a batch has one number of nodes of each type."""
    return graph._replace(nodes=replace(graph.nodes, counts=like.nodes.counts))


@each_layer
def test_a_node_that_is_not_finite_reaches_those_who_hear_it(name):
    graph, params = given(name), params_of(name)
    features = np.array(graph.nodes.features)
    features[0] = np.nan  # an author
    bad = graph._replace(nodes=replace(graph.nodes, features=features))
    out = jax.jit(LAYERS[name].apply)(params, ga.graphs.prepare(bad)).graph.nodes.features
    hears = set(graph.receivers[graph.senders == 0].tolist()) | {0}
    heard = set(np.flatnonzero(~np.isfinite(np.asarray(out)).all(axis=1)).tolist())
    if isinstance(getattr(LAYERS[name], "fusion", None), nn.SemanticAttention):
        # its weights over relations are a mean over all nodes of a type
        hears = set(np.flatnonzero(np.isin(graph.nodes.type, (0, 1))).tolist())
    if needs_layout(name):  # rows and columns of a symmetric constraint
        hears |= set(graph.receivers[np.isin(graph.senders, list(hears))].tolist())
    assert len(heard) > 0 and heard <= hears


@each_layer
def test_no_edges_low_precision_and_dropout(name):
    params, layer = params_of(name), LAYERS[name]
    nothing = {relation: ([], []) for relation in RELATIONS}
    features = {r: np.zeros((0, EDGE_WIDTH), np.float32) for r in RELATIONS}
    time = {r: np.zeros(0, np.float32) for r in RELATIONS}
    nodes = {t: np.ones((n, WIDTH), np.float32) for t, n in COUNTS.items()}
    empty = ga.graphs.from_types(
        nodes, nothing, edge_features=features, edge_time=time, reverse=True
    )
    empty = given(name, empty)
    for graph in (ga.graphs.prepare(empty), *([] if needs_layout(name) else [empty])):
        assert np.isfinite(layer.apply(params, graph).graph.nodes.features).all()
    graph = ga.graphs.prepare(given(name))
    half = graph._replace(
        nodes=replace(graph.nodes, features=jnp.asarray(graph.nodes.features, jnp.bfloat16)),
        edges=graph.edges._replace(features=jnp.asarray(graph.edges.features, jnp.bfloat16)),
    )
    full, low = (layer.apply(params, g).graph.nodes.features for g in (graph, half))
    assert low.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(low, np.float32), full, rtol=0.1, atol=0.1)
    if hasattr(layer, "dropout"):
        drops = replace(layer, dropout=0.5)
        outs = [
            drops.apply(params, graph, training=True, key=jax.random.key(k)).graph.nodes.features
            for k in (0, 0, 1)
        ]
        np.testing.assert_array_equal(outs[0], outs[1])
        assert not np.allclose(outs[0], outs[2])
        with pytest.raises(ValueError, match="needs key= in training"):
            drops.apply(params, graph, training=True)


def one_type(seed=0):
    plain = testing.random_graph(seed, 7, 16, WIDTH)
    ends = {("node", "to", "node"): (plain.senders, plain.receivers)}
    return plain, ga.graphs.prepare(ga.graphs.from_types({"node": plain.nodes}, ends))


def test_hgt_of_one_type_and_identity_relations_is_the_graph_transformer():
    plain, typed = one_type()
    schema = ga.graphs.schema_of(typed)
    layer, own = HGT(heads=2, schema=schema), ga.attention.GraphTransformer(heads=2)
    q = own.init(jax.random.key(0), WIDTH)
    flat = [w.reshape(1, WIDTH, -1) for w in (q.query_weight, q.key_weight, q.value_weight)]
    bias = jnp.zeros((1, WIDTH))
    params = layer.init(jax.random.key(1), WIDTH)
    eye = jnp.broadcast_to(jnp.eye(2), (1, 2, 2, 2))
    params = params._replace(
        **{n: nn.TypedLinearParams(w, bias) for n, w in zip(("query", "key", "value"), flat)},
        relation_key=eye,
        relation_value=eye,
        output=nn.TypedLinearParams(jnp.eye(WIDTH)[None], bias),
        skip=jnp.full(1, 30.0),
    )
    want = own.apply(q, plain)
    got = layer.apply(params, typed)
    np.testing.assert_allclose(got.attention.weights, want.attention.weights, rtol=1e-5)
    message = jax.nn.gelu(want.graph.nodes, approximate=False)
    np.testing.assert_allclose(got.graph.nodes.features, message, rtol=1e-4, atol=1e-6)


def test_han_of_one_relation_is_gat_and_rgat_likewise():
    plain, typed = one_type()
    schema = ga.graphs.schema_of(typed)
    gat = ga.attention.GAT(3, 2)
    q = gat.init(jax.random.key(0), WIDTH)
    want = gat.apply(q, plain).graph.nodes
    vectors = {n: getattr(q, n)[None] for n in ("receiver_vector", "sender_vector")}
    weight = q.weight.reshape(1, WIDTH, -1)
    han = HAN(3, 2, schema=schema)
    params = han.init(jax.random.key(1), WIDTH)._replace(
        projection=nn.TypedLinearParams(weight, jnp.zeros((1, 6))), **vectors
    )
    got = han.apply(params, typed).graph.nodes.features
    np.testing.assert_allclose(got, jax.nn.elu(want), rtol=1e-4, atol=1e-6)
    for within in (True, False):
        rgat = RGAT(3, 2, schema=schema, within=within)
        params = rgat.init(jax.random.key(1), WIDTH)._replace(weight=weight, **vectors)
        got = rgat.apply(params, typed).graph.nodes.features
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


def test_rgcn_with_as_many_bases_as_relations_is_the_full_one():
    relations, graph = len(SCHEMA.relations), ga.graphs.prepare(given("rgcn"))
    basis = RGCN(3, schema=SCHEMA, sharing=nn.Basis(relations))
    params = basis.init(jax.random.key(0), WIDTH)
    eye = params._replace(weight=nn.BasisParams(jnp.eye(relations), params.weight.bases))
    full = RGCN(3, schema=SCHEMA).apply(params._replace(weight=params.weight.bases), graph)
    np.testing.assert_allclose(
        basis.apply(eye, graph).graph.nodes.features, full.graph.nodes.features, rtol=1e-5
    )


def test_simple_hgn_mixes_the_weights_of_the_layer_before():
    layer, params = LAYERS["simple-hgn"], params_of("simple-hgn")
    layer, graph = replace(layer, attention_residual=0.25), ga.graphs.prepare(NO_TIME)
    before = jax.random.uniform(jax.random.key(2), (len(graph.senders), 2))

    def with_weights(weights):
        return graph._replace(edges=graph.edges._replace(weights=weights))

    own = layer.apply(params, graph)
    mixed = layer.apply(params, with_weights(before))
    np.testing.assert_allclose(mixed.graph.edges.weights, mixed.attention.weights)
    want = 0.75 * own.attention.weights + 0.25 * before
    np.testing.assert_allclose(mixed.attention.weights, want, rtol=1e-5)
    h = np.einsum("nd,dhc->nhc", graph.nodes.features, params.weight)
    heard = np.zeros_like(h)
    np.add.at(heard, graph.receivers, np.asarray(want)[:, :, None] * h[graph.senders])
    root = nn.linear(params.root, jnp.asarray(graph.nodes.features))
    got = mixed.graph.nodes.features
    np.testing.assert_allclose(got, heard.reshape(len(h), -1) + root, rtol=1e-4, atol=1e-5)
    twice = layer.apply(params, with_weights(jnp.ones((len(graph.senders), 3))))
    np.testing.assert_array_equal(twice.attention.weights, own.attention.weights)


def test_memory_has_no_row_for_every_node_and_relation():
    """With 40 relations, of which a node has few, no array of HGT is as large as N x R."""
    rng, nodes, relations, width = np.random.default_rng(0), 300, 40, 8
    ends = {("n", f"r{i}", "n"): rng.integers(nodes, size=(2, 15)) for i in range(relations)}
    x = rng.normal(size=(nodes, width)).astype(np.float32)
    graph = ga.graphs.prepare(ga.graphs.from_types({"n": x}, ends))
    layer = HGT(heads=2, schema=ga.graphs.schema_of(graph))
    params = layer.init(jax.random.key(0), width)

    def loss(params):
        return jnp.sum(layer.apply(params, graph).graph.nodes.features)

    compiled = jax.jit(jax.grad(loss)).lower(params).compile()
    peak = compiled.memory_analysis().temp_size_in_bytes
    assert peak < 4 * nodes * relations * width


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: HGT(heads=2, schema="paper"), "schema must be a ga.graphs.Schema"),
        (lambda: HGT(heads=2, schema=SCHEMA, score=ga.attention.Cosine()), "score of HGT must be"),
        (lambda: HAN(3, schema=SCHEMA, fusion="mean"), "fusion must be a value such as"),
        (lambda: RGCN(3, schema=SCHEMA, fusion=nn.Routing), "fusion must be a value such as"),
        (lambda: nn.Routing(temperature=0), "temperature must be a finite number, positive"),
        (
            lambda: HAN(3, 2, schema=SCHEMA, fusion=nn.TransformerFusion(2)).init(KEY, WIDTH),
            "the width of the tokens must be divisible by 4 heads",
        ),
        (lambda: RGCN(3, schema=SCHEMA, reduce="max"), "reduce must be one of"),
        (lambda: run("hgt")(params_of("hgt"), testing.random_graph(0, 3, 4, 4)), "must be typed"),
        (
            lambda: run("hgt")(params_of("hgt"), one_type()[1]),
            "3 types of schema, got 1, differing in author",
        ),
        (
            lambda: run("hgt-time")(params_of("hgt-time"), NO_TIME),
            "relative_time=True reads edges.time",
        ),
        (
            lambda: run("rgat-symmetric")(params_of("rgat-symmetric"), NO_TIME),
            "Fix: graph = ga.graphs.prepare",
        ),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()
