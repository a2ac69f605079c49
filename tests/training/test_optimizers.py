import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from graphattn_jax.training import make_optimizer


@jax.numpy_dtype_promotion("standard")  # optax itself is not strict
def run(optimizer, grads, start=1.0):
    params = {"w": jnp.array(start)}
    opt_state = optimizer.init(params)
    path = []
    for grad in grads:
        updates, opt_state = optimizer.update({"w": jnp.array(grad)}, opt_state, params)
        params = optax.apply_updates(params, updates)
        path.append(float(params["w"]))
    return path


def rates(optimizer, steps):
    """Adam moves by the rate itself while the gradient does not change."""
    return -np.diff([0.0, *run(optimizer, [1.0] * steps, start=0.0)])


def test_l2_enters_the_gradient_and_decoupled_decay_does_not():
    grads = [0.3, -0.1, 0.2]
    coupled = run(make_optimizer(0.1, weight_decay=0.5), grads)
    start, want = jnp.array(1.0), []
    adam = optax.adam(0.1)
    opt_state = adam.init(start)
    for grad in grads:
        with jax.numpy_dtype_promotion("standard"):
            update, opt_state = adam.update(grad + 0.5 * start, opt_state)
        start = start + update
        want.append(float(start))
    np.testing.assert_allclose(coupled, want, rtol=1e-6)
    decoupled = run(make_optimizer(0.1, weight_decay=0.5, decoupled=True), grads)
    np.testing.assert_allclose(decoupled, run(optax.adamw(0.1, weight_decay=0.5), grads), rtol=1e-6)
    assert abs(coupled[-1] - decoupled[-1]) > 1e-3


def test_clipping_bounds_the_gradient_before_adam():
    clipped = run(make_optimizer(0.1, clip_norm=1.0), [100.0, 0.5])
    np.testing.assert_allclose(clipped, run(make_optimizer(0.1), [1.0, 0.5]), rtol=1e-6)


def test_schedules_by_closed_form():
    t = np.arange(6)
    np.testing.assert_allclose(rates(make_optimizer(0.1), 6), np.full(6, 0.1), rtol=1e-4)
    warm = np.array([0.0, 0.05, 0.1, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(rates(make_optimizer(0.1, warmup_steps=2), 6), warm, atol=1e-5)
    linear = make_optimizer(0.1, schedule="linear", warmup_steps=2, total_steps=6)
    np.testing.assert_allclose(
        rates(linear, 6), np.where(t < 2, warm, 0.1 * (6 - t) / 4), atol=1e-5
    )
    cosine = make_optimizer(0.1, schedule="cosine", total_steps=5)
    np.testing.assert_allclose(
        rates(cosine, 6), 0.05 * (1 + np.cos(np.pi * np.minimum(t, 5) / 5)), atol=1e-5
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be positive, got 0.0"),
        ({"weight_decay": -1.0}, "weight_decay must be 0 or positive"),
        ({"clip_norm": 0.0}, "clip_norm must be positive"),
        ({"warmup_steps": -1}, "warmup_steps must be 0 or positive"),
        ({"schedule": "step"}, "schedule must be one of 'constant', 'cosine', 'linear'"),
        ({"schedule": "cosine"}, "needs total_steps > warmup_steps, got total_steps=None"),
        (
            {"schedule": "linear", "warmup_steps": 5, "total_steps": 5},
            "total_steps=5, warmup_steps=5",
        ),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        make_optimizer(**({"learning_rate": 0.1} | options))
