"""RelGT against its equations in NumPy, seed by seed; and what every network promises."""

from dataclasses import replace
from functools import partial
from math import erf

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import graphattn_jax as ga
from graphattn_jax.attention import HGT, GlobalAttention
from graphattn_jax.graphs import ALWAYS
from graphattn_jax.models import CentroidAttention, RelGT, TokenInputs, TypedInputs

K, HEADS, WIDTH = 5, 2, 8


def whole_graph():
    """Users without features, orders with some and with times, shops that were always there."""
    rng = np.random.default_rng(0)
    orders = rng.normal(size=(9, 3)).astype(np.float32)
    graph = ga.graphs.from_types(
        {"user": 4, "order": orders, "shop": 2},
        {
            ("order", "of", "user"): (np.arange(9), rng.integers(0, 4, 9)),
            ("order", "in", "shop"): (np.arange(9), rng.integers(0, 2, 9)),
        },
        reverse=True,
    )
    time = np.concatenate([np.zeros(4), np.arange(9) + 1, np.full(2, ALWAYS)]).astype(np.int32)
    return graph._replace(nodes=replace(graph.nodes, time=time))


GRAPH = whole_graph()
UNTIMED = GRAPH._replace(nodes=replace(GRAPH.nodes, time=None))
METHOD = ga.sampling.Tokens(K, fill=False)
SEEDS, TIMES = np.array([0, 5, 7, 2]), np.array([9, 4, 8, 0])
SAMPLER = ga.sampling.Sampler(
    GRAPH, METHOD, SEEDS, 5, times=TIMES, budgets=(ga.graphs.Budget(26, 64, 6),)
)
SAMPLE = SAMPLER(None, 0, 0)
STARTS = SAMPLE.seeds[:4]


def sample_of(chosen, order=None):
    """The sample of some of the seeds alone, their nodes as they are or in another order."""
    graph = ga.graphs.unpad(SAMPLE.graph)
    rows = np.flatnonzero(np.isin(np.repeat(np.arange(4), graph.n_node), chosen))
    part = ga.graphs.take(graph, chosen)
    order = np.arange(len(rows)) if order is None else order
    place = np.argsort(order).astype(np.int32)
    part = part._replace(
        nodes=jax.tree.map(lambda x: x[order], part.nodes),
        senders=place[part.senders],
        receivers=place[part.receivers],
    )

    def padded(x, length, fill=0):
        return np.concatenate([x, np.full(length - len(x), fill, x.dtype)])

    starts = (np.cumsum(part.n_node) - part.n_node).astype(np.int32)
    return SAMPLE._replace(
        graph=ga.graphs.pad(part, SAMPLER.budgets[0], block_size=K),
        seeds=padded(starts, 5, 25),
        seed_mask=np.arange(5) < len(chosen),
        times=padded(SAMPLE.times[chosen], 5),
        node_ids=padded(SAMPLE.node_ids[rows][order], 26, -1),
        hops=padded(SAMPLE.hops[rows][order], 26, -1),
    )


INPUTS = TokenInputs(TypedInputs.of(GRAPH), time_unit=2.0, layers=2)
NETWORK = RelGT(
    INPUTS,
    out_features=3,
    width=WIDTH,
    layer=GlobalAttention(heads=HEADS, output=True),
    num_layers=2,
    centroids=CentroidAttention(ga.nn.Codebook(6), HEADS),
    dropout=0.0,
)
DROPPED = replace(
    NETWORK,
    dropout=0.4,
    layer=replace(NETWORK.layer, dropout=0.4),
    centroids=replace(NETWORK.centroids, dropout=0.4),
)


def noisy(tree, seed=1):
    """Zeros and ones would hide what they are."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    return jax.tree.unflatten(
        structure, [x + 0.3 * jax.random.uniform(k, x.shape, x.dtype) for k, x in zip(keys, leaves)]
    )


PARAMS, STATE = noisy(NETWORK.init(jax.random.key(0)))


@jax.jit
def run(graph):
    return NETWORK.apply(PARAMS, STATE, graph)


@partial(jax.jit, static_argnums=0)
def train(network, graph, key):
    return network.apply(PARAMS, STATE, graph, training=True, key=key)


# --- the equations, in float64 and without the library --------------------------------------------------------


def linear(p, x):
    return x @ p.weight + (0 if p.bias is None else p.bias)


def mlp(p, x, act):
    for layer in p.layers[:-1]:
        x = act(linear(layer, x))
    return linear(p.layers[-1], x)


def relu(x):
    return np.maximum(x, 0)


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2)))


def norm(x, p=None):
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return y if p is None else y * p.scale + p.bias


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def row(tree, i):
    return jax.tree.map(lambda x: x[i], tree)


def reference(params, state, sample, draw=0):
    """Predictions of all seeds, each alone, and the queries of the codebook."""
    params, state = jax.tree.map(lambda x: np.asarray(x, np.float64), (params, state))
    sizes = sample.graph.n_node[:4]
    return np.stack(
        [
            one_seed(params, state, sample, np.arange(start, start + n), draw)
            for start, n in zip(STARTS, sizes)
        ]
    )


def one_seed(params, state, sample, rows, draw):
    graph, ids = sample.graph, sample.node_ids[rows]
    nodes, t = row(graph.nodes, rows), params.tokens
    n, first = len(rows), rows[0]
    vectors = {0: 0, 2: 4}  # where those of users and of shops begin
    features = np.stack(
        [
            t.features.bias[k]
            + (x[:3] @ t.features.features[1] if k == 1 else t.features.embedding[vectors[k] + i])
            for k, i, x in zip(nodes.type, nodes.index, nodes.features)
        ]
    )

    def number(node):
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(draw), ids[0]), node)
        return float(jax.random.normal(key))

    z = np.array([number(node) for node in ids])
    h = linear(t.structure.input, z[:, None])
    adjacency = np.zeros((n, n))
    for a, b in zip(graph.senders, graph.receivers):
        if a in rows:
            adjacency[b - first, a - first] += 1
    for i in range(2):
        own, running = row(t.structure.layers, i), row(state.tokens, i)
        moved = mlp(own.mlp, (1 + own.epsilon) * h + adjacency @ h, relu)
        moved = (moved - running.mean) / np.sqrt(running.var + 1e-5) * own.norm.scale
        h = h + relu(moved + own.norm.bias)
    since = sample.times[np.flatnonzero(first == STARTS)[0]] - nodes.time.astype(np.int64)
    waves = np.array(
        [
            [
                (np.cos if k % 2 else np.sin)(t_i / 2.0 * 10000 ** (-2 * (k // 2) / WIDTH))
                for k in range(WIDTH)
            ]
            for t_i in since
        ]
    ) / np.sqrt(WIDTH)
    when = np.where(nodes.time[:, None] == ALWAYS, t.timeless, linear(t.time, waves))
    parts = (
        t.type.tables[0][nodes.type],
        t.hop.tables[0][sample.hops[rows]],
        features,
        linear(t.structure.output, h),
        when,
    )
    tokens = x = mlp(t.mixture, np.concatenate([norm(p) for p in parts], axis=1), relu)
    for i in range(2):
        own = row(params.blocks, i)
        y = norm(x, own.attention_norm)
        x = x + multi_head(own.attention, y)
        y = norm(x, own.feed_forward_norm)
        x = x + mlp(own.feed_forward, y, gelu)
    x = norm(x, params.block_norm)
    # As in the paper, with the part of the seed that drops out.
    w = np.concatenate([np.full(WIDTH, 0.7), params.readout])
    local = x[0].copy()
    if n > 1:
        scores = np.array([w @ np.concatenate([x[0], x[j]]) for j in range(1, n)])
        local += softmax(scores) @ x[1:]
    c = params.centroids
    book = state.centroids
    centroids = book.code * np.sqrt(book.norm.var + 1e-5) + book.norm.mean
    query = linear(c.query, linear(c.place, tokens[0]))
    key, value = linear(c.key, centroids), linear(c.value, centroids)
    heard = []
    for head in np.split(np.arange(WIDTH), HEADS):
        logits = key[:, head] @ query[head] / np.sqrt(WIDTH / HEADS) + np.log(book.count)
        heard.append(softmax(logits) @ value[:, head])
    halves = [norm(local, params.local_norm), norm(np.concatenate(heard), params.global_norm)]
    return mlp(params.head, mlp(params.feed_forward, np.concatenate(halves), gelu), relu)


def multi_head(p, x):
    out = []
    for h in range(HEADS):
        q, k, v = (
            x @ w[:, h] + b[h]
            for w, b in (
                (p.query_weight, p.query_bias),
                (p.key_weight, p.key_bias),
                (p.value_weight, p.value_bias),
            )
        )
        out.append(softmax(q @ k.T / np.sqrt(WIDTH / HEADS)) @ v)
    return linear(p.output, np.concatenate(out, axis=1))


# --- values ---------------------------------------------------------------------------------------------------


def test_it_is_its_equations():
    assert SAMPLE.graph.n_node[3] < K  # so that a set is shorter than the others
    want = reference(PARAMS, STATE, SAMPLE)
    assert np.ptp(want, axis=0).min() > 0.01
    np.testing.assert_allclose(run(SAMPLE).prediction[:4], want, rtol=2e-4, atol=2e-5)


def test_draws_are_averaged():
    three = replace(NETWORK, draws=(0, 7, 8))
    want = np.mean([reference(PARAMS, STATE, SAMPLE, draw) for draw in (0, 7, 8)], axis=0)
    found = jax.jit(three.apply)(PARAMS, STATE, SAMPLE)
    np.testing.assert_allclose(found.prediction[:4], want, rtol=2e-4, atol=2e-5)
    assert len(found.attention) == 3


def test_a_seed_alone_is_as_in_a_batch():
    want = run(SAMPLE).prediction
    for i in range(4):
        found = run(sample_of([i])).prediction
        np.testing.assert_allclose(found[0], want[i], rtol=2e-4, atol=2e-5)


def test_tokens_may_stand_in_any_order_behind_the_seed():
    n_node = SAMPLE.graph.n_node[:4]
    ids, rows = np.repeat(np.arange(4), n_node), np.arange(n_node.sum())
    order = np.lexsort((np.random.default_rng(0).random(len(rows)), ~np.isin(rows, STARTS), ids))
    assert (order != rows).any()
    found = run(sample_of(np.arange(4), order)).prediction[:4]
    np.testing.assert_allclose(found, run(SAMPLE).prediction[:4], rtol=2e-4, atol=2e-5)


def test_padding_reaches_no_prediction_no_gradient_and_no_statistics():
    """The published code lets padding attend."""
    real = ga.graphs.node_mask(SAMPLE.graph)
    nodes = replace(
        SAMPLE.graph.nodes,
        features=np.where(real[:, None], SAMPLE.graph.nodes.features, np.nan),
        index=np.where(real, SAMPLE.graph.nodes.index, 1),
        time=np.where(real, SAMPLE.graph.nodes.time, 77),
    )
    wild = SAMPLE._replace(
        graph=SAMPLE.graph._replace(nodes=nodes),
        hops=np.where(real, SAMPLE.hops, 2),
        node_ids=np.where(real, SAMPLE.node_ids, 3),
    )

    @jax.jit
    @partial(jax.value_and_grad, has_aux=True)
    def trained(params, graph):
        out = NETWORK.apply(params, STATE, graph, training=True, key=jax.random.key(3))
        return jnp.sum(jnp.sin(out.prediction[:4])), out.state

    want, found = (trained(PARAMS, graph) for graph in (SAMPLE, wild))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(want))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, want)
    weights = run(SAMPLE).attention[0].weights
    slots = SAMPLE.graph.layout.blocks.node[3] < len(real)
    assert not slots.all()
    np.testing.assert_allclose(weights[3][:, slots][:, :, slots].sum(-1), 1, rtol=1e-5)


def test_statistics_and_codebook_are_renewed_in_training_only():
    jax.tree.map(np.testing.assert_array_equal, run(SAMPLE).state, STATE)
    new = NETWORK.apply(PARAMS, STATE, SAMPLE, training=True, key=jax.random.key(0)).state
    x, _ = INPUTS.apply(
        PARAMS.tokens,
        STATE.tokens,
        SAMPLE,
        training=True,
        key=jax.random.fold_in(jax.random.key(0), 0),
    )
    rows = ga.nn.linear(PARAMS.centroids.place, x[STARTS])
    want = NETWORK.centroids.codebook.update(STATE.centroids, rows)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), new.centroids, want
    )
    assert (new.tokens.mean != STATE.tokens.mean).all()


# --- what is random --------------------------------------------------------------------------------------------


def test_evaluation_has_no_dropout_and_the_same_numbers_each_time():
    """The published code has dropout on attention in evaluation too, and draws new numbers."""
    first = jax.jit(DROPPED.apply)(PARAMS, STATE, SAMPLE).prediction
    np.testing.assert_allclose(first, run(SAMPLE).prediction, rtol=1e-5)
    again = jax.jit(DROPPED.apply)(PARAMS, STATE, SAMPLE, key=jax.random.key(5)).prediction
    np.testing.assert_array_equal(again, first)


def test_training_is_random_by_its_key():
    for network in (NETWORK, DROPPED):  # the numbers alone, and dropout
        one, again, other = (
            train(network, SAMPLE, jax.random.key(seed)).prediction[:4] for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(one, again)
        assert np.abs(one - other).min() > 1e-5
    with pytest.raises(ValueError, match="RelGT draws random numbers"):
        NETWORK.apply(PARAMS, STATE, SAMPLE, training=True)


def test_each_attention_has_a_scale_per_head():
    """The published code scales the global one by 1/√D."""
    inputs = jax.jit(INPUTS.apply)
    x, _ = inputs(PARAMS.tokens, STATE.tokens, SAMPLE, key=jax.random.key(0))
    p, book = PARAMS.centroids, STATE.centroids
    q = np.asarray(ga.nn.linear(p.query, ga.nn.linear(p.place, x[:1])))
    k = np.asarray(ga.nn.linear(p.key, NETWORK.centroids.codebook.centroids(book)))
    logits = run(SAMPLE).attention[-1].logits[0, :, 0] - np.log(book.count)[None]
    want = [(k[:, i : i + 4] @ q[0, i : i + 4]) / np.sqrt(4) for i in (0, 4)]
    np.testing.assert_allclose(logits, want, rtol=1e-3, atol=1e-5)


# --- and the rest ------------------------------------------------------------------------------------------------


def with_features(dtype):
    nodes = SAMPLE.graph.nodes
    nodes = replace(nodes, features=nodes.features.astype(dtype))
    return SAMPLE._replace(graph=SAMPLE.graph._replace(nodes=nodes))


def test_gradients_are_those_of_differences():
    with jax.enable_x64(True):
        params, state = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), (PARAMS, STATE))
        graph = with_features(np.float64)

        @jax.jit
        def loss(params):
            return jnp.sum(jnp.sin(NETWORK.apply(params, state, graph).prediction[:4]))

        check_grads(loss, (params,), order=1, modes=["rev"], atol=1e-5, rtol=1e-5)


def test_half_precision():
    half = jax.tree.map(lambda x: x.astype(jnp.bfloat16), PARAMS)
    found = jax.jit(NETWORK.apply)(half, STATE, with_features(jnp.bfloat16))
    assert found.prediction.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        found.prediction[:4].astype(np.float32), run(SAMPLE).prediction[:4], rtol=0.1, atol=0.05
    )


def test_batches_of_one_sampler_share_a_compilation():
    graphs = [SAMPLER(1, epoch, 0) for epoch in (0, 1)]
    ga.testing.assert_no_retrace(
        jax.jit(lambda graph: NETWORK.apply(PARAMS, STATE, graph).prediction),
        [(g,) for g in graphs],
    )


def test_it_is_saved_and_loaded(tmp_path):
    ga.models.save(tmp_path / "relgt.npz", DROPPED, PARAMS, STATE)
    network, params, state = ga.models.load(tmp_path / "relgt.npz")
    assert network == DROPPED
    np.testing.assert_allclose(
        network.apply(params, state, SAMPLE).prediction,
        run(SAMPLE).prediction,
        rtol=1e-4,
        atol=1e-5,
    )


def test_it_is_a_flax_module():
    from flax import nnx

    linen = ga.modules.linen
    module, variables = linen.Network(NETWORK), linen.from_params(PARAMS, STATE)
    np.testing.assert_allclose(
        jax.jit(module.apply)(variables, SAMPLE), run(SAMPLE).prediction, rtol=1e-4, atol=1e-5
    )
    trains = partial(module.apply, deterministic=False, mutable=["batch_stats"])
    _, new = jax.jit(trains)(variables, SAMPLE, rngs={"dropout": jax.random.key(0)})
    assert (new["batch_stats"]["centroids"]["code"] != STATE.centroids.code).any()
    own = ga.modules.nnx.Network(NETWORK, rngs=nnx.Rngs(0), deterministic=True)
    assert nnx.jit(own)(SAMPLE).shape == (5, 3)


def test_the_reference_has_a_forward_mode():
    network = ga.nn.with_implementation(NETWORK, "reference")
    direction = jax.tree.map(jnp.ones_like, PARAMS)

    def loss(params):
        return jnp.sum(jnp.sin(network.apply(params, STATE, SAMPLE).prediction[:4]))

    @jax.jit
    def both(params):
        return jax.jvp(loss, (params,), (direction,))[1], jax.grad(loss)(params)

    found, gradients = both(PARAMS)
    want = sum(x.sum() for x in jax.tree.leaves(gradients))
    np.testing.assert_allclose(found, want, rtol=1e-3)


def test_other_layers_and_the_local_half_alone():
    schema = ga.graphs.schema_of(GRAPH)
    typed = replace(NETWORK, layer=HGT(heads=2, schema=schema), centroids=None, num_layers=1)
    params, state = typed.init(jax.random.key(0))
    assert params.centroids is None and state.centroids is None
    out = jax.jit(typed.apply)(params, state, SAMPLE)
    assert out.prediction.shape == (5, 3) and len(out.attention) == 1
    timeless = replace(NETWORK, tokens=replace(INPUTS, time_unit=None), num_layers=1)
    params, state = timeless.init(jax.random.key(0))
    assert params.tokens.time is None
    assert np.isfinite(jax.jit(timeless.apply)(params, state, SAMPLE).prediction[:4]).all()


def test_what_does_not_fit_is_said():
    for match, call in {
        "tokens must be a TokenInputs": lambda: RelGT(TypedInputs.of(GRAPH), 3),
        "inputs must be a TypedInputs": lambda: TokenInputs(4),
        "time_unit must be a positive number": lambda: replace(INPUTS, time_unit=0),
        "draws must be a tuple of one or more seeds": lambda: replace(NETWORK, draws=()),
        "layer must be a layer": lambda: replace(NETWORK, layer=3),
        "centroids must be a CentroidAttention": lambda: replace(NETWORK, centroids=512),
        "width must be divisible by heads": lambda: replace(
            NETWORK, width=9, layer=GlobalAttention(output=True)
        ).init(jax.random.key(0)),
        "layer must give nodes as wide": lambda: replace(NETWORK, layer=GlobalAttention(3)).init(
            jax.random.key(0)
        ),
        "graph must be a Sample": lambda: NETWORK.apply(PARAMS, STATE, GRAPH),
        "nodes with a graph each": lambda: NETWORK.apply(
            PARAMS,
            STATE,
            ga.sampling.Sampler(UNTIMED, ga.sampling.Neighbours((2,)), SEEDS, 4)(0, 0, 0),
        ),
        "time_unit says how to read": lambda: NETWORK.apply(
            PARAMS, STATE, ga.sampling.Sampler(UNTIMED, METHOD, SEEDS, 4)(0, 0, 0)
        ),
        "codebook must be a Codebook": lambda: CentroidAttention(8),
    }.items():
        with pytest.raises(ValueError, match=match):
            call()
