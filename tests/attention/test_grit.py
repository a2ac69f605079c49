import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import GRIT, Cosine, Pairwise, Shared, Standard, Symmetrized

KEY = jax.random.key(0)
LAYER = GRIT(3, 2)

# Two components and an isolated node.
GRAPH = ga.graphs.from_edge_list(
    [0, 1, 1, 2, 2, 0, 3, 4],
    [1, 0, 2, 1, 0, 2, 4, 3],
    nodes=np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32),
)
FULL = ga.graphs.all_pairs(GRAPH)
FULL = FULL._replace(edges=ga.encodings.rrwp(GRAPH, 5, pattern=FULL))
SPARSE = GRAPH._replace(edges=ga.encodings.rrwp(GRAPH, 5))


def params_of(layer=LAYER):
    """Parameters whose biases are not 0."""
    params = layer.init(KEY, 4, 5)
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    return jax.tree.unflatten(
        structure, [x + 0.3 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys)]
    )


def loops(params, nodes, e, edges):
    """The equations for a matrix e `[N, N, D_e]`, node by node and head by head; edges `[N, N]` bool."""
    p = jax.tree.map(np.asarray, params)
    n, (_, heads, channels) = len(nodes), p.query_weight.shape
    x = np.zeros((n, heads, channels))
    stream = np.zeros((n, n, heads, channels))
    for h in range(heads):
        for i in range(n):
            neighbours = np.flatnonzero(edges[i])
            for j in neighbours:
                ends = nodes[i] @ p.query_weight[:, h] + nodes[j] @ p.key_weight[:, h]
                gate = e[i, j] @ p.edge_gate[:, h] + p.edge_gate_bias[h]
                product = (ends + p.query_bias[h]) * gate
                rho = np.sqrt(np.maximum(product, 0)) - np.sqrt(np.maximum(-product, 0))
                shift = e[i, j] @ p.edge_shift[:, h] + p.edge_shift_bias[h]
                stream[i, j, h] = np.maximum(rho + shift, 0)
            if len(neighbours):
                a = np.exp(np.clip(stream[i, neighbours, h] @ p.vector[h], -5, 5))
                a /= a.sum()
                heard = a @ stream[i, neighbours, h] @ p.edge_value[h]
                x[i, h] = a @ nodes[neighbours] @ p.value_weight[:, h] + heard
    return x.reshape(n, -1), stream.reshape(n, n, -1)


@pytest.mark.parametrize("graph", [FULL, SPARSE], ids=["all_pairs", "edges"])
def test_grit_and_sparse_grit_equal_the_dense_equations(graph):
    """One function: on all pairs GRIT, on the graph's own edges SparseGRIT."""
    e = np.zeros((6, 6, 5), np.float32)
    e[FULL.receivers, FULL.senders] = FULL.edges
    edges = np.zeros((6, 6), bool)
    edges[graph.receivers, graph.senders] = True
    params = params_of()
    nodes, stream = loops(params, graph.nodes, e, edges)
    out = LAYER.apply(params, ga.graphs.prepare(graph)).graph
    np.testing.assert_allclose(out.nodes, nodes, rtol=1e-5, atol=1e-5)
    wanted = stream[graph.receivers, graph.senders]
    np.testing.assert_allclose(out.edges, wanted, rtol=1e-5, atol=1e-5)
    assert np.abs(nodes[:5]).min(axis=1).max() > 0.01


def one_edge(gate, shift):
    """x_0 = 2, x_1 = 3, e = 1; W_Q = W_K = W_V = 1, W_Ew = gate, W_Eb = shift, W_Ev = 100, w_A = 10."""
    one = jnp.ones((1, 1, 1))
    params = (
        GRIT(1)
        .init(KEY, 1, 1)
        ._replace(query_weight=one, key_weight=one, value_weight=one, edge_value=100 * one)
    )
    params = params._replace(
        edge_gate=gate * one, edge_shift=shift * one, vector=jnp.full((1, 1), 10.0)
    )
    graph = ga.graphs.from_edge_list(
        [1], [0], nodes=np.array([[2], [3]], np.float32), edges=np.ones((1, 1), np.float32)
    )
    return params, graph


@pytest.mark.parametrize(
    ("gate", "shift", "activation", "stream", "logit"),
    [
        (5.0, 0.0, "relu", 5.0, 5.0),  # √25, and 50 clipped
        (-5.0, 0.0, "relu", 0.0, 0.0),
        (-5.0, 0.0, "identity", -5.0, -5.0),
        (-5.0, 5.25, "relu", 0.25, 2.5),  # the shift is behind the root
        (0.0, 0.25, "relu", 0.25, 2.5),
    ],
)
def test_one_edge_by_hand(gate, shift, activation, stream, logit):
    params, graph = one_edge(gate, shift)
    out, attention = GRIT(1, activation=activation).apply(params, graph)
    np.testing.assert_allclose(out.edges, [[stream]], rtol=1e-6)
    np.testing.assert_allclose(attention.logits, [[logit]], rtol=1e-6)
    np.testing.assert_allclose(out.nodes, [[3 + 100 * stream], [0]], rtol=1e-6)


def test_clamp_is_before_the_bias_and_stops_the_gradient():
    params, graph = one_edge(1.0, 0.0)  # w_A ê = 10 √5

    def logit(vector, clamp, bias):
        new = params._replace(vector=vector)
        return GRIT(1, clamp=clamp).apply(new, graph, bias=bias).attention.logits[0, 0]

    for clamp, bias, value, slope in (
        (5.0, None, 5, 0),
        (None, None, 10 * 5**0.5, 5**0.5),
        (30.0, None, 10 * 5**0.5, 5**0.5),
        (7.0, None, 7, 0),
        (5.0, jnp.array([[-100.0]]), -95, 0),
    ):
        got = jax.value_and_grad(logit)(params.vector, clamp, bias)
        np.testing.assert_allclose(got[0], value, rtol=1e-6)
        np.testing.assert_allclose(got[1], [[slope]], rtol=1e-6)


@pytest.mark.usefixtures("debug_nans")
def test_derivative_of_the_signed_root_is_zero_at_zero_and_right_elsewhere():
    params, graph = one_edge(0.0, 0.25)

    def stream(gate):
        new = params._replace(edge_gate=jnp.full((1, 1, 1), gate))
        return GRIT(1, activation="identity").apply(new, graph).graph.edges[0, 0]

    assert jax.grad(stream)(0.0) == 0
    for gate in (4.0, -4.0, 1e-4, 1e-12):  # ρ' = 1 / (2 √|5 g|), times 5
        want = 5 / (2 * np.sqrt(abs(5 * gate)))
        np.testing.assert_allclose(jax.grad(stream)(gate), want, rtol=1e-5)


@pytest.mark.usefixtures("debug_nans")
def test_gradients_are_finite_where_everything_is_zero():
    """Every argument of ρ is 0: nodes without features and biases, the usual state of padding."""
    zeros = jax.tree.map(jnp.zeros_like, FULL._replace(n_node=None, n_edge=None))
    graph = FULL._replace(nodes=zeros.nodes, edges=zeros.edges)

    def total(params, nodes, edges):
        out = LAYER.apply(params, graph._replace(nodes=nodes, edges=edges)).graph
        return out.nodes.sum() + out.edges.sum()

    params = LAYER.init(KEY, 4, 5)
    gradients = jax.grad(total, argnums=(0, 1, 2))(params, zeros.nodes, zeros.edges)
    assert all(jnp.isfinite(x).all() for x in jax.tree.leaves(gradients))


def test_layers_stack_on_the_edge_stream():
    first, second = params_of(), LAYER.init(jax.random.key(2), 6, 6)
    out = LAYER.apply(second, LAYER.apply(first, FULL).graph).graph
    assert out.nodes.shape == (6, 6) and out.edges.shape == (36, 6)


def test_stream_and_messages_are_the_same_for_every_way_to_score():
    """Of shared parameters; cosine and pairwise replace the logits, not what the edges carry."""
    shared, cosine, pairwise = (GRIT(3, 2, score=s()) for s in (Shared, Cosine, Pairwise))
    params = params_of(shared)
    want = shared.apply(params, FULL).graph.edges
    params = params._replace(vector=None)
    np.testing.assert_array_equal(cosine.apply(params, FULL).graph.edges, want)
    params = params._replace(score=jnp.ones((2, 3, 3)))
    np.testing.assert_array_equal(pairwise.apply(params, FULL).graph.edges, want)


def test_symmetric_init_starts_with_symmetric_logits():
    graph = FULL._replace(edges=ga.encodings.rrwp(GRAPH, 5, pattern=FULL, symmetric=True))
    layer = GRIT(3, 2, symmetric_init=True)
    attention = layer.apply(layer.init(KEY, 4, 5), graph).attention
    square = np.asarray(attention.logits).reshape(6, 6, 2)
    np.testing.assert_allclose(square, square.swapaxes(0, 1), rtol=1e-5, atol=1e-6)
    assert np.ptp(square) > 0.1


def test_dtypes_of_nodes_and_edges_stay():
    graph = FULL._replace(edges=jnp.asarray(FULL.edges, jnp.bfloat16))
    out = LAYER.apply(params_of(), graph).graph
    assert out.nodes.dtype == jnp.float32 and out.edges.dtype == jnp.bfloat16


@pytest.mark.parametrize("score", [Standard(), Symmetrized()])
def test_the_gradient_keeps_no_array_of_the_edges_but_the_new_ones(score):
    graph = ga.graphs.prepare(FULL)

    def layer(params, nodes):
        out = GRIT(3, 2, score=score).apply(params, graph._replace(nodes=nodes)).graph
        return out.nodes, out.edges

    _, gradient = jax.vjp(layer, params_of(), FULL.nodes)
    rows, channels = FULL.senders.size, 6
    kept = {id(x) for x in jax.tree.leaves(gradient) if x.size == rows * channels}
    assert len(kept) == 1


@pytest.mark.parametrize("score", [Standard(), Shared(), Symmetrized(), Cosine(), Pairwise()])
def test_parameters_fit_the_score(score):
    layer = GRIT(3, 2, score=score, use_bias=False)
    params = layer.init(KEY, 4, 5)
    assert (params.vector is None) == score.is_dot
    assert (params.key_weight is None) == score.is_tied
    assert (params.score is None) == (score != Pairwise())
    assert params.query_bias is params.edge_gate_bias is params.edge_shift_bias is None
    assert layer.apply(params, FULL).graph.nodes.shape == (6, 6)


def test_errors():
    params = LAYER.init(KEY, 4, 5)
    with pytest.raises(ValueError, match=r"graph.nodes must be an array of shape \[N, 4\]"):
        LAYER.apply(params, FULL._replace(nodes=FULL.nodes[:, :2]))
    with pytest.raises(ValueError, match=r"graph.edges must be an array of shape \[E, 5\]"):
        LAYER.apply(params, FULL._replace(edges=None))
    with pytest.raises(ValueError, match="clamp must be a finite number, positive"):
        GRIT(3, clamp=0.0)
    with pytest.raises(ValueError, match=r"bias must have shape \[36, 2\], got \(36,\)"):
        LAYER.apply(params, FULL, bias=np.zeros(36, np.float32))
    with pytest.raises(ValueError, match="activation must be one of"):
        GRIT(3, activation="swish")
    with pytest.raises(ValueError, match=r"dropout=0.5 needs key= in training"):
        GRIT(3, 2, dropout=0.5).apply(params, FULL, training=True)
    with pytest.raises(ValueError, match="edge_features must be a positive integer"):
        LAYER.init(KEY, 4, 0)
