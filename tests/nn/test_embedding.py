import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import nn

SIZES = (5, 6, 2)


@pytest.fixture
def params():
    return nn.init_embedding(jax.random.key(0), SIZES, 4)


@pytest.fixture
def ids(rng):
    return np.stack([rng.integers(0, size, 7) for size in SIZES], axis=1).astype(np.int32)


def slow(params, ids):
    tables = [np.asarray(table) for table in params.tables]
    rows = [sum(table[i] for table, i in zip(tables, row, strict=True)) for row in ids]
    return np.reshape(rows, (len(ids), tables[0].shape[1]))


def multi_hot(params, ids):
    """The product form, whose gradient is a product too."""
    hot = [jax.nn.one_hot(column, len(t)) for column, t in zip(ids.T, params.tables, strict=True)]
    return jnp.concatenate(hot, axis=1) @ jnp.concatenate(params.tables)


def test_rows_are_sums_over_columns(params, ids):
    np.testing.assert_allclose(nn.embedding(params, ids), slow(params, ids), atol=1e-6)
    assert nn.embedding(params, np.zeros((0, 3), np.int32)).shape == (0, 4)


def test_gradient_is_that_of_the_multi_hot_product(params, ids, rng):
    w = jnp.asarray(rng.normal(size=(7, 4)), jnp.float32)

    def gradient(f):
        return jax.jit(jax.grad(lambda p: (f(p, ids) * w).sum()))(params)

    got, want = gradient(nn.embedding), gradient(multi_hot)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), got, want)
    assert all((np.asarray(table) != 0).any() for table in got.tables)


def test_one_column_as_a_vector_or_a_matrix():
    params = nn.init_embedding(jax.random.key(0), 28, 4)
    ids = np.array([3, 27, 3], np.uint8)
    y = nn.embedding(params, ids)
    np.testing.assert_array_equal(y, np.asarray(params.tables[0])[[3, 27, 3]])
    np.testing.assert_array_equal(y, nn.embedding(params, ids[:, None]))


def test_rows_do_not_mix(params, ids, rng):
    order = rng.permutation(7)
    np.testing.assert_array_equal(
        nn.embedding(params, ids[order]), np.asarray(nn.embedding(params, ids))[order]
    )


def test_under_jit_ids_out_of_range_are_nan(params):
    ids = jnp.array([[-1, 0, 1], [-(2**31), 2**31 - 1, 1], [4, 5, 1], [5, 0, 0]])
    got = jax.jit(nn.embedding)(params, ids)
    np.testing.assert_array_equal(np.isnan(got).all(axis=1), [True, True, False, True])
    np.testing.assert_array_equal(got[2:3], nn.embedding(params, ids[2:3]))
    gradient = jax.grad(lambda p: jax.jit(nn.embedding)(p, ids).sum())(params)
    assert all(np.isfinite(table).all() for table in gradient.tables)


def test_dtype_is_that_of_the_tables_and_half_precision_sums_in_float32():
    # 1 + 2^-8 + 2^-8 is 1 + 2^-7 in bf16; added one by one, each half step rounds back to 1.
    tables = tuple(jnp.full((1, 1), x, jnp.bfloat16) for x in (1.0, 2.0**-8, 2.0**-8))
    y = nn.embedding(nn.EmbeddingParams(tables), np.zeros((1, 3), np.int32))
    assert y.dtype == jnp.bfloat16 and y.item() == 1 + 2**-7


def test_init_makes_each_table_by_its_own_size_and_key():
    params = nn.init_embedding(jax.random.key(0), (40, 40), 8, init=jax.nn.initializers.normal(0.1))
    first, second = (np.asarray(table) for table in params.tables)
    assert (first != second).all() and abs(first.std() - 0.1) < 0.02
    glorot = nn.init_embedding(jax.random.key(0), (2, 1000), 8).tables
    for table in glorot:
        assert np.abs(table).max() <= np.sqrt(6 / (table.shape[0] + 8))
    assert np.abs(glorot[0]).max() > np.sqrt(6 / 1008)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.zeros((2, 3), np.float32), "ids must be integer ids, got float32 array"),
        (np.zeros((2, 4), np.int32), r"ids must have shape \[N, 3\].*got \(2, 4\).*Fix"),
        (np.zeros(2, np.int32), r"ids must have shape \[N, 3\].*got \(2, 1\)"),
        (np.array([[0, 6, 0]]), r"column 1 of ids must lie in \[0, 6\) for 6 categories, got 6"),
        (np.array([[0, 0, 0], [0, 0, -1]]), r"column 2 of ids .*got -1 at position 1"),
    ],
)
def test_wrong_ids(params, ids, message):
    with pytest.raises(ValueError, match=message):
        nn.embedding(params, ids)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((), 4), "at least one column"),
        (((3, 0), 4), "num_categories must be a positive integer, got int 0"),
        ((3, 0), "width must be a positive integer"),
    ],
)
def test_wrong_sizes(arguments, message):
    with pytest.raises(ValueError, match=message):
        nn.init_embedding(jax.random.key(0), *arguments)
