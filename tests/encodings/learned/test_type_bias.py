import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.encodings import TypeBiasParams, TypeFactors, init_type_bias, type_bias

GRAPH = ga.graphs.all_pairs(ga.graphs.from_edge_list([], [], num_nodes=6))
ENDS = GRAPH.senders, GRAPH.receivers
TYPES = np.array([0, 1, 2, 2, 1, 0])


def params_of(rank, symmetric=False):
    return init_type_bias(jax.random.key(0), 3, 4, rank=rank, symmetric=symmetric)


def table_of(params, symmetric):
    """`B[type of receiver, type of sender]`, type by type."""
    table = params.table
    if isinstance(table, TypeFactors):
        sender = table.receiver if table.sender is None else table.sender
        return np.einsum("ahr,bhr,hr->abh", table.receiver, sender, table.scale)
    table = np.asarray(table)
    return (table + table.swapaxes(0, 1)) / 2 if symmetric else table


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("rank", [None, 2])
def test_reads_a_table_of_types(rank, symmetric):
    params = params_of(rank, symmetric)
    got = type_bias(params, TYPES, *ENDS, symmetric=symmetric)
    want = table_of(params, symmetric)[TYPES[GRAPH.receivers], TYPES[GRAPH.senders]]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)
    square = np.asarray(got).reshape(6, 6, 4)
    assert np.array_equal(square, square.swapaxes(0, 1)) == symmetric
    jitted = jax.jit(type_bias, static_argnames="symmetric")
    np.testing.assert_allclose(
        jitted(params, TYPES, *ENDS, symmetric=symmetric), got, rtol=1e-5, atol=1e-7
    )


def test_the_factorised_symmetric_form_may_repel_its_own_type():
    """Like types repel, others attract: not positive semidefinite, so it needs a sign."""
    attracted = jnp.tile(jnp.array([1.0, -1.0, 0.0])[:, None, None], (1, 4, 1))
    params = TypeBiasParams(TypeFactors(attracted, None, -jnp.ones((4, 1))))
    ends = np.array([0, 0]), np.array([0, 1])
    bias = type_bias(params, TYPES, *ends, symmetric=True)
    np.testing.assert_array_equal(bias[:, 0], [-1, 1])


@pytest.mark.parametrize("rank", [None, 5])
def test_initial_biases_are_small(rank):
    params = init_type_bias(jax.random.key(0), 40, 3, rank=rank)
    np.testing.assert_allclose(np.std(table_of(params, False)), 0.02, rtol=0.1)


def test_gradients_count_pairs():
    params = params_of(None)
    grads = jax.grad(lambda p: type_bias(p, TYPES, *ENDS)[:, 0].sum())(params).table
    np.testing.assert_array_equal(grads[:, :, 0], np.full((3, 3), 4))


def test_follows_a_permutation_and_an_order_of_edges(rng):
    moved = ga.testing.permute_nodes(GRAPH, permutation := rng.permutation(6))
    params = params_of(2)
    got = type_bias(params, TYPES[permutation], moved.senders, moved.receivers)
    np.testing.assert_array_equal(got, type_bias(params, TYPES, *ENDS))


def test_no_edges():
    none = np.zeros(0, np.int32)
    for rank in (None, 2):
        assert type_bias(params_of(rank), TYPES, none, none).shape == (0, 4)


def test_errors():
    with pytest.raises(ValueError, match=r"node_types must lie in \[0, 3\) for 3 types, got 3"):
        type_bias(params_of(None), TYPES + 1, *ENDS)
    with pytest.raises(ValueError, match="node_types must be integer ids"):
        type_bias(params_of(None), TYPES.astype(np.float32), *ENDS)
    with pytest.raises(ValueError, match=r"receivers must lie in \[0, 6\) for 6 nodes"):
        type_bias(params_of(None), TYPES, GRAPH.senders, GRAPH.receivers + 1)
    with pytest.raises(ValueError, match=r"receivers must have shape \[36\], got \(3,\)"):
        type_bias(params_of(None), TYPES, GRAPH.senders, GRAPH.receivers[:3])
    with pytest.raises(ValueError, match="params do not fit symmetric=True: sender is given"):
        type_bias(params_of(2), TYPES, *ENDS, symmetric=True)
    with pytest.raises(ValueError, match="params do not fit symmetric=False: sender is None"):
        type_bias(params_of(2, symmetric=True), TYPES, *ENDS)
    with pytest.raises(ValueError, match="rank must be a positive integer, got int 0"):
        params_of(0)
