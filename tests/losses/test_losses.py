import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from graphattn_jax.losses import (
    frequency_weights,
    l1_loss,
    l2_loss,
    sigmoid_binary_cross_entropy,
    softmax_cross_entropy,
)

ELEMENTWISE = [sigmoid_binary_cross_entropy, l1_loss, l2_loss]


def test_softmax_cross_entropy_by_hand():
    logits = jnp.log(jnp.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]))
    total, count = softmax_cross_entropy(logits, jnp.array([0, 2]))
    np.testing.assert_allclose(total, -np.log(0.7) - np.log(0.5), rtol=1e-6)
    assert count == 2 and total.dtype == count.dtype == jnp.float32


def test_label_smoothing_is_the_cross_entropy_of_the_smoothed_target():
    logits = np.array([[1.0, -2.0, 0.5, 0.0]], np.float32)
    target = 0.9 * np.eye(4)[2] + 0.1 / 4
    log_softmax = logits[0] - np.log(np.exp(logits[0]).sum())
    total, _ = softmax_cross_entropy(logits, jnp.array([2]), label_smoothing=0.1)
    np.testing.assert_allclose(total, -(target * log_softmax).sum(), rtol=1e-6)


def test_class_weights_by_hand():
    """Each row counts with the weight of its label; the quotient is torch's weighted mean."""
    logits = jnp.log(jnp.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5], [0.1, 0.1, 0.8]]))
    weights = jnp.array([2.0, 5.0, 0.5])
    total, count = softmax_cross_entropy(logits, jnp.array([0, 2, 0]), class_weights=weights)
    np.testing.assert_allclose(
        total, -2 * np.log(0.7) - 0.5 * np.log(0.5) - 2 * np.log(0.1), rtol=1e-6
    )
    assert count == 4.5


def test_class_weights_with_smoothing_weigh_every_class_of_the_target():
    logits = np.array([[1.0, -2.0, 0.5, 0.0]], np.float32)
    weights = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    target = 0.9 * np.eye(4)[2] + 0.1 / 4
    log_softmax = logits[0] - np.log(np.exp(logits[0]).sum())
    total, count = softmax_cross_entropy(
        logits, jnp.array([2]), label_smoothing=0.1, class_weights=weights
    )
    np.testing.assert_allclose(total, -(weights * target * log_softmax).sum(), rtol=1e-6)
    assert count == 3


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_equal_class_weights_scale_sum_and_count(label_smoothing, rng):
    logits, labels = jnp.asarray(rng.normal(size=(6, 3)), jnp.float32), rng.integers(0, 3, 6)
    where = np.array([True, True, False, True, True, False])
    options = {"where": where, "label_smoothing": label_smoothing}
    labels = np.where(where, labels, -1)
    plain = softmax_cross_entropy(logits, labels, **options)
    weights = jnp.full(3, 2.0)
    weighted = softmax_cross_entropy(logits, labels, class_weights=weights, **options)
    np.testing.assert_allclose(weighted, 2 * np.array(plain), rtol=1e-6)


def test_masked_rows_have_no_part_in_the_gradients_of_a_weighted_loss(debug_nans):
    logits, weights = jnp.array([[1.0, 2.0], [jnp.inf, -jnp.inf]]), jnp.array([2.0, 3.0])

    def total(logits, weights):
        return softmax_cross_entropy(
            logits,
            jnp.array([0, -7]),
            where=jnp.array([True, False]),
            label_smoothing=0.2,
            class_weights=weights,
        )[0]

    grads = jax.grad(total, argnums=(0, 1))(logits, weights)
    assert grads[0][1].tolist() == [0, 0]
    assert jnp.all(jnp.isfinite(grads[0])) and jnp.all(grads[1] > 0)


def test_frequency_weights_are_the_share_of_other_classes():
    labels = jnp.array([0, 0, 0, 1, 3, -1])
    where = jnp.array([True] * 5 + [False])
    for weights in (frequency_weights, jax.jit(frequency_weights, static_argnums=1)):
        got = weights(labels, 4, where=where)
        np.testing.assert_allclose(got, [0.4, 0.8, 0, 0.8], rtol=1e-6)
        assert not np.any(weights(labels, 4, where=jnp.zeros(6, bool)))


def test_softmax_cross_entropy_gradient_is_probability_minus_one_hot(rng):
    logits = jnp.asarray(rng.normal(size=(4, 3)), jnp.float32)
    labels = jnp.array([0, 2, 1, 1])
    grad = jax.grad(lambda z: softmax_cross_entropy(z, labels)[0])(logits)
    np.testing.assert_allclose(grad, jax.nn.softmax(logits) - np.eye(3)[labels], atol=1e-6)


def test_large_and_infinite_logits_are_finite_where_the_label_is_possible(debug_nans):
    logits = jnp.array([[1e4, 0.0, -jnp.inf], [0.0, -1e4, -jnp.inf]])
    loss, grad = jax.value_and_grad(lambda z: softmax_cross_entropy(z, jnp.array([1, 0]))[0])(
        logits
    )
    assert loss == 1e4 and jnp.all(jnp.isfinite(grad))


def test_label_out_of_range_raises_eagerly_and_is_nan_under_jit():
    logits = jnp.zeros((3, 2))
    for bad in (-1, 2):
        labels = jnp.array([0, bad, 1])
        with pytest.raises(ValueError, match=rf"labels .* 2 classes, got {bad} at position 1"):
            softmax_cross_entropy(logits, labels)
        assert jnp.isnan(jax.jit(softmax_cross_entropy)(logits, labels)[0])
        where = jnp.array([True, False, True])
        total, count = jax.jit(softmax_cross_entropy)(logits, labels, where=where)
        np.testing.assert_allclose(total, 2 * np.log(2), rtol=1e-6)
        assert count == 2


def test_sigmoid_binary_cross_entropy_by_hand_and_stable():
    logits = jnp.array([0.0, np.log(3.0), 1e3, -1e3])
    labels = jnp.array([1, 0, 1, 1])
    total, count = sigmoid_binary_cross_entropy(logits, labels)
    np.testing.assert_allclose(total, np.log(2) + np.log(4) + 0 + 1e3, rtol=1e-6)
    assert count == 4


@pytest.mark.parametrize("pos_weight", [3.0, np.array([3.0, 0.5], np.float32)])
def test_pos_weight_multiplies_the_loss_of_positives(pos_weight, rng):
    logits = jnp.asarray(rng.normal(size=(4, 2)), jnp.float32)
    labels = jnp.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    total, count = sigmoid_binary_cross_entropy(logits, labels, pos_weight=pos_weight)
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    want = -np.where(labels == 1, pos_weight * np.log(p), np.log(1 - p)).sum()
    np.testing.assert_allclose(total, want, rtol=1e-6)
    assert count == 8


def test_pos_weight_of_fractional_labels_is_stable_and_masked(debug_nans):
    logits, labels = jnp.array([-1e3, 1e3, jnp.inf]), jnp.array([0.25, 0.25, jnp.inf])
    where = jnp.array([True, True, False])

    def total(z):
        return sigmoid_binary_cross_entropy(z, labels, where=where, pos_weight=8.0)[0]

    value, gradient = jax.value_and_grad(total)(logits)
    np.testing.assert_allclose(value, 8 * 0.25 * 1e3 + 0.75 * 1e3, rtol=1e-6)
    np.testing.assert_allclose(gradient, [-2, 0.75, 0], rtol=1e-6)


def test_l1_and_l2_by_hand():
    predictions, targets = jnp.array([[1.0, -2.0], [0.5, 0.0]]), jnp.array([[0, 1], [0, 0]])
    assert l1_loss(predictions, targets) == (4.5, 4.0)
    assert l2_loss(predictions, targets) == (10.25, 4.0)
    assert jax.grad(lambda p: l1_loss(p, p)[0])(predictions).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("loss", ELEMENTWISE)
def test_masked_nan_reaches_neither_value_nor_gradient(loss, debug_nans):
    clean = jnp.array([[0.5, 0.0], [0.0, -1.0]])
    labels = jnp.array([[1.0, 0.0], [0.0, 0.0]])
    where = jnp.array([[True, False], [False, True]])
    dirty = jnp.where(where, clean, jnp.inf)
    missing = jnp.where(where, labels, jnp.inf)

    def total(predictions, labels):
        return loss(predictions, labels, where=where)[0]

    value, (grad, label_grad) = jax.value_and_grad(total, argnums=(0, 1))(dirty, missing)
    assert value == total(clean, labels)
    assert grad[0, 1] == grad[1, 0] == label_grad[0, 1] == label_grad[1, 0] == 0
    assert jnp.all(jnp.isfinite(grad)) and jnp.any(grad != 0)


def test_masked_nan_rows_of_logits_do_not_leak():
    logits = jnp.array([[1.0, 2.0], [jnp.nan, jnp.inf]])
    where = jnp.array([True, False])

    def total(z):
        return softmax_cross_entropy(z, jnp.array([0, -7]), where=where, label_smoothing=0.2)[0]

    value, grad = jax.value_and_grad(total)(logits)
    assert jnp.isfinite(value) and jnp.any(grad[0] != 0)
    assert grad[1].tolist() == [0, 0]


@pytest.mark.parametrize("rows", [0, 3])
def test_nothing_counted_is_zero_over_zero_with_zero_gradient(rows, debug_nans):
    where = jnp.zeros(rows, bool)
    values = jnp.ones((rows, 2))

    def cross_entropy(z):
        return softmax_cross_entropy(z, jnp.full(rows, -1), where=where)

    assert cross_entropy(values) == (0, 0)
    assert not jnp.any(jax.grad(lambda z: cross_entropy(z)[0])(values))
    for loss in ELEMENTWISE:
        assert loss(values, values, where=where) == (0, 0)


@pytest.mark.parametrize("loss", ELEMENTWISE)
def test_mask_over_leading_axes_covers_the_rest(loss, rng):
    a, b = rng.uniform(size=(2, 3, 2)).astype(np.float32)
    where = np.array([True, False, True])
    total, count = loss(a, b, where=where)
    np.testing.assert_allclose(total, loss(a[where], b[where])[0], rtol=1e-6)
    assert count == 4


def test_half_precision_is_summed_in_float32():
    ones = jnp.ones(4096, jnp.bfloat16)
    assert l1_loss(ones, jnp.zeros_like(ones)) == (4096.0, 4096.0)
    total, _ = softmax_cross_entropy(jnp.zeros((4096, 2), jnp.bfloat16), jnp.zeros(4096, int))
    np.testing.assert_allclose(total, 4096 * np.log(2), rtol=1e-6)


@pytest.mark.parametrize("loss", [sigmoid_binary_cross_entropy, l2_loss])
def test_gradients_match_finite_differences(loss, rng):
    logits = jnp.asarray(rng.normal(size=5), jnp.float32)
    labels = jnp.array([0.0, 1.0, 1.0, 0.0, 1.0])
    check_grads(lambda z: loss(z, labels)[0], (logits,), order=1, modes=["rev"], rtol=2e-2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: softmax_cross_entropy(x[0], jnp.array([0])), r"logits must have shape \[\?, \?"),
        (lambda x: softmax_cross_entropy(x, jnp.array([0])), r"labels must have shape \[2\]"),
        (lambda x: softmax_cross_entropy(x, x[:, 0]), "labels must be integer"),
        (
            lambda x: softmax_cross_entropy(x, jnp.array([0, 1]), label_smoothing=1.0),
            r"label_smoothing must be a number in \[0, 1\), got 1.0",
        ),
        (
            lambda x: softmax_cross_entropy(x, jnp.array([0, 1]), class_weights=jnp.ones(2)),
            r"class_weights must have shape \[3\], got \(2,\)",
        ),
        (
            lambda x: sigmoid_binary_cross_entropy(x, x, pos_weight=jnp.ones(2)),
            r"pos_weight must have shape \[3\], got \(2,\)",
        ),
        (
            lambda x: frequency_weights(jnp.array([0, 3]), 3),
            "labels .* 3 classes, got 3 at position 1",
        ),
        (lambda x: l1_loss(x, x[0]), r"targets must have shape \[2, 3\], got \(3,\)"),
        (lambda x: l2_loss(x.astype(int), x), "predictions must be floating point"),
        (lambda x: l2_loss(x, x, where=jnp.ones(2)), "where must be boolean"),
        (lambda x: l2_loss(x, x, where=jnp.ones(3, bool)), r"where must have shape \(2, 3\) or"),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call(jnp.zeros((2, 3)))
