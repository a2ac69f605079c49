import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from graphattn_jax import ops

NUM_ROWS, NUM_SEGMENTS = 7, 4
deterministic = settings(max_examples=25, deadline=None, derandomize=True)

# The reduction of one segment's rows, and what a segment without rows gives.
ORACLES = {
    "segment_sum": (lambda rows: rows.sum(0), 0.0),
    "segment_mean": (lambda rows: rows.mean(0), 0.0),
    "segment_std": (lambda rows: rows.std(0), 0.0),
    "segment_max": (lambda rows: rows.max(0), 0.0),
    "segment_min": (lambda rows: rows.min(0), 0.0),
    "segment_logsumexp": (lambda rows: np.log(np.exp(rows).sum(0)), -np.inf),
}
ALL = [*ORACLES, "segment_softmax"]
JITTED = {name: jax.jit(getattr(ops, name), static_argnums=2) for name in ALL}


def reduce_in_a_loop(name, data, ids, where):
    reduce, empty = ORACLES[name]
    out = np.full((NUM_SEGMENTS, *data.shape[1:]), empty)
    for s in range(NUM_SEGMENTS):
        rows = [data[e] for e in range(len(data)) if ids[e] == s and where[e]]
        if rows:
            out[s] = reduce(np.stack(rows).astype(np.float64))
    return out


def softmax_in_a_loop(data, ids, where):
    out = np.zeros(data.shape)
    for e in range(len(data)):
        if where[e]:
            total = sum(np.exp(data[f]) for f in range(len(data)) if ids[f] == ids[e] and where[f])
            out[e] = np.exp(data[e]) / total
    return out


@st.composite
def segments(draw):
    def rows(of):
        return np.array(draw(st.lists(of, min_size=NUM_ROWS, max_size=NUM_ROWS)))

    rng = np.random.default_rng(draw(st.integers(0, 999)))
    data = rng.normal(size=(NUM_ROWS, 2), scale=2.0).astype(np.float32)
    return data, rows(st.integers(0, NUM_SEGMENTS - 1)), rows(st.booleans())


@pytest.mark.parametrize("name", ORACLES)
@given(case=segments())
@deterministic
def test_reductions_match_a_loop(name, case):
    data, ids, where = case
    got = JITTED[name](data, ids, NUM_SEGMENTS, where=where)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, reduce_in_a_loop(name, data, ids, where), rtol=1e-5, atol=2e-6)


@given(case=segments())
@deterministic
def test_softmax_matches_a_loop_and_sums_to_one(case):
    data, ids, where = case
    got = JITTED["segment_softmax"](data, ids, NUM_SEGMENTS, where=where)
    np.testing.assert_allclose(got, softmax_in_a_loop(data, ids, where), rtol=1e-5, atol=1e-7)
    sums = np.zeros((NUM_SEGMENTS, 2))
    np.add.at(sums, ids, np.asarray(got))
    present = np.isin(np.arange(NUM_SEGMENTS), ids[where])
    np.testing.assert_allclose(sums, np.repeat(present[:, None], 2, 1), atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_sorted_ids_and_no_mask(name, rng):
    data, ids = rng.normal(size=(6, 2, 3)).astype(np.float32), np.array([0, 0, 1, 3, 3, 3])
    op = getattr(ops, name)
    want = op(data, ids, NUM_SEGMENTS, where=np.ones(6, bool))
    np.testing.assert_array_equal(op(data, ids, NUM_SEGMENTS), want)
    np.testing.assert_array_equal(op(data, ids, NUM_SEGMENTS, indices_are_sorted=True), want)


@pytest.mark.parametrize("name", ALL)
def test_no_rows_and_no_segments(name):
    no_ids = np.zeros(0, np.int32)
    for num_segments in (0, 3):
        got = getattr(ops, name)(np.zeros((0, 2), np.float32), no_ids, num_segments)
        if name == "segment_softmax":
            assert got.shape == (0, 2)
        else:
            np.testing.assert_array_equal(got, np.full((num_segments, 2), ORACLES[name][1]))


@pytest.mark.parametrize("name", ALL)
def test_masked_rows_change_neither_values_nor_gradients_whatever_they_hold(name, rng):
    # Segment 0 is partly masked, 1 has no row, 2 is all masked, 3 is all real.
    ids, where = jnp.array([0, 0, 2, 3, 3]), jnp.array([True, False, False, True, True])
    data = rng.normal(size=(5, 2)).astype(np.float32)
    cotangent = jnp.asarray(rng.normal(size=(5, 2)), jnp.float32)

    @jax.jit
    def value_and_gradient(data):
        def loss(data):
            out = getattr(ops, name)(data, ids, NUM_SEGMENTS, where=where)
            return jnp.sum(jnp.where(jnp.isneginf(out), 0, out) * cotangent[: len(out)]), out

        (_, out), gradient = jax.value_and_grad(loss, has_aux=True)(data)
        return out, gradient

    want, gradient = value_and_gradient(data)
    assert np.isfinite(gradient).all() and not np.asarray(gradient)[~np.asarray(where)].any()
    assert np.asarray(gradient)[3:].any()
    for poison in (np.nan, np.inf, -np.inf, 3e38):
        poisoned = np.where(np.asarray(where)[:, None], data, np.float32(poison))
        got, got_gradient = value_and_gradient(poisoned)
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(got_gradient, gradient)


@pytest.mark.parametrize("where", [None, np.array([True, True, False, False, True])])
def test_softmax_of_only_minus_infinity_is_zero_with_finite_gradient(where, debug_nans):
    logits = np.array([-np.inf, -np.inf, 5.0, 1.0, 2.0], np.float32)
    ids = np.array([0, 0, 1, 1, 2])

    def loss(logits):
        weights = ops.segment_softmax(logits, ids, 4, where=where)
        return jnp.sum(weights * jnp.arange(1.0, 6.0)), weights

    gradient, weights = jax.grad(loss, has_aux=True)(logits)
    assert weights[:2].tolist() == [0.0, 0.0] and weights[4] == 1.0
    assert np.isfinite(gradient).all() and not gradient[:2].any()
    mass = 0.0 if where is not None else 1.0
    np.testing.assert_allclose(weights[2:4].sum(), mass, atol=1e-6)


def test_logsumexp_of_only_minus_infinity_has_zero_gradient(debug_nans):
    def loss(data):
        out = ops.segment_logsumexp(data, np.array([0, 0, 1]), 3)
        return jnp.sum(jnp.where(jnp.isneginf(out), 0, out)), out

    gradient, out = jax.grad(loss, has_aux=True)(np.array([-np.inf, -np.inf, 1.0], np.float32))
    assert out.tolist() == [-np.inf, 1.0, -np.inf] and gradient.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("name", ALL)
def test_what_is_not_finite_reaches_its_segment_and_no_other(name):
    rng = np.random.default_rng(0)
    for case in range(200):
        data = rng.normal(size=(NUM_ROWS, 2)).astype(np.float32)
        ids, where = rng.integers(0, NUM_SEGMENTS, NUM_ROWS), rng.random(NUM_ROWS) < 0.7
        row, bad = case % NUM_ROWS, data.copy()
        bad[row, 0] = wild = (np.nan, np.inf, -np.inf)[case % 3]
        want = np.asarray(JITTED[name](data, ids, NUM_SEGMENTS, where=where))
        got = np.asarray(JITTED[name](bad, ids, NUM_SEGMENTS, where=where))
        if name == "segment_softmax":
            assert not got[~where].any()
            same = ids != ids[row] if where[row] else np.ones(NUM_ROWS, bool)
        else:
            same = np.arange(NUM_SEGMENTS) != (ids[row] if where[row] else -1)
        np.testing.assert_array_equal(got[same], want[same])
        np.testing.assert_array_equal(got[:, 1], want[:, 1])
        if not where[row]:
            continue
        own = got[row if name == "segment_softmax" else ids[row], 0]
        if name in (
            "segment_sum",
            "segment_mean",
            "segment_max",
            "segment_min",
            "segment_logsumexp",
        ):
            rows = bad[(ids == ids[row]) & where, :1].astype(np.float64)
            with np.errstate(divide="ignore"):
                np.testing.assert_allclose(own, ORACLES[name][0](rows)[0], rtol=1e-5)
        else:
            assert not np.isfinite(own) or (name == "segment_softmax" and wild == -np.inf)


def test_logsumexp_and_softmax_of_large_logits():
    logits = np.array([1e4, 1e4, -1e4, -1e4], np.float32)
    ids = np.array([0, 0, 1, 1])
    np.testing.assert_allclose(ops.segment_softmax(logits, ids, 2), 0.5)
    want = np.array([1e4, -1e4]) + np.log(2)
    np.testing.assert_allclose(ops.segment_logsumexp(logits, ids, 2), want, rtol=1e-7)


@pytest.mark.parametrize("name", ALL)
def test_gradients_in_float64(name, rng):
    ids, where = np.array([0, 0, 0, 2, 2, 3]), np.array([True, True, True, True, True, False])
    with jax.enable_x64(True):
        data = jnp.asarray(rng.normal(size=(6, 2)))

        @jax.jit
        def f(data):
            out = getattr(ops, name)(data, ids, NUM_SEGMENTS, where=where)
            return jnp.where(jnp.isneginf(out), 0, out)

        assert f(data).dtype == jnp.float64
        check_grads(f, (data,), order=1, modes=["rev"], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_is_accumulated_in_float32(dtype):
    ones, ids = jnp.ones((4096,), dtype), np.zeros(4096, int)
    assert ops.segment_sum(ones, ids, 1)[0] == 4096  # a half-precision sum stalls at 256 or 2048
    assert ops.segment_mean(ones, ids, 1)[0] == 1
    half = ops.segment_std(jnp.concatenate([ones, -ones]), np.zeros(8192, int), 1)
    assert half[0] == 1 and half.dtype == dtype
    many = jnp.zeros((5000,), dtype)
    weights = ops.segment_softmax(many, np.zeros(5000, int), 1)
    assert weights.dtype == dtype
    np.testing.assert_allclose(weights.astype(jnp.float32).sum(), 1, rtol=0.004)
    lse = ops.segment_logsumexp(many, np.zeros(5000, int), 1)
    assert lse.dtype == jnp.float32
    np.testing.assert_allclose(lse[0], np.log(5000), rtol=1e-6)


def test_std_of_equal_rows_has_zero_gradient(debug_nans):
    data = np.array([3.0, 3.0, 7.0, 1.0, 2.0], np.float32)
    ids = np.array([0, 0, 1, 2, 2])
    gradient = jax.grad(lambda x: ops.segment_std(x, ids, 4).sum())(data)
    np.testing.assert_allclose(gradient, [0, 0, 0, -0.5, 0.5], atol=1e-6)


def test_std_far_from_zero_keeps_its_digits():
    data = np.array([4000.25, 4000.75], np.float32)
    np.testing.assert_allclose(ops.segment_std(data, np.array([0, 0]), 1), 0.25, rtol=1e-6)


@pytest.mark.parametrize("name", ["segment_max", "segment_min"])
def test_extremes_share_the_gradient_among_ties_also_at_zero(name):
    data, ids = np.array([0.0, 0.0, 0.0, 5.0], np.float32), np.array([0, 0, 1, 2])
    gradient = jax.grad(lambda x: getattr(ops, name)(x, ids, 4).sum())(data)
    assert gradient.tolist() == [0.5, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("dtype", [np.int32, np.int8, np.uint8])
def test_extremes_of_integers_over_their_whole_range(dtype):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    data, ids = np.array([low, high, high, low], dtype), np.array([0, 0, 1, 2])
    where = np.array([True, True, True, False])
    largest = ops.segment_max(data, ids, 4, where=where)
    smallest = ops.segment_min(data, ids, 4, where=where)
    assert largest.dtype == smallest.dtype == dtype
    assert largest.tolist() == [high, high, 0, 0] and smallest.tolist() == [low, high, 0, 0]


def test_integer_sums():
    got = ops.segment_sum(np.array([1, 2, 4]), np.array([0, 2, 0]), 3)
    assert got.tolist() == [5, 0, 2] and jnp.issubdtype(got.dtype, jnp.integer)


DATA, IDS = np.ones((3, 2), np.float32), np.array([0, 1, 2])
INVALID = {
    "id too large": ((DATA, np.array([0, 1, 3]), 3), {}, r"segment_ids .*\[0, 3\).* got 3 at pos.* 2"),
    "negative id": ((DATA, np.array([0, -1, 2]), 3), {}, r"segment_ids .* got -1 at position 1"),
    "float ids": ((DATA, IDS.astype(np.float32), 3), {}, "segment_ids must be integer ids.*astype"),
    "list ids": ((DATA, [0, 1, 2], 3), {}, "segment_ids must be integer ids, got list"),
    "too few ids": ((DATA, IDS[:2], 3), {}, r"segment_ids must have shape \[3\], got \(2,\)"),
    "matrix of ids": ((DATA, IDS[:, None], 3), {}, r"segment_ids must have shape \[3\], got \(3, 1\)"),
    "scalar data": ((np.float32(1), IDS, 3), {}, "data must be an array of shape"),
    "list data": (([1.0, 2.0, 3.0], IDS, 3), {}, "data must be an array of shape"),
    "float count": ((DATA, IDS, 3.0), {}, "num_segments must be a static Python int"),
    "negative count": ((DATA, IDS, -1), {}, "num_segments must be a static Python int >= 0"),
    "integer mask": ((DATA, IDS, 3), {"where": IDS}, r"where must be boolean \(True = real\)"),
    "short mask": ((DATA, IDS, 3), {"where": np.ones(2, bool)}, r"where must have shape \[3\]"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID)
@pytest.mark.parametrize("name", ["segment_sum", "segment_min", "segment_softmax"])
def test_invalid_arguments(case, name):
    args, options, message = INVALID[case]
    with pytest.raises(ValueError, match=message):
        getattr(ops, name)(*args, **options)


@pytest.mark.parametrize(
    "name", ["segment_mean", "segment_std", "segment_logsumexp", "segment_softmax"]
)
def test_integers_are_rejected_where_the_result_is_fractional(name):
    with pytest.raises(ValueError, match=r"must be floating point, got int.*astype"):
        getattr(ops, name)(np.array([1, 2, 4]), IDS, 3)


def test_traced_number_of_segments():
    with pytest.raises(ValueError, match="num_segments must be a static Python int"):
        jax.jit(ops.segment_sum)(DATA, IDS, 3)


def test_vmap_over_the_data(rng):
    data = rng.normal(size=(2, 3, 2)).astype(np.float32)
    got = jax.vmap(lambda x: ops.segment_softmax(x, np.array([0, 0, 1]), 2))(data)
    want = np.stack([ops.segment_softmax(x, np.array([0, 0, 1]), 2) for x in data])
    np.testing.assert_allclose(got, want, rtol=1e-6)
