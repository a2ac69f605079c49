import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from graphattn_jax.losses import l2_loss, softmax_cross_entropy
from graphattn_jax.metrics import accuracy
from graphattn_jax.training import evaluate, init_train_state, make_eval_step, make_train_step

BATCH = {
    "x": jnp.array([[1.0, 2.0], [3.0, -1.0], [9.0, 9.0]]),
    "y": jnp.array([1.0, 0.0, 5.0]),
    "mask": jnp.array([True, True, False]),
}


def params():
    return {"w": jnp.array([0.5, -0.5]), "b": jnp.zeros(())}


def loss_fn(params, batch, dropout_key):
    return l2_loss(batch["x"] @ params["w"] + params["b"], batch["y"], where=batch["mask"])


def make(loss_fn=loss_fn, optimizer=None, **options):
    optimizer = optimizer or optax.sgd(0.1)
    state = init_train_state(params(), optimizer, jax.random.key(0))
    return make_train_step(loss_fn, optimizer, **options), state


def test_step_descends_the_mean_by_hand():
    step, state = make()
    state, metrics = step(state, BATCH)
    # errors: -0.5 - 1 and 2 - 0; mean of squares and its gradient over two real rows
    errors, rows = np.array([-1.5, 2.0]), np.array([[1.0, 2.0], [3.0, -1.0]])
    grad_w, grad_b = errors @ rows, errors.sum()
    assert metrics["loss"] == 3.125 and metrics["count"] == 2 and metrics["finite"]
    np.testing.assert_allclose(state.params["w"], [0.5, -0.5] - 0.1 * grad_w, atol=1e-7)
    np.testing.assert_allclose(state.params["b"], -0.1 * grad_b, rtol=1e-6)
    np.testing.assert_allclose(metrics["grad_norm"], np.hypot(np.linalg.norm(grad_w), grad_b))
    assert state.step == 1 and state.step.dtype == jnp.int32


def test_auxiliary_pairs_are_reported_as_pairs():
    def with_aux(params, batch, dropout_key):
        return loss_fn(params, batch, dropout_key), {"seen": (jnp.sum(batch["x"]), jnp.float32(6))}

    step, state = make(with_aux)
    _, metrics = step(state, BATCH)
    assert metrics["seen"] == (23.0, 6.0) and metrics["loss"] == 3.125


def test_the_mean_of_a_weighted_loss_is_over_the_weights_however_small():
    def weighted(params, batch, dropout_key):
        logits, weights = jnp.stack([params["w"], params["w"]]), jnp.full(2, 1e-3)
        return softmax_cross_entropy(logits, jnp.array([0, 1]), class_weights=weights)

    step, state = make(weighted)
    _, metrics = step(state, BATCH)
    np.testing.assert_allclose(metrics["loss"], np.logaddexp(0.5, -0.5), rtol=1e-6)


def test_batch_that_counts_nothing_changes_nothing():
    step, state = make()
    state, metrics = step(state, BATCH | {"mask": jnp.zeros(3, bool)})
    assert metrics["loss"] == metrics["grad_norm"] == metrics["count"] == 0 and metrics["finite"]
    chex.assert_trees_all_equal(state.params, params())


def test_non_finite_step_keeps_params_and_optimizer_state():
    step, state = make(optimizer=optax.adam(0.1))
    state, _ = step(state, BATCH)
    before = jax.tree.map(np.asarray, state._replace(key=None))
    bad = BATCH | {"x": BATCH["x"].at[0, 1].set(jnp.nan)}
    state, metrics = step(state, bad)
    assert not metrics["finite"]
    chex.assert_trees_all_equal(state.params, before.params)
    chex.assert_trees_all_equal(state.opt_state, before.opt_state)
    assert state.step == 2
    state, metrics = step(state, BATCH)
    assert metrics["finite"] and jnp.any(state.params["w"] != before.params["w"])


def test_non_finite_leaves_are_told_apart():
    def partly(params, batch, dropout_key):  # the gradient of sqrt at 0 is infinite
        return jnp.sqrt(params["b"]) + jnp.sum(params["w"]), jnp.float32(1)

    step, state = make(partly)
    _, metrics = step(state, BATCH)
    assert jnp.isfinite(metrics["loss"]) and not metrics["finite"]
    assert metrics["finite_leaves"].tolist() == [False, True]  # b, w


def test_without_the_check_nan_goes_through():
    step, state = make(check_finite=False)
    state, metrics = step(state, BATCH | {"y": jnp.full(3, jnp.nan)})
    assert "finite" not in metrics and jnp.all(jnp.isnan(state.params["w"]))


def test_dropout_key_is_the_run_key_folded_with_the_step():
    def noise(params, batch, dropout_key):
        draw = jax.random.uniform(dropout_key)
        return loss_fn(params, batch, dropout_key), {"draw": (draw, jnp.float32(1))}

    step, state = make(noise)
    for i in range(3):
        want = jax.random.uniform(jax.random.fold_in(jax.random.key(0), i))
        state, metrics = step(state, BATCH)
        assert metrics["draw"][0] == want


def test_optimizers_that_read_the_loss_or_its_gradient():
    """Polyak's step leads to the minimum of a parabola in one, and a plateau halves the rate."""

    def parabola(params, batch, dropout_key):
        return jnp.square(params["w"][0] - 3.0) / 2, jnp.float32(1)

    polyak = optax.polyak_sgd(max_learning_rate=10.0)  # (f - min f) / |grad f|^2 = 1/2
    step, state = make(parabola, polyak)
    state, _ = step(state, BATCH)
    np.testing.assert_allclose(state.params["w"], [1.75, -0.5], rtol=1e-6)

    def flat(params, batch, dropout_key):
        return params["b"] * batch, jnp.float32(1)

    plateau = optax.contrib.reduce_on_plateau(factor=0.5, patience=2, accumulation_size=1)
    step, state = make(flat, optax.chain(optax.sgd(1.0), plateau))
    moves = []
    for _ in range(5):  # down the slope by 1, but the loss is said to stay where it is
        state = state._replace(params=params())
        state, _ = step(state, jnp.float32(1))
        moves.append(float(state.params["b"]))
    assert moves == [-1.0, -1.0, -0.5, -0.5, -0.25]

    seen = optax.GradientTransformationExtraArgs(
        lambda params: params, lambda updates, state, params=None, *, grad, **_: (updates, grad)
    )
    step, state = make(optimizer=seen)
    state, _ = step(state, BATCH)
    np.testing.assert_allclose(state.opt_state["w"], [4.5, -5.0])


def test_line_searches_are_refused():
    step, state = make(optimizer=optax.lbfgs())
    with pytest.raises(ValueError, match=r"line search .*optax\.lbfgs\(.*, linesearch=None\)"):
        step(state, BATCH)
    step, state = make(optimizer=optax.lbfgs(0.1, linesearch=None))
    losses = []
    for _ in range(5):
        state, metrics = step(state, BATCH)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.5 * losses[0]


def test_second_step_does_not_trace_again():
    step, state = make(chex.assert_max_traces(n=1)(loss_fn), optax.adam(0.1))
    for _ in range(3):
        state, _ = step(state, BATCH)
    assert state.step == 3


@pytest.mark.parametrize("donate", [True, False])
def test_donation_takes_the_state_passed_in(donate):
    step, state = make(donate=donate)
    step(state, BATCH)
    assert state.params["w"].is_deleted() == donate


def test_donation_spares_what_the_state_was_made_from():
    start, key = params(), jax.random.key(0)
    aliasing = optax.GradientTransformation(  # its state holds the parameters themselves
        lambda params: params, lambda grads, state, params=None: (grads, state)
    )
    step = make_train_step(loss_fn, aliasing)
    step(init_train_state(start, aliasing, key), BATCH)
    chex.assert_trees_all_equal(start, params())
    assert key == jax.random.key(0)


def test_mixed_precision_params_keep_their_dtype():
    def mixed(params, batch, dropout_key):
        return l2_loss(params["w"] * params["b"].astype(jnp.bfloat16), jnp.zeros(2))

    optimizer = optax.sgd(0.1)
    start = {"w": jnp.ones(2, jnp.bfloat16), "b": jnp.ones(())}
    state = init_train_state(start, optimizer, jax.random.key(0))
    state, metrics = make_train_step(mixed, optimizer)(state, None)
    assert state.params["w"].dtype == jnp.bfloat16 and state.params["b"].dtype == jnp.float32
    assert metrics["grad_norm"].dtype == jnp.float32


def test_evaluate_divides_once_over_unequal_batches():
    def metric_fn(params, batch):
        return {
            "accuracy": accuracy(batch["x"], batch["y"]),
            "loss": softmax_cross_entropy(batch["x"], batch["y"]),
        }

    x = jnp.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0], [3.0, 0.0]])
    y = jnp.array([0, 0, 1, 0])
    batches = [{"x": x[:3], "y": y[:3]}, {"x": x[3:], "y": y[3:]}]
    eval_step = make_eval_step(metric_fn)
    split = evaluate(eval_step, None, batches)
    whole = evaluate(eval_step, None, [{"x": x, "y": y}])
    assert split["accuracy"] == whole["accuracy"] == 0.75
    assert split["loss"] == pytest.approx(whole["loss"], rel=1e-6)


def test_evaluate_with_a_model_state():
    def metric_fn(params, shift, batch):
        return {"mean": (jnp.sum(batch + shift) * params, jnp.float32(batch.size))}

    batches = [jnp.ones(3), jnp.zeros(1)]
    eval_step = make_eval_step(metric_fn)
    out = evaluate(eval_step, jnp.float32(2), batches, model_state=jnp.float32(1))
    assert out == {"mean": 2 * (3 * 2 + 1) / 4}


def test_errors():
    with pytest.raises(ValueError, match=r"key must be one typed key.*jax.random.key\(seed\)"):
        init_train_state(params(), optax.sgd(0.1), jnp.zeros(2, jnp.uint32))
    for result in (jnp.float32(1), (jnp.ones(2), jnp.float32(1)), (jnp.float32(1), jnp.int32(1))):
        step, state = make(lambda params, batch, dropout_key, result=result: result)
        with pytest.raises(ValueError, match=r"loss_fn must return \(sum, count\)"):
            step(state, BATCH)
    one = jnp.float32(1)
    step, state = make(lambda params, batch, dropout_key: ((one, one), {"loss": (one, one)}))
    with pytest.raises(ValueError, match=r"aux must not use .*\['loss'\]"):
        step(state, BATCH)
    with pytest.raises(ValueError, match="metric_fn must be a dict"):
        make_eval_step(lambda params, batch: one)(None, None)
    with pytest.raises(ValueError, match="batches must hold at least one batch"):
        evaluate(lambda params, batch: {}, None, [])


def counting_loss(params, seen, batch, dropout_key):
    return loss_fn(params, batch, dropout_key), {}, seen + jnp.sum(batch["mask"])


def test_model_state_is_renewed_and_kept_by_a_non_finite_step():
    state = init_train_state(
        params(), optax.sgd(0.1), jax.random.key(0), model_state=jnp.zeros((), jnp.int32)
    )
    step = make_train_step(counting_loss, optax.sgd(0.1))
    for _ in range(2):
        state, metrics = step(state, BATCH)
    assert state.model_state == 4 and metrics["loss"] > 0
    state, metrics = step(state, BATCH | {"y": jnp.full(3, jnp.nan)})
    assert not metrics["finite"] and state.model_state == 4


def test_model_state_of_another_shape_is_an_error():
    def grows(params, seen, batch, dropout_key):
        return loss_fn(params, batch, dropout_key), {}, seen[None]

    state = init_train_state(params(), optax.sgd(0.1), jax.random.key(0), model_state=jnp.zeros(()))
    with pytest.raises(ValueError, match="model_state of the structure"):
        make_train_step(grows, optax.sgd(0.1))(state, BATCH)
