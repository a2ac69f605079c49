import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.encodings import init_type_distance_bias, type_bias, type_distance_bias

GRAPH = ga.testing.random_graph(0, 7, 14, 1, undirected=True)
PAIRS = ga.graphs.all_pairs(GRAPH)
ENDS = PAIRS.senders, PAIRS.receivers
BUCKETS = ga.encodings.shortest_path_distances(GRAPH, 2, pattern=PAIRS)
COUNT = ga.encodings.distance_buckets(2).count
TYPES = np.array([0, 1, 2, 2, 1, 0, 1])


def params_of(rank, symmetric=False):
    params = init_type_distance_bias(jax.random.key(0), 3, COUNT, 4, rank=rank, symmetric=symmetric)
    if not rank:
        return params
    different = jax.random.normal(jax.random.key(1), (COUNT, 4, rank))  # the same at first
    return params._replace(table=params.table._replace(scale=different))


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("rank", [None, 2])
def test_is_a_type_bias_for_each_bucket(rank, symmetric):
    params = params_of(rank, symmetric)
    got = type_distance_bias(params, TYPES, *ENDS, BUCKETS, symmetric=symmetric)
    assert len(set(BUCKETS.tolist())) > 3
    for bucket in range(COUNT):
        if rank:
            part = params.table._replace(scale=params.table.scale[bucket])
        else:
            part = params.table[:, :, bucket]
        one = ga.encodings.TypeBiasParams(part)
        want = type_bias(one, TYPES, *ENDS, symmetric=symmetric)
        here = bucket == BUCKETS
        np.testing.assert_allclose(got[here], want[here], rtol=1e-6, atol=1e-8)
    square = np.asarray(got).reshape(7, 7, 4)
    assert np.array_equal(square, square.swapaxes(0, 1)) == symmetric


def test_one_type_is_a_relative_bias():
    params = init_type_distance_bias(jax.random.key(0), 1, COUNT, 4)
    got = type_distance_bias(params, np.zeros(7, np.int32), *ENDS, BUCKETS)
    np.testing.assert_array_equal(got, ga.attention.relative_bias(params.table[0, 0], BUCKETS))


def test_jit_and_no_edges():
    params = params_of(2)
    got = jax.jit(type_distance_bias)(params, TYPES, *ENDS, BUCKETS)
    want = type_distance_bias(params, TYPES, *ENDS, BUCKETS)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)
    none = jnp.zeros(0, jnp.int32)
    assert type_distance_bias(params, TYPES, none, none, none).shape == (0, 4)


def test_errors():
    with pytest.raises(ValueError, match=r"buckets must lie in \[0, 6\) for 6 buckets, got 6"):
        type_distance_bias(params_of(None), TYPES, *ENDS, np.full(49, COUNT))
    with pytest.raises(ValueError, match=r"buckets must lie in \[0, 6\) for 6 buckets, got 6"):
        type_distance_bias(params_of(2), TYPES, *ENDS, np.full(49, COUNT))
    with pytest.raises(ValueError, match=r"buckets must have shape \[49\]"):
        type_distance_bias(params_of(None), TYPES, *ENDS, BUCKETS[:3])
    with pytest.raises(ValueError, match="params do not fit symmetric=True"):
        type_distance_bias(params_of(2), TYPES, *ENDS, BUCKETS, symmetric=True)
    with pytest.raises(ValueError, match="num_buckets must be a positive integer"):
        init_type_distance_bias(jax.random.key(0), 3, 0, 4)
