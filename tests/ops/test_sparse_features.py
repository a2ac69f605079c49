import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from jax.test_util import check_grads

import graphattn_jax as ga
from graphattn_jax.ops import SparseFeatures

KEY = jax.random.key(0)


def random_matrix(num_rows=30, num_columns=20, density=0.15, seed=0):
    """With empty rows and columns."""
    matrix = scipy.sparse.random_array(
        (num_rows, num_columns), density=density, rng=seed, dtype=np.float32
    ).toarray()
    matrix[[0, 7, -1]] = 0
    matrix[:, [2, -1]] = 0
    return matrix


def test_holds_the_matrix():
    dense = random_matrix()
    for x in (
        SparseFeatures.from_dense(dense),
        SparseFeatures.from_scipy(scipy.sparse.csc_array(dense)),
        SparseFeatures.from_scipy(scipy.sparse.coo_matrix(dense.astype(np.float64))),
    ):
        assert (x.shape, x.ndim, x.dtype) == ((30, 20), 2, np.float32)
        assert len(x.values) == (dense != 0).sum()
        np.testing.assert_array_equal(x.to_dense(), dense)
        np.testing.assert_array_equal(x.to_scipy().toarray(), dense)


def test_duplicates_are_summed_and_stored_zeros_dropped():
    entries = (np.array([1, 2, 5, 0]), (np.array([0, 0, 1, 1]), np.array([2, 2, 0, 1])))
    x = SparseFeatures.from_scipy(scipy.sparse.coo_array(entries, shape=(3, 4)))
    np.testing.assert_array_equal(x.values, np.array([3.0, 5.0], np.float32))
    np.testing.assert_array_equal(x.to_dense()[:2], [[0, 0, 3, 0], [5, 0, 0, 0]])


def test_leaves_its_input_alone():
    matrix = scipy.sparse.csr_array((np.ones(3), np.array([1, 1, 0]), np.array([0, 2, 3])))
    SparseFeatures.from_scipy(matrix)
    assert matrix.nnz == 3


@pytest.mark.parametrize("density", [0.0, 0.15, 1.0])
def test_product_and_its_gradient_equal_the_dense_ones(density):
    dense = random_matrix(density=density) if density < 1 else np.ones((30, 20), np.float32)
    x = SparseFeatures.from_dense(dense)
    weight = jax.random.normal(KEY, (20, 6))
    cotangent = jax.random.normal(jax.random.key(1), (30, 6))
    out, pullback = jax.vjp(jax.jit(lambda w: x @ w), weight)
    np.testing.assert_allclose(out, dense @ np.asarray(weight), atol=1e-6)
    (gradient,) = pullback(cotangent)
    np.testing.assert_allclose(gradient, dense.T @ np.asarray(cotangent), atol=1e-5, rtol=1e-6)


def test_gradient_of_the_values():
    x = SparseFeatures.from_dense(random_matrix(8, 6, 0.4))
    weight = jax.random.normal(KEY, (6, 3))

    def product(values, weight):
        return SparseFeatures(values, x.edges) @ weight

    check_grads(product, (jnp.asarray(x.values), weight), order=1, modes=["rev"], rtol=1e-2)


def test_forward_mode_without_layout():
    dense = random_matrix(8, 6, 0.4)
    x = SparseFeatures.from_dense(dense)
    weight, direction = jax.random.normal(KEY, (2, 6, 3))
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(lambda w: x @ w, (weight,), (direction,))
    plain = x.without_layout()
    out, change = jax.jvp(lambda w: plain @ w, (weight,), (direction,))
    np.testing.assert_allclose(out, dense @ np.asarray(weight), atol=1e-5)
    np.testing.assert_allclose(change, dense @ np.asarray(direction), atol=1e-5)


def test_half_precision_accumulates_in_float32():
    # 4096 times 2^-12 is exactly 1; a bf16 running sum stalls at 2^-4.
    x = SparseFeatures.from_dense(np.ones((1, 4096)), jnp.bfloat16)
    params = ga.nn.LinearParams(weight=jnp.full((4096, 1), 2.0**-12), bias=jnp.zeros(1))
    y = ga.nn.linear(params, x)
    assert x.dtype == y.dtype == jnp.bfloat16
    np.testing.assert_allclose(y.astype(jnp.float32), 1.0, rtol=2**-8)


def test_linear_and_mlp_take_it():
    dense = random_matrix()
    x = SparseFeatures.from_dense(dense)
    linear = ga.nn.init_linear(KEY, 20, 5)
    linear = linear._replace(bias=jnp.arange(5.0))
    np.testing.assert_allclose(
        ga.nn.linear(linear, x), ga.nn.linear(linear, dense), atol=1e-6, rtol=1e-6
    )
    mlp = ga.nn.init_mlp(KEY, [20, 8, 3])
    options = {"dropout": ga.ops.Dropout(0.5, KEY)}  # of the hidden layer
    np.testing.assert_allclose(
        ga.nn.mlp(mlp, x, **options), ga.nn.mlp(mlp, dense, **options), atol=1e-6
    )


class TestDropout:
    def test_drops_stored_values_and_keeps_the_mean(self):
        x = SparseFeatures.from_dense(np.ones((100, 200), np.float32))
        dropped = ga.ops.dropout(x, 0.6, KEY)
        values = np.asarray(dropped.values)
        kept = values > 0
        np.testing.assert_allclose(values[kept], 2.5, rtol=1e-6)
        assert abs(kept.mean() - 0.4) < 4 * np.sqrt(0.24 / values.size)
        assert dropped.edges is x.edges

    def test_same_key_same_mask(self):
        x = SparseFeatures.from_dense(random_matrix())
        drop = jax.jit(lambda x, key: ga.ops.dropout(x, 0.5, key).values)
        first = ga.ops.dropout(x, 0.5, KEY).values
        np.testing.assert_array_equal(first, drop(x, KEY))
        assert (np.asarray(first) != np.asarray(drop(x, jax.random.key(1)))).any()

    def test_product_is_that_of_the_dropped_matrix(self):
        x = ga.ops.dropout(SparseFeatures.from_dense(random_matrix()), 0.5, KEY)
        weight = jax.random.normal(KEY, (20, 6))
        np.testing.assert_allclose(x @ weight, x.to_dense() @ np.asarray(weight), atol=1e-6)


def test_rows_are_appended_and_dropped():
    dense = random_matrix()
    x = SparseFeatures.from_dense(dense)
    longer = x.with_rows(35)
    assert longer.shape == (35, 20)
    np.testing.assert_array_equal(longer.to_dense(), np.pad(dense, ((0, 5), (0, 0))))
    weight = np.ones((20, 2), np.float32)
    np.testing.assert_array_equal((longer @ weight)[30:], 0)
    np.testing.assert_array_equal(longer.with_rows(30).to_dense(), dense)
    np.testing.assert_array_equal(x.with_rows(29).to_dense(), dense[:29])  # the last row is empty
    with pytest.raises(ValueError, match="rows from 5 on must be empty"):
        x.with_rows(5)


def test_is_a_pytree_of_arrays():
    x = SparseFeatures.from_dense(random_matrix())
    moved = jax.device_put(x)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(moved))
    assert isinstance(moved, SparseFeatures) and moved.shape == x.shape
    assert jax.jit(lambda x: x.shape[0] * jnp.ones(()))(moved) == 30


class TestErrors:
    x = SparseFeatures.from_dense(np.eye(3, 4, dtype=np.float32))

    @pytest.mark.parametrize(
        "use",
        [
            np.asarray,
            jnp.asarray,
            lambda x: ga.nn.layer_norm(ga.nn.init_layer_norm(4), x),
            ga.data.standardize,
        ],
    )
    def test_where_a_dense_array_is_needed(self, use):
        message = (
            r"SparseFeatures\(float32 \[3, 4\], 3 stored\) is used where a dense array .*to_dense"
        )
        with pytest.raises(ValueError, match=message):
            use(self.x)

    def test_input(self):
        with pytest.raises(ValueError, match=r"must be a SciPy sparse matrix.*from_dense"):
            SparseFeatures.from_scipy(np.eye(3))
        with pytest.raises(ValueError, match=r"x must have shape \[N, D\]"):
            SparseFeatures.from_dense(np.ones(3))

    def test_weight_of_another_width(self):
        with pytest.raises(ValueError, match=r"weight must have shape \[4, F\], got \(3, 2\)"):
            self.x @ jnp.ones((3, 2))
        with pytest.raises(ValueError, match="x must have 3 features on its last axis"):
            ga.nn.linear(ga.nn.init_linear(KEY, 3, 2), self.x)
