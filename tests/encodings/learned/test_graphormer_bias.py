"""The bias, and with it the attention of Graphormer, against loops over nodes, heads and bonds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.encodings import (
    GraphormerBiasParams,
    PathBiasParams,
    distance_buckets,
    graphormer_bias,
    init_graphormer_bias,
)

K, HEADS, WIDTH, BOND = 3, 2, 4, 3
BUCKETS = distance_buckets(K)


def molecule(seed, bonds, num_nodes):
    """Bonds in both directions, with features that differ by direction."""
    rng = np.random.default_rng(seed)
    ends = rng.permutation(np.concatenate([bonds, np.flip(bonds, axis=1)]))
    return ga.graphs.from_edge_list(
        *ends.astype(np.int32).T,
        num_nodes=num_nodes,
        nodes=rng.normal(size=(num_nodes, WIDTH)).astype(np.float32),
        edges=rng.normal(size=(len(ends), BOND)).astype(np.float32),
    )


# A ring of six (whose opposite atoms have two shortest paths) with a tail longer than K, and an ion and an atom beside
# it; a triangle with a tail.
RING = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0), (0, 6), (6, 7), (8, 9)]
MOLECULES = [
    molecule(0, RING, 11),
    molecule(1, [(0, 1), (1, 2), (2, 0), (2, 3)], 4),
    molecule(2, np.zeros((0, 2), int), 1),
]
BATCH = ga.graphs.batch(MOLECULES)


def normal_like(tree, seed=1):
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    return jax.tree.unflatten(
        structure, [jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)]
    )


PARAMS = normal_like(
    init_graphormer_bias(jax.random.key(0), K, HEADS, edge_features=BOND, common_neighbours=True)
)


def encoded(graph):
    """The pattern of a graph without padding: all pairs and a virtual node, the arguments of the bias as its edges."""
    pairs = ga.graphs.all_pairs(graph)
    arrays = {
        "distances": (
            ga.encodings.shortest_path_distances(graph, K, pattern=pairs),
            BUCKETS.virtual,
        ),
        "paths": (ga.encodings.edge_features_on_paths(graph, K, pattern=pairs), -1),
        "common_neighbours": (ga.encodings.common_neighbours(graph, pattern=pairs), 0),
    }
    edges = {
        name: ga.encodings.extend_to_virtual_nodes(values, pairs, fill)
        for name, (values, fill) in arrays.items()
    }
    return ga.graphs.add_virtual_node(pairs)._replace(edges=edges)


def floyd_warshall(graph):
    """Hops from column to row."""
    n = len(graph.nodes)
    hops = np.where(np.eye(n, dtype=bool), 0, np.inf)
    for s, r in zip(graph.senders, graph.receivers):
        hops[r, s] = 1
    for k in range(n):
        for i in range(n):
            for j in range(n):
                hops[i, j] = min(hops[i, j], hops[i, k] + hops[k, j])
    return hops


def dense_bias(params, graph):
    """`[n + 1, n + 1, H]`, the virtual node last."""
    table, weight, w = (np.asarray(x) for x in (params.distance, params.path.weight, params[2]))
    n, hops = len(graph.nodes), floyd_warshall(graph)
    bonds = list(zip(graph.senders, graph.receivers))
    bias = np.zeros((n + 1, n + 1, HEADS))
    bias[n, :n] = bias[:n, n] = table[K + 3]
    for i in range(n):
        for j in range(n):
            if hops[i, j] == np.inf:
                bias[i, j] = table[K + 2]
            elif hops[i, j] > K:
                bias[i, j] = table[K + 1]
            else:
                bias[i, j] = table[int(hops[i, j])]
                node, path = i, []
                while node != j:
                    nearer = [
                        e
                        for e, (s, r) in enumerate(bonds)
                        if r == node and hops[s, j] < hops[node, j]
                    ]
                    path.append(nearer[0])
                    node = bonds[nearer[0]][0]
                for step, e in enumerate(path):
                    bias[i, j] += graph.edges[e] @ weight[step] / len(path)
            common = sum((i, k) in bonds and (k, j) in bonds for k in range(n))
            bias[i, j] += w * np.log(1 + common)
    return bias


def dense_attention(params, nodes, bias):
    """Logits `[n + 1, n + 1, H]` and new nodes; the virtual node does not attend to itself."""
    q, k, v = (
        np.einsum("nd,dhc->nhc", nodes, np.asarray(w))
        for w in (params.query_weight, params.key_weight, params.value_weight)
    )
    logits = np.einsum("ihc,jhc->ijh", q, k) / np.sqrt(q.shape[2]) + bias
    e = np.exp(logits)
    e[-1, -1] = 0
    out = np.einsum("ijh,jhc->ihc", e / e.sum(1, keepdims=True), v)
    return logits, out.reshape(len(nodes), -1)


@pytest.mark.parametrize("padded", [False, True], ids=["batch", "padded"])
def test_graphormer_attention_equals_the_dense_reference(padded):
    graph, pattern = BATCH, encoded(BATCH)
    if padded:
        graph = ga.graphs.pad(graph, ga.graphs.Budget(n_node=24, n_edge=40, n_graph=5))
        pattern = ga.graphs.pad(pattern, ga.graphs.Budget(n_node=24, n_edge=190, n_graph=5))
    layer = ga.attention.GraphTransformer(channels=3, heads=HEADS, use_bias=False)
    params = layer.init(jax.random.key(1), WIDTH)

    @jax.jit
    def run(pattern, bonds):
        bias = graphormer_bias(PARAMS, edges=bonds, **pattern.edges)
        return layer.apply(params, pattern._replace(edges=None), bias=bias)

    out, attention = run(ga.graphs.prepare(pattern), graph.edges)
    first_node = first_edge = 0
    for one in MOLECULES:
        n = len(one.nodes)
        alone = encoded(one)
        nodes = np.concatenate([one.nodes, np.zeros((1, WIDTH), np.float32)])
        logits, new = dense_attention(params, nodes, dense_bias(PARAMS, one))
        rows = slice(first_edge, first_edge + n * n + 2 * n)
        np.testing.assert_allclose(
            attention.logits[rows], logits[alone.receivers, alone.senders], rtol=1e-5, atol=1e-5
        )
        np.testing.assert_allclose(
            out.nodes[first_node : first_node + n + 1], new, rtol=1e-5, atol=1e-5
        )
        first_node, first_edge = first_node + n + 1, rows.stop


def test_every_bucket_occurs():
    """Otherwise the test above would not see them."""
    assert set(encoded(BATCH).edges["distances"].tolist()) == set(range(BUCKETS.count))


def test_each_term_alone():
    distances = np.array([0, BUCKETS.beyond, BUCKETS.unreachable, BUCKETS.virtual])
    table = jnp.arange(BUCKETS.count, dtype=jnp.float32)[:, None]
    plain = GraphormerBiasParams(table, None, None)
    assert graphormer_bias(plain, distances).ravel().tolist() == [0, 4, 5, 6]
    counted = plain._replace(common_neighbours=jnp.array([2.0]))
    got = graphormer_bias(counted, distances, common_neighbours=np.array([0, 1, 0, 3]))
    np.testing.assert_allclose(got[:, 0], [0, 4 + 2 * np.log(2), 5, 6 + 2 * np.log(4)], rtol=1e-6)
    walked = plain._replace(path=PathBiasParams(jnp.array([[[1.0]], [[10.0]]])))
    paths = np.array([[-1, -1], [0, 1], [1, -1], [-1, -1]])
    got = graphormer_bias(walked, distances, edges=jnp.array([[1.0], [3.0]]), paths=paths)
    np.testing.assert_allclose(got[:, 0], [0, 4 + 31 / 2, 5 + 3, 6], rtol=1e-6)


def test_without_path_and_counts_it_is_a_relative_bias():
    params = init_graphormer_bias(jax.random.key(0), K, HEADS)
    distances = encoded(BATCH).edges["distances"]
    want = ga.attention.relative_bias(params.distance, distances)
    np.testing.assert_array_equal(graphormer_bias(params, distances), want)


def test_initial_parameters():
    assert PARAMS.distance.shape == (K + 4, HEADS)
    assert PARAMS.path.weight.shape == (K, BOND, HEADS)
    assert PARAMS.common_neighbours.shape == (HEADS,)
    params = init_graphormer_bias(jax.random.key(0), 500, 8)
    assert params.path is params.common_neighbours is None
    np.testing.assert_allclose(params.distance.std(), 0.02, rtol=0.1)


def test_gradients_reach_every_term_and_virtual_nodes():
    pattern = encoded(BATCH)
    gradient = jax.grad(
        lambda params: graphormer_bias(params, edges=BATCH.edges, **pattern.edges).sum()
    )(PARAMS)
    buckets = pattern.edges["distances"]
    np.testing.assert_array_equal(
        gradient.distance[:, 0], np.bincount(buckets, minlength=BUCKETS.count)
    )
    np.testing.assert_allclose(
        gradient.common_neighbours, np.log1p(pattern.edges["common_neighbours"]).sum(), rtol=1e-5
    )
    assert (jnp.abs(gradient.path.weight) > 0).all()


def test_no_pairs():
    none = np.zeros(0, np.int32)
    got = graphormer_bias(
        PARAMS,
        none,
        edges=jnp.zeros((0, BOND)),
        paths=np.zeros((0, K), np.int32),
        common_neighbours=none,
    )
    assert got.shape == (0, HEADS)


def test_errors():
    plain = init_graphormer_bias(jax.random.key(0), K, HEADS)
    walked = init_graphormer_bias(jax.random.key(0), K, HEADS, edge_features=BOND)
    distances, edges = np.zeros(2, np.int32), np.zeros((1, BOND), np.float32)
    with pytest.raises(ValueError, match=r"distances must lie in \[0, 7\) for 7 buckets, got 7"):
        graphormer_bias(plain, np.full(2, BUCKETS.count))
    with pytest.raises(
        ValueError, match=r"edges does not fit .* no parameters\. Fix: give edge_fea"
    ):
        graphormer_bias(plain, distances, edges=edges)
    with pytest.raises(ValueError, match="there are parameters and no paths="):
        graphormer_bias(walked, distances, edges=edges)
    with pytest.raises(ValueError, match="Fix: give common_neighbours= to init_graphormer_bias"):
        graphormer_bias(plain, distances, common_neighbours=distances)
    with pytest.raises(ValueError, match=r"paths must have shape \[2, K\]"):
        graphormer_bias(walked, distances, edges=edges, paths=np.full((3, K), -1))
    with pytest.raises(ValueError, match=r"common_neighbours must have shape \[2\]"):
        counted = init_graphormer_bias(jax.random.key(0), K, HEADS, common_neighbours=True)
        graphormer_bias(counted, distances, common_neighbours=distances[:1])
    with pytest.raises(ValueError, match="heads must be a positive integer"):
        init_graphormer_bias(jax.random.key(0), K, 0)
    with pytest.raises(ValueError, match="edge_features must be a positive integer"):
        init_graphormer_bias(jax.random.key(0), K, 1, edge_features=0)
