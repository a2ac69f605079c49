import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from graphattn_jax import diagnostics, graphs, ops, testing

ROOT2 = np.sqrt(2)
NO_EDGES = np.zeros(0, np.int32)


def pattern(senders, receivers, num_nodes, where=None):
    return ops.Edges(np.array(senders), np.array(receivers), num_senders=num_nodes, mask=where)


def dense(weights, senders, receivers, num_nodes, where=None):
    """`[H, N, N]` in which parallel edges add up."""
    matrix = np.zeros((weights.shape[1], num_nodes, num_nodes), np.float32)
    keep = np.ones(len(senders), bool) if where is None else where
    for head in range(weights.shape[1]):
        np.add.at(matrix[head], (receivers[keep], senders[keep]), weights[keep, head])
    return matrix


def random_edges(rng, num_nodes, num_edges, heads=2):
    """Few nodes and many edges: missing reverses, self-loops and parallel edges occur."""
    senders, receivers = rng.integers(0, num_nodes, (2, num_edges)).astype(np.int32)
    return rng.normal(size=(num_edges, heads)).astype(np.float32), senders, receivers


def test_doubly_stochastic_symmetric_weights_have_no_error():
    # The mean of the identity and a swap, and the uniform matrix.
    for matrix in ([[0.5, 0.5], [0.5, 0.5]], np.full((3, 3), 1 / 3)):
        report = diagnostics.symmetry(np.asarray(matrix, np.float32))
        np.testing.assert_allclose(
            report._replace(diagonal_mass=np.float32(0)), np.zeros(5), atol=1e-6
        )
        np.testing.assert_allclose(report.diagonal_mass, np.mean(np.diag(matrix)), rtol=1e-6)


def test_one_directional_star_is_at_root_two_and_its_columns_are_off():
    weights = np.array([0.2, 0.3, 0.5], np.float32)
    report = diagnostics.symmetry(weights, pattern([1, 2, 3], [0, 0, 0], 5))
    np.testing.assert_allclose(report, [ROOT2, ROOT2, 0.0, 0.0, 0.8], atol=1e-6)


def test_antisymmetric_weights_are_at_two(rng):
    matrix = rng.normal(size=(4, 4)).astype(np.float32)
    np.testing.assert_allclose(diagnostics.symmetry_error(matrix - matrix.T), 2, rtol=1e-5)


def test_collapse_onto_self_loops_shows_off_the_diagonal_only():
    matrix = np.array([[0.99, 0.01], [0.0, 1.0]], np.float32)
    report = diagnostics.symmetry(matrix)
    assert report.error < 0.02
    np.testing.assert_allclose(report.off_diagonal_error, ROOT2, rtol=1e-5)
    np.testing.assert_allclose(report.diagonal_mass, 0.995, rtol=1e-5)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), num_nodes=st.sampled_from([1, 2, 5]), masked=st.booleans())
def test_edges_agree_with_the_dense_matrix(seed, num_nodes, masked):
    rng = np.random.default_rng(seed)
    weights, senders, receivers = random_edges(rng, num_nodes, 12)
    where = rng.random(12) < 0.5 if masked else None
    matrix = dense(weights, senders, receivers, num_nodes, where)
    edges = pattern(senders, receivers, num_nodes, where)
    on_edges = diagnostics.symmetry(weights, edges)
    on_matrix = diagnostics.symmetry(matrix)
    for name, a, b in zip(on_edges._fields, on_edges, on_matrix):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=name)
    sums = diagnostics.row_column_sums(weights, edges)
    np.testing.assert_allclose(sums[0].T, matrix.sum(-1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(sums[1].T, matrix.sum(-2), rtol=1e-4, atol=1e-5)


def test_dense_error_is_its_definition(rng):
    matrix = rng.normal(size=(2, 3, 5, 5)).astype(np.float32)
    antisymmetric = np.linalg.norm(matrix - matrix.swapaxes(-1, -2), axis=(-2, -1))
    np.testing.assert_allclose(
        diagnostics.symmetry_error(matrix),
        antisymmetric / np.linalg.norm(matrix, axis=(-2, -1)),
        rtol=1e-5,
    )
    off = matrix * (1 - np.eye(5, dtype=np.float32))
    np.testing.assert_allclose(
        diagnostics.off_diagonal_symmetry_error(matrix),
        antisymmetric / np.linalg.norm(off, axis=(-2, -1)),
        rtol=1e-5,
    )


def test_parallel_edges_are_one_entry():
    # 0 -> 1 three times against 1 -> 0 once: symmetric as a matrix, though two copies lack a pair.
    weights = np.array([0.1, 0.2, 0.3, 0.6], np.float32)
    edges = pattern([0, 0, 0, 1], [1, 1, 1, 0], 2)
    np.testing.assert_allclose(diagnostics.symmetry_error(weights, edges), 0, atol=1e-6)


def test_order_of_the_edges_and_precomputed_pairs_do_not_matter(rng):
    weights, senders, receivers = random_edges(rng, 6, 30)
    expected = diagnostics.symmetry_error(weights, pattern(senders, receivers, 6))
    pairs = diagnostics.unordered_pairs(pattern(senders, receivers, 6))
    for order in (np.arange(30), rng.permutation(30)):
        edges = pattern(senders[order], receivers[order], 6)
        np.testing.assert_allclose(
            diagnostics.symmetry_error(weights[order], edges, pairs=pairs[order]),
            expected,
            rtol=1e-5,
        )


def test_unordered_pairs_group_exactly_the_edges_between_two_nodes(rng):
    _, senders, receivers = random_edges(rng, 5, 30)
    pairs = np.asarray(jax.jit(diagnostics.unordered_pairs)(pattern(senders, receivers, 5)))
    ends = np.sort(np.stack([senders, receivers], axis=1), axis=1)
    same_ends = (ends[:, None] == ends[None]).all(-1)
    np.testing.assert_array_equal(pairs[:, None] == pairs[None], same_ends)
    assert pairs.min() >= 0 and pairs.max() < 30 and pairs.dtype == np.int32


def test_padding_does_not_enter(rng):
    weights, senders, receivers = random_edges(rng, 5, 12)
    alone = diagnostics.symmetry(weights, pattern(senders, receivers, 5))
    node_mask = np.arange(8) < 5
    padded = np.concatenate([weights, np.full((4, 2), np.nan, np.float32)])
    ends = (
        np.concatenate([senders, np.array([5, 6, 7, 5], np.int32)]),
        np.concatenate([receivers, np.array([5, 6, 7, 6], np.int32)]),
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5),
        diagnostics.symmetry(padded, pattern(*ends, 8), node_mask=node_mask),
        alone,
    )
    masked = pattern(*ends, 8, where=np.arange(16) < 12)
    np.testing.assert_allclose(diagnostics.symmetry_error(padded, masked), alone.error, rtol=1e-5)
    matrix = np.full((2, 8, 8), np.nan, np.float32)
    matrix[:, :5, :5] = dense(weights, senders, receivers, 5)
    for mask in (node_mask, np.broadcast_to(node_mask, (2, 8))):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
            diagnostics.symmetry(matrix, node_mask=mask),
            alone,
        )


def test_sums_are_over_nodes_that_have_edges():
    # 2 is isolated, 1 sends nothing.
    report = diagnostics.symmetry(np.array([1.0, 0.5], np.float32), pattern([0, 0], [1, 0], 3))
    np.testing.assert_allclose(report.row_sum_error, 0.5)
    np.testing.assert_allclose(report.column_sum_error, 0.5)


def test_a_receiver_whose_weights_vanish_is_an_error_of_its_row():
    report = diagnostics.symmetry(np.array([0.0, 1.0], np.float32), pattern([0, 1], [1, 0], 2))
    np.testing.assert_allclose(report.row_sum_error, 1.0)


@pytest.mark.parametrize(
    "arguments",
    [
        (np.zeros(0, np.float32), pattern(NO_EDGES, NO_EDGES, 2)),
        (np.zeros(2, np.float32), pattern([0, 1], [1, 0], 2)),
        (np.zeros((3, 3), np.float32),),
        (np.zeros((0, 0), np.float32),),
    ],
)
def test_empty_and_zero_weights_have_error_zero_and_gradient_zero(arguments, debug_nans):
    weights, *edges = arguments
    value, gradient = jax.value_and_grad(diagnostics.symmetry_error)(jnp.asarray(weights), *edges)
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(weights))
    assert np.all(np.isfinite(np.asarray(diagnostics.symmetry(weights, *edges))))


def test_gradient_is_zero_at_symmetric_weights_and_right_elsewhere(rng, debug_nans):
    weights, senders, receivers = random_edges(rng, 4, 10)
    symmetric = jnp.asarray(weights[:3, 0])
    gradient = jax.grad(diagnostics.symmetry_error)(
        jnp.concatenate([symmetric, symmetric]),
        pattern([0, 1, 2, 1, 2, 2], [1, 2, 2, 0, 1, 2], 3),
    )
    np.testing.assert_array_equal(gradient, 0)
    with jax.enable_x64(True):
        check_grads(
            lambda w: diagnostics.symmetry_error(w, pattern(senders, receivers, 4)),
            (jnp.asarray(weights, jnp.float64),),
            order=1,
            modes=["rev"],
        )


def test_jits_and_takes_half_precision(rng):
    weights, senders, receivers = random_edges(rng, 4, 10)
    edges = pattern(senders, receivers, 4)
    report = jax.jit(diagnostics.symmetry)(jnp.asarray(weights, jnp.bfloat16), edges)
    exact = diagnostics.symmetry(weights, edges)
    for a, b in zip(report, exact):
        assert a.dtype == jnp.float32
        np.testing.assert_allclose(a, b, rtol=0.05)


def test_of_an_attention_on_a_padded_graph(rng):
    """What a layer gives, on the pattern of the graph that it was given, is what it is without padding."""
    graph = testing.random_graph(0, 6, 12, 4, undirected=True, self_loops=True)
    padded = graphs.pad(graph, graphs.Budget(9, 24, 3))

    @jax.jit
    def report(graph):
        x, edges = graph.nodes[:, None], graphs.pattern(graph)
        attention = ops.edge_attention(x, x, x, edges).attention
        given = diagnostics.symmetry(attention, edges, node_mask=graphs.node_mask(graph))
        return given, diagnostics.symmetry(attention.weights, edges)

    want, same = report(graph)
    np.testing.assert_array_equal(want, same)
    np.testing.assert_allclose(report(padded)[0], want, rtol=1e-5, atol=1e-6)


def test_sums_of_a_bipartite_pattern():
    edges = ops.Edges(
        np.array([2, 2, 0, 1]), np.array([0, 1, 0, 1]), num_senders=3, num_receivers=2,
        mask=np.array([True, True, True, False]),
    )  # fmt: skip
    rows, columns = diagnostics.row_column_sums(
        np.array([0.75, 1.0, 0.25, np.nan], np.float32), edges
    )
    assert rows.tolist() == [1, 1] and columns.tolist() == [0.25, 0, 1.75]


SQUARE = np.eye(3, dtype=np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w, e: diagnostics.symmetry_error(w), r"weights must have shape \[..., N, N\]"),
        (lambda w, e: diagnostics.symmetry_error(w[:4], e), r"weights must have shape \[6\]"),
        (
            lambda w, e: diagnostics.symmetry(w, pattern(e.senders, e.receivers, 2)),
            r"must lie in \[0, 2\) for 2 nodes",
        ),
        (
            lambda w, e: diagnostics.symmetry(w, graphs.from_edge_list(e.senders, e.receivers)),
            r"edges must be a pattern.*got GraphsTuple.*Fix: ga.graphs.pattern\(graph\)",
        ),
        (
            lambda w, e: diagnostics.symmetry_error(SQUARE, pairs=e.senders),
            "pairs belongs to edge weights",
        ),
        (
            lambda w, e: diagnostics.symmetry_error(SQUARE, node_mask=np.ones(4, bool)),
            "node_mask must be boolean",
        ),
        (
            lambda w, e: diagnostics.symmetry(w, e, node_mask=np.ones(4, bool)),
            r"node_mask must have shape \[3\]",
        ),
        (lambda w, e: diagnostics.symmetry_error(w.astype(int), e), "weights must be floating"),
        (
            lambda w, e: diagnostics.symmetry_error(w, e, pairs=e.senders[:2]),
            r"pairs must have shape \[6\]",
        ),
        (
            lambda w, e: diagnostics.symmetry(w, ops.Edges(e.senders, e.receivers, 3, 3)),
            "attention from 3 senders to 3 other nodes",
        ),
        (
            lambda w, e: diagnostics.unordered_pairs(ops.Edges(e.senders, e.receivers, 3, 3)),
            "attention from 3 senders to 3 other nodes",
        ),
        (
            lambda w, e: diagnostics.row_column_sums(
                w, ops.Edges(e.senders, e.receivers, 3, 3), node_mask=np.ones(3, bool)
            ),
            "node_mask is for patterns of one set of nodes",
        ),
    ],
)
def test_errors(call, message):
    weights = np.ones((6, 2), np.float32)
    with pytest.raises(ValueError, match=message):
        call(weights, pattern([0, 1, 2, 0, 1, 2], [1, 1, 2, 2, 0, 0], 3))
