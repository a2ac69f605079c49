import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import testing

# A triangle with self-loops, uniform attention.
SENDERS, RECEIVERS = (x.ravel() for x in np.meshgrid(np.arange(3), np.arange(3)))
UNIFORM = np.full((9, 2), 1 / 3, np.float32)


def off_diagonal(weights, edge, by):
    weights = weights.copy()
    weights[edge, 1] += np.float32(by)
    return weights


@pytest.mark.parametrize("weights", [UNIFORM, UNIFORM[:, 0], jnp.asarray(UNIFORM)])
def test_uniform_attention_on_a_complete_graph_passes_all(weights):
    testing.assert_symmetric_attention(weights, SENDERS, RECEIVERS)
    testing.assert_row_stochastic(weights, RECEIVERS)
    testing.assert_doubly_stochastic(weights, SENDERS, RECEIVERS)


def test_no_edges_pass():
    none = np.zeros(0, np.int32)
    testing.assert_symmetric_attention(np.zeros((0, 2)), none, none)
    testing.assert_doubly_stochastic(np.zeros(0), none, none)


def test_asymmetry_names_the_pair_the_head_and_the_amount():
    weights = off_diagonal(UNIFORM, 5, 0.25)  # edge 5 goes from 2 to 1
    with pytest.raises(AssertionError) as failure:
        testing.assert_symmetric_attention(weights, SENDERS, RECEIVERS)
    for part in ("between nodes 1 and 2, head 1", "0.583333 from 2 to 1", "off by 0.25", "softmax"):
        assert part in str(failure.value)
    testing.assert_symmetric_attention(weights, SENDERS, RECEIVERS, atol=0.3)


def test_a_missing_reverse_edge_is_the_named_cause():
    with pytest.raises(AssertionError, match="add_reverse_edges"):
        testing.assert_symmetric_attention(np.ones(1), np.array([0]), np.array([1]))


def test_parallel_edges_add_up():
    testing.assert_symmetric_attention(
        np.array([0.1, 0.2, 0.3]), np.array([0, 0, 1]), np.array([1, 1, 0])
    )


def test_rows_name_the_node_and_the_sum():
    weights = off_diagonal(UNIFORM, 5, 0.25)
    with pytest.raises(AssertionError, match=r"into node 1, head 1, sums to 1.25,.*1 of 3 nodes"):
        testing.assert_row_stochastic(weights, RECEIVERS)


def test_columns_are_checked_as_well():
    # Rows 1, columns 0.5 and 1.5.
    weights, senders, receivers = (
        np.array([0.5, 0.5, 1.0]),
        np.array([0, 1, 1]),
        np.array([0, 0, 1]),
    )
    testing.assert_row_stochastic(weights, receivers)
    with pytest.raises(AssertionError, match=r"out of node 0, head 0, sums to 0.5"):
        testing.assert_doubly_stochastic(weights, senders, receivers)


def test_a_node_that_only_sends_has_an_empty_row():
    with pytest.raises(AssertionError, match="into node 0, head 0, sums to 0, wanted 1"):
        testing.assert_doubly_stochastic(np.ones(1), np.array([0]), np.array([1]))


@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_negative_and_nan_weights(bad):
    with pytest.raises(AssertionError, match=r"negative or NaN:.*at edge 1, head 0"):
        testing.assert_row_stochastic(np.array([1.0, bad]), np.array([0, 0]))


def test_masked_edges_do_not_count():
    weights = np.concatenate([UNIFORM, np.full((2, 2), np.nan, np.float32)])
    senders = np.concatenate([SENDERS, [0, 1]])
    receivers = np.concatenate([RECEIVERS, [1, 1]])
    where = np.arange(11) < 9
    testing.assert_symmetric_attention(weights, senders, receivers, where=where)
    testing.assert_doubly_stochastic(weights, senders, receivers, where=where)
    with pytest.raises(AssertionError):
        testing.assert_symmetric_attention(weights, senders, receivers)
    with pytest.raises(AssertionError):
        testing.assert_doubly_stochastic(weights, senders, receivers)


def test_errors():
    with pytest.raises(ValueError, match=r"weights must have shape \[9\] or \[9, H\]"):
        testing.assert_symmetric_attention(UNIFORM[:4], SENDERS, RECEIVERS)
    with pytest.raises(ValueError, match="where must be boolean"):
        testing.assert_row_stochastic(UNIFORM, RECEIVERS, where=np.ones(9))
