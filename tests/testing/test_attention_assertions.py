import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import ops, testing
from graphattn_jax.ops._attention import Weights

# A triangle with self-loops, uniform attention.
SENDERS, RECEIVERS = (x.ravel() for x in np.meshgrid(np.arange(3), np.arange(3)))
TRIANGLE = ops.Edges(SENDERS, RECEIVERS, num_senders=3)
UNIFORM = np.full((9, 2), 1 / 3, np.float32)


def pattern(senders, receivers, num_nodes=2, where=None):
    return ops.Edges(np.array(senders), np.array(receivers), num_senders=num_nodes, mask=where)


def off_diagonal(weights, edge, by):
    weights = weights.copy()
    weights[edge, 1] += np.float32(by)
    return weights


@pytest.mark.parametrize(
    "weights",
    [
        UNIFORM,
        UNIFORM[:, 0],
        jnp.asarray(UNIFORM),
        ops.Attention(lambda: Weights(UNIFORM, UNIFORM, UNIFORM)),
    ],
)
def test_uniform_attention_on_a_complete_graph_passes_all(weights):
    testing.assert_symmetric_attention(weights, TRIANGLE)
    testing.assert_row_stochastic(weights, TRIANGLE)
    testing.assert_doubly_stochastic(weights, TRIANGLE)


def test_no_edges_pass():
    none = pattern(np.zeros(0, np.int32), np.zeros(0, np.int32))
    testing.assert_symmetric_attention(np.zeros((0, 2)), none)
    testing.assert_doubly_stochastic(np.zeros(0), none)


def test_asymmetry_names_the_pair_the_head_and_the_amount():
    weights = off_diagonal(UNIFORM, 5, 0.25)  # edge 5 goes from 2 to 1
    with pytest.raises(AssertionError) as failure:
        testing.assert_symmetric_attention(weights, TRIANGLE)
    for part in ("between nodes 1 and 2, head 1", "0.583333 from 2 to 1", "off by 0.25", "softmax"):
        assert part in str(failure.value)
    testing.assert_symmetric_attention(weights, TRIANGLE, atol=0.3)


def test_a_missing_reverse_edge_is_the_named_cause():
    with pytest.raises(AssertionError, match="add_reverse_edges"):
        testing.assert_symmetric_attention(np.ones(1), pattern([0], [1]))


def test_parallel_edges_add_up():
    testing.assert_symmetric_attention(np.array([0.1, 0.2, 0.3]), pattern([0, 0, 1], [1, 1, 0]))


def test_rows_name_the_node_and_the_sum():
    weights = off_diagonal(UNIFORM, 5, 0.25)
    with pytest.raises(AssertionError, match=r"into node 1, head 1, sums to 1.25,.*1 of 3 nodes"):
        testing.assert_row_stochastic(weights, TRIANGLE)


def test_columns_are_checked_as_well():
    # Rows 1, columns 0.5 and 1.5.
    weights, edges = np.array([0.5, 0.5, 1.0]), pattern([0, 1, 1], [0, 0, 1])
    testing.assert_row_stochastic(weights, edges)
    with pytest.raises(AssertionError, match=r"out of node 0, head 0, sums to 0.5"):
        testing.assert_doubly_stochastic(weights, edges)


def test_a_node_that_only_sends_has_an_empty_row():
    with pytest.raises(AssertionError, match="into node 0, head 0, sums to 0, wanted 1"):
        testing.assert_doubly_stochastic(np.ones(1), pattern([0], [1]))


@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_negative_and_nan_weights(bad):
    with pytest.raises(AssertionError, match=r"negative or NaN:.*at edge 1, head 0"):
        testing.assert_row_stochastic(np.array([1.0, bad]), pattern([0, 1], [0, 0]))


def test_masked_edges_do_not_count():
    weights = np.concatenate([UNIFORM, np.full((2, 2), np.nan, np.float32)])
    ends = np.concatenate([SENDERS, [0, 1]]), np.concatenate([RECEIVERS, [1, 1]])
    masked, whole = pattern(*ends, 3, where=np.arange(11) < 9), pattern(*ends, 3)
    testing.assert_symmetric_attention(weights, masked)
    testing.assert_doubly_stochastic(weights, masked)
    with pytest.raises(AssertionError):
        testing.assert_symmetric_attention(weights, whole)
    with pytest.raises(AssertionError):
        testing.assert_doubly_stochastic(weights, whole)


def test_rows_of_a_bipartite_pattern():
    edges = ops.Edges(np.array([2, 0, 1]), np.array([0, 0, 1]), num_senders=3, num_receivers=2)
    testing.assert_row_stochastic(np.array([0.3, 0.7, 1.0]), edges)
    with pytest.raises(AssertionError, match=r"into node 1, head 0, sums to 0.5"):
        testing.assert_row_stochastic(np.array([0.3, 0.7, 0.5]), edges)
    for function in (testing.assert_symmetric_attention, testing.assert_doubly_stochastic):
        with pytest.raises(ValueError, match="attention from 3 senders to 2 other nodes"):
            function(np.array([0.3, 0.7, 1.0]), edges)


def test_errors():
    with pytest.raises(ValueError, match=r"weights must have shape \[9\] or \[9, H\]"):
        testing.assert_symmetric_attention(UNIFORM[:4], TRIANGLE)
    with pytest.raises(ValueError, match=r"edges.mask must be boolean"):
        testing.assert_row_stochastic(UNIFORM, pattern(SENDERS, RECEIVERS, 3, np.ones(9)))
    with pytest.raises(
        ValueError, match=r"edges must be a pattern.*Fix: ga.graphs.pattern\(graph\)"
    ):
        testing.assert_row_stochastic(UNIFORM, RECEIVERS)
