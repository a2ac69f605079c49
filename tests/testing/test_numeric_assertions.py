import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import testing


def test_finite_gradients_pass_with_integer_arguments():
    testing.assert_finite_gradients(
        lambda p, ids: {"y": p["w"][ids] ** 2, "ids": ids},
        {"w": jnp.arange(3.0)},
        jnp.array([0, 2]),
    )


def test_a_root_at_zero_is_named():
    with pytest.raises(AssertionError, match=r"gradient.0.w\[1\] is -?inf; 1 of 2.*debug_nans"):
        testing.assert_finite_gradients(lambda p: jnp.sqrt(p["w"]), {"w": jnp.array([1.0, 0.0])})


def test_a_value_that_is_not_finite_is_named():
    with pytest.raises(AssertionError, match=r"value\[0\] is -inf"):
        testing.assert_finite_gradients(jnp.log, jnp.zeros(2))


def test_no_retrace():
    calls = [(jnp.zeros(3), 1.0), (jnp.ones(3), 2.0), (np.ones(3, np.float32), 3.0)]
    testing.assert_no_retrace(lambda x, y: x + y, calls)
    testing.assert_no_retrace(jax.jit(lambda x, y: x + y), calls)


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (
            {"x": jnp.zeros(4)},
            r"call 2 .*args\[0\]\['x'\] changed from float32\[3\] to float32\[4\]",
        ),
        ({"x": jnp.zeros(3, jnp.bfloat16)}, r"changed from float32\[3\] to bfloat16\[3\]"),
        ({"y": jnp.zeros(3)}, "the structure changed"),
    ],
)
def test_a_retrace_says_what_changed(later, message):
    first = {"x": jnp.zeros(3)}
    with pytest.raises(AssertionError, match=message):
        testing.assert_no_retrace(lambda d: 2, [(first,), (first,), (later,)])


def softmax(x):
    return jnp.exp(x) / jnp.exp(x).sum()


def test_implementations_agree():
    testing.assert_implementations_agree(
        {
            "reference": softmax,
            "library": jax.nn.softmax,
            "shifted": lambda x: softmax(x - x.max()),
        },
        jnp.arange(4.0),
    )


def test_another_value_is_named():
    with pytest.raises(
        AssertionError, match=r'"wrong" disagrees with "reference": value\[3\] is 0.87'
    ):
        testing.assert_implementations_agree(
            {
                "reference": softmax,
                "right": jax.nn.softmax,
                "wrong": lambda x: softmax(2 * x) + 0.01,
            },
            jnp.arange(4.0),
        )


def test_another_gradient_is_named_unless_gradients_are_off():
    implementations = {"reference": softmax, "wrong": lambda x: softmax(jax.lax.stop_gradient(x))}
    x = jnp.arange(4.0)
    with pytest.raises(AssertionError, match=r"gradient.0\[\d\] is 0, wanted"):
        testing.assert_implementations_agree(implementations, x)
    testing.assert_implementations_agree(implementations, x, gradients=False)


def plain_mean(x):
    return jax.lax.fori_loop(
        0, len(x), lambda i, total: total + x[i], jnp.zeros((), x.dtype)
    ) / len(x)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_low_precision_passes_float32_accumulation_and_the_plain_computation(dtype, rng):
    x = rng.uniform(size=300).astype(np.float32)

    def accumulates_in_float32(x):
        return plain_mean(x.astype(jnp.float32)).astype(x.dtype)

    testing.assert_low_precision_error(accumulates_in_float32, plain_mean, x, dtype=dtype)
    testing.assert_low_precision_error(plain_mean, plain_mean, x, dtype=dtype)


def test_low_precision_fails_where_the_plain_computation_is_better(rng):
    x = rng.uniform(size=300).astype(np.float32)

    def careful(x):
        return jnp.mean(x.astype(jnp.float32)).astype(x.dtype)

    with pytest.raises(AssertionError, match=r"value errs by.*in bfloat16,.*accumulate in float32"):
        testing.assert_low_precision_error(plain_mean, careful, x)


def test_low_precision_holds_for_gradients_too():
    x = jnp.linspace(0.1, 1.0, 10)

    @jax.custom_vjp
    def wrong_gradient(x):
        return x * x

    wrong_gradient.defvjp(lambda x: (x * x, x), lambda x, g: (g * x,))
    with pytest.raises(AssertionError, match=r"gradient.0 errs by"):
        testing.assert_low_precision_error(wrong_gradient, jnp.square, x)
    testing.assert_low_precision_error(wrong_gradient, jnp.square, x, gradients=False)


def test_nan_is_an_error_in_low_precision():
    with pytest.raises(AssertionError, match="value errs by nan"):
        testing.assert_low_precision_error(lambda x: x * jnp.nan, lambda x: x, jnp.ones(3))


def test_an_overflow_of_the_plain_computation_is_no_reason_to_fail():
    def plain(x):
        return x * x / x.max()

    def careful(x):
        return (x * (x / x.max())).astype(x.dtype)

    x = jnp.array([300.0, 600.0])
    assert not np.isfinite(plain(x.astype(jnp.float16))).all()
    testing.assert_low_precision_error(careful, plain, x, dtype=jnp.float16, gradients=False)


def test_infinite_entries_do_not_loosen_the_tolerance():
    x = jnp.array([-jnp.inf, 1.0])
    testing.assert_implementations_agree({"a": lambda x: x, "b": lambda x: x}, x, gradients=False)
    with pytest.raises(AssertionError, match=r"value\[1\] is 2, wanted 1"):
        testing.assert_implementations_agree(
            {"a": lambda x: x, "b": lambda x: 2 * x}, x, gradients=False
        )
