"""One graph over several devices gives what it gives on one."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from graphattn_jax import attention, graphs, losses, message_passing, models, ops, training

N, E, D = 14, 50, 4


def random_graph(seed=0, num_edges=E):
    rng = np.random.default_rng(seed)
    return graphs.from_edge_list(
        rng.integers(0, N, num_edges),
        rng.integers(0, N, num_edges),
        num_nodes=N,
        nodes=rng.normal(size=(N, 6)).astype(np.float32),
        edges=rng.normal(size=(num_edges, 3)).astype(np.float32),
    )


GRAPH = random_graph()
PARTS = np.random.default_rng(1).integers(0, D, N) * (np.arange(N) >= D) + np.arange(N) * (
    np.arange(N) < D
)
SHARDS = graphs.shard(GRAPH, PARTS)


def on_shards(function, *arguments):
    """`function(*arguments, shard)` on each shard, the axis of devices played by `jax.vmap`."""
    axes = (*[None] * (len(arguments) - 1), 0)
    arguments = jax.tree.map(jnp.asarray, arguments)
    return jax.vmap(function, axes, axis_name=ops.BATCH_AXIS)(*arguments)


@pytest.mark.parametrize("num_edges", [0, 1, E])
@pytest.mark.parametrize("parts", [1, 3, PARTS, np.zeros(N, int)], ids=["1", "3", "random", "all"])
def test_each_node_and_edge_is_in_one_shard_with_its_features(num_edges, parts):
    graph = random_graph(2, num_edges)
    shards = graphs.shard(graph, parts)
    np.testing.assert_array_equal(graphs.from_shards(shards, shards.nodes), graph.nodes)
    heard = on_shards(lambda shard: graphs.with_halo(shard).nodes.senders, shards)
    found = []
    for part in range(len(shards.senders)):
        real = shards.layout.edge_mask[part]
        receivers = shards.layout.halo.node_ids[part][shards.receivers[part][real]]
        senders = np.asarray(heard)[part][shards.senders[part][real]]
        rows = np.column_stack([senders, receivers, shards.edges[part][real]])
        found.append(rows)
    want = np.column_stack([graph.nodes[graph.senders], graph.receivers, graph.edges])
    found = np.concatenate(found)
    np.testing.assert_allclose(found[np.lexsort(found.T)], want[np.lexsort(want.T)])


def test_rows_that_cross_are_counted_once_for_each_shard_that_needs_them():
    owner = PARTS[GRAPH.receivers]
    crossing = owner != PARTS[GRAPH.senders]
    pairs = set(zip(owner[crossing].tolist(), GRAPH.senders[crossing].tolist(), strict=True))
    rows = graphs.halo_rows(SHARDS)
    assert rows.needed == len(pairs) and rows.moved >= rows.needed
    assert rows.moved == D * (D - 1) * SHARDS.layout.halo.sent.shape[-1]


@pytest.mark.parametrize(
    "layer",
    [
        attention.GAT(channels=4, heads=2),
        attention.GATv2(channels=4, heads=2),
        attention.GraphTransformer(channels=4, heads=2),
        message_passing.SAGE(4),
        message_passing.GatedGCN(6),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_hear_all_their_edges(layer):
    params = layer.init(jax.random.key(0), 6, 3)

    def whole(params):
        nodes = layer.apply(params, GRAPH).graph.nodes
        return jnp.sum(jnp.sin(nodes)), nodes

    def in_parts(params):
        def apply(params, shard):
            return layer.apply(params, shard).graph.nodes

        nodes = on_shards(apply, params, SHARDS)
        mask = SHARDS.layout.node_mask[..., None]
        return jnp.sum(jnp.where(mask, jnp.sin(nodes), 0)), nodes

    (_, want), want_gradient = jax.jit(jax.value_and_grad(whole, has_aux=True))(params)
    (_, got), gradient = jax.jit(jax.value_and_grad(in_parts, has_aux=True))(params)
    np.testing.assert_allclose(graphs.from_shards(SHARDS, got), want, rtol=1e-4, atol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        gradient,
        want_gradient,
    )


def test_non_finite_rows_reach_only_who_hears_from_them():
    layer = attention.GAT(channels=4)
    params = layer.init(jax.random.key(0), 6)
    hurt = GRAPH._replace(nodes=GRAPH.nodes.copy())
    hurt.nodes[3] = np.nan
    shards = graphs.shard(hurt, PARTS)

    def apply(params, shard):
        return layer.apply(params, shard).graph.nodes

    got = graphs.from_shards(shards, on_shards(apply, params, shards))
    want = layer.apply(params, hurt).graph.nodes
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))


NETWORK = models.ResidualNetwork(
    in_features=6,
    out_features=2,
    width=8,
    num_layers=2,
    layer=attention.GAT(channels=4, heads=2),
    dropout=0.0,
)


def loss_fn(params, batch, key):
    graph = batch._replace(nodes=batch.nodes["x"])
    out = NETWORK.apply(params, None, graph, training=True, key=key)
    where = graphs.node_mask(graph)
    return losses.softmax_cross_entropy(out.prediction, batch.nodes["y"], where=where)


def labelled(graph):
    labels = np.arange(len(graph.nodes), dtype=np.int32) % 2
    return graph._replace(nodes={"x": graph.nodes, "y": labels}, edges=None)


def test_training_on_shards_is_training_on_the_whole_and_moves_the_halo():
    optimizer = optax.sgd(0.1)
    params, _ = NETWORK.init(jax.random.key(0))
    state = training.init_train_state(params, optimizer, jax.random.key(1))
    one = training.make_train_step(loss_fn, optimizer, donate=False)
    want, want_metrics = one(state, graphs.prepare(labelled(GRAPH)))

    shards = graphs.shard(labelled(GRAPH), PARTS)
    mesh = training.device_mesh(jax.devices()[:D])
    step = training.make_train_step(loss_fn, optimizer, devices=mesh, donate=False)
    got, metrics = step(state, shards)
    np.testing.assert_allclose(metrics["loss"], want_metrics["loss"], rtol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        got.params,
        want.params,
    )
    text = step.lower(state, shards).compile().as_text()
    exchanges = [
        line.split(" all-to-all(")[0] for line in text.splitlines() if " all-to-all(" in line
    ]
    sizes = [
        sum(
            int(np.prod([int(n) for n in shape.split(",")]))
            for shape in re.findall(r"f32\[([\d,]+)\]", line)
        )
        for line in exchanges
    ]
    slots = shards.layout.halo.sent[0].size
    assert sizes == [slots * NETWORK.width] * 2 * NETWORK.num_layers, (
        "forward and back, once a layer"
    )
    assert "all-gather" not in text


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: graphs.shard(graphs.batch([GRAPH, GRAPH]), 2),
            "one graph without types.*2 graphs",
        ),
        (lambda: graphs.shard(GRAPH, 0), "parts must be"),
        (lambda: graphs.shard(GRAPH, N + 1), f"at most {N}"),
        (lambda: graphs.shard(GRAPH, np.zeros(3, int)), "parts"),
        (lambda: graphs.shard(GRAPH, np.full(N, 2)), "without gaps"),
        (lambda: graphs.halo_rows(GRAPH), "must be sharded.*ga.graphs.shard"),
        (lambda: graphs.from_shards(SHARDS, np.zeros((2, 3))), "a row per node of each shard"),
        (
            lambda: on_shards(lambda shard: graphs.pattern(shard).mask, SHARDS),
            "is a shard.*apply a layer",
        ),
        (
            lambda: on_shards(lambda shard: models.pool(shard, "sum"), SHARDS),
            "is a shard.*pool=None",
        ),
        (
            lambda: SHARDS._replace(senders=SHARDS.receivers),
            "sharded graph says which edges are real",
        ),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
