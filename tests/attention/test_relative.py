import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import (
    GATv2,
    RelativeBias,
    Shared,
    Standard,
    relative_bias,
    relative_buckets,
    shaw_features,
)

POSITIONS = np.array([0, 3, -4, 3], np.int64)
SENDERS = np.array([0, 1, 0, 2, 1, 3])
RECEIVERS = np.array([1, 0, 2, 0, 3, 3])


def test_symmetric_buckets_are_clipped_distances():
    buckets = relative_buckets(POSITIONS, SENDERS, RECEIVERS, max_distance=3)
    assert buckets.tolist() == [3, 3, 3, 3, 0, 0]
    assert buckets.dtype == jnp.int32
    back = relative_buckets(POSITIONS, RECEIVERS, SENDERS, max_distance=3)
    np.testing.assert_array_equal(buckets, back)


def test_directional_buckets_tell_the_ends_apart():
    there = relative_buckets(POSITIONS, SENDERS, RECEIVERS, max_distance=3, symmetric=False)
    back = relative_buckets(POSITIONS, RECEIVERS, SENDERS, max_distance=3, symmetric=False)
    assert there.tolist() == [0, 6, 6, 0, 3, 3]  # p_sender - p_receiver, from -3 to 3
    np.testing.assert_array_equal(there + back, np.full(6, 6))


def test_no_edges():
    none = np.zeros(0, np.int32)
    assert relative_buckets(POSITIONS, none, none, max_distance=1).shape == (0,)
    assert relative_bias(jnp.ones((2, 3)), none).shape == (0, 3)


def test_bias_gathers_rows_and_gradients_count_them():
    table = jax.random.normal(jax.random.key(0), (4, 2))
    buckets = relative_buckets(POSITIONS, SENDERS, RECEIVERS, max_distance=3)
    np.testing.assert_array_equal(relative_bias(table, buckets), table[buckets])
    counts = jax.grad(lambda table: relative_bias(table, buckets).sum())(table)
    np.testing.assert_array_equal(counts[:, 0], [2, 0, 0, 4])


def test_initial_tables_are_small():
    table = RelativeBias(GATv2(3, 4), 500).init(jax.random.key(0), 4).table
    assert table.dtype == jnp.float32
    np.testing.assert_allclose(table.std(), 0.02, rtol=0.1)


def test_a_symmetric_bias_keeps_a_symmetric_score_and_makes_no_other_one_so():
    graph = ga.testing.random_graph(0, 6, 14, 4, undirected=True)
    buckets = relative_buckets(np.arange(6), graph.senders, graph.receivers, max_distance=2)
    bias = relative_bias(jax.random.normal(jax.random.key(1), (3, 2)), buckets)
    errors = []
    for score in (Standard(), Shared()):
        layer = GATv2(3, 2, score=score)
        attention = layer.apply(layer.init(jax.random.key(0), 4), graph, bias=bias).attention
        errors.append(ga.diagnostics.symmetry_error(attention.logits, ga.graphs.pattern(graph)))
    np.testing.assert_allclose(errors[1], 0, atol=1e-6)
    assert (errors[0] > 0.05).all()


def test_the_layer_adds_the_rows_of_its_table_to_the_bias():
    graph = ga.testing.random_graph(0, 6, 14, 4, edge_width=3)
    inside = GATv2(3, 2)
    layer = RelativeBias(inside, 3)
    params = layer.init(jax.random.key(0), 4, 3)
    buckets = np.arange(14) % 3
    told = graph._replace(edges=ga.nn.EdgeInputs(graph.edges, buckets=buckets))
    more = np.linspace(0, 1, 28, dtype=np.float32).reshape(14, 2)
    for bias in (None, more):
        got = layer.apply(params, told, bias=bias)
        rows = relative_bias(params.table, buckets)
        want = inside.apply(params.layer, graph, bias=rows if bias is None else rows + bias)
        np.testing.assert_allclose(got.graph.nodes, want.graph.nodes, atol=1e-6)
        np.testing.assert_allclose(got.attention.logits, want.attention.logits, atol=1e-6)
    with pytest.raises(ValueError, match="must hold the bucket of every edge"):
        layer.apply(params, graph)


def test_shaw_features_are_one_hot_directional_buckets():
    features = shaw_features(POSITIONS, SENDERS, RECEIVERS, max_distance=3)
    assert features.shape == (6, 7)
    np.testing.assert_array_equal(features.sum(1), np.ones(6))
    np.testing.assert_array_equal(features.argmax(1), [0, 6, 6, 0, 3, 3])


def test_errors():
    with pytest.raises(ValueError, match="positions must be integer ids"):
        relative_buckets(POSITIONS.astype(np.float32), SENDERS, RECEIVERS, max_distance=2)
    with pytest.raises(ValueError, match="max_distance must be a positive integer, got int 0"):
        shaw_features(POSITIONS, SENDERS, RECEIVERS, max_distance=0)
    with pytest.raises(ValueError, match=r"receivers must have shape \[6\], got \(5,\)"):
        relative_buckets(POSITIONS, SENDERS, RECEIVERS[:5], max_distance=2)
    with pytest.raises(ValueError, match=r"buckets must lie in \[0, 2\) for 2 buckets, got 2"):
        relative_bias(jnp.ones((2, 1)), np.array([0, 2]))
    with pytest.raises(ValueError, match=r"table must have shape \[K, H\]"):
        relative_bias(jnp.ones(2), np.array([0]))
    with pytest.raises(ValueError, match="num_buckets must be a positive integer"):
        RelativeBias(GATv2(3), 0)
    for layer in ("gatv2", ga.message_passing.GCN(3), ga.attention.GlobalAttention(3)):
        with pytest.raises(ValueError, match="layer must be an attention layer on edges"):
            RelativeBias(layer, 2)
