"""Every score and implementation against attention written with one-hot matrices."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _edges import attend as attend_with
from _edges import plain, prepared
from jax.test_util import check_grads

from graphattn_jax import ops

N, H, C, C_V = 6, 2, 3, 4

# name -> (init of the score's own arrays from (rng, E), score from those arrays and the bias)
SCORES = {
    "dot": (lambda rng, e, c: {}, lambda p: ops.DotScore()),
    "dot scaled": (lambda rng, e, c: {}, lambda p: ops.DotScore(0.3)),
    "dot edge": (
        lambda rng, e, c: {"edge": rng.normal(size=(e, H, c))},
        lambda p: ops.DotScore(0.3, p["edge"]),
    ),
    "additive": (lambda rng, e, c: {}, lambda p: ops.AdditiveScore()),
    "additive edge": (
        lambda rng, e, c: {"edge": rng.normal(size=(e, H))},
        lambda p: ops.AdditiveScore(0.1, p["edge"]),
    ),
    "gatv2": (
        lambda rng, e, c: {"vector": rng.normal(size=(H, c))},
        lambda p: ops.GATv2Score(p["vector"]),
    ),
    "gatv2 edge": (
        lambda rng, e, c: {"vector": rng.normal(size=(H, c)), "edge": rng.normal(size=(e, H, c))},
        lambda p: ops.GATv2Score(p["vector"], 0.3, p["edge"]),
    ),
}  # fmt: skip
for name in ("dot", "dot edge", "additive edge", "gatv2"):
    SCORES[f"symmetrized {name}"] = (
        SCORES[name][0],
        lambda p, make=SCORES[name][1]: ops.SymmetrizedScore(make(p)),
    )
try:
    ops.build_cpp()
    CPP = ("cpp",)
except RuntimeError:  # no compiler
    CPP = ()
FAST = ("xla", *CPP)
IMPLEMENTATIONS = {
    name: (
        "reference",
        "xla",
        *CPP,
        *(() if name.startswith("symmetrized") else ("triton", "block_dense")),
    )
    for name in SCORES
}


def edges(num_edges=14, seed=0):
    """A random multigraph with a self-loop, a duplicate and node 5 isolated."""
    senders, receivers = np.random.default_rng(seed).integers(0, N - 1, (2, num_edges))
    senders[:3], receivers[:3] = (2, 0, 0), (2, 1, 1)
    return senders, receivers


def arrays(name, num_edges, dtype=np.float32, n_r=N, n_s=N, channels=(C, C_V)):
    rng = np.random.default_rng(7)
    shape = (H,) if name is not None and "additive" in name else (H, channels[0])
    p = {
        "query": rng.normal(size=(n_r, *shape)),
        "key": rng.normal(size=(n_s, *shape)),
        "value": rng.normal(size=(n_s, H, channels[1])),
        "bias": rng.normal(size=(num_edges, H)),
        **SCORES[name][0](rng, num_edges, channels[0]),
    }
    return {k: jnp.asarray(v).astype(dtype) for k, v in p.items()}


def score_of(name, p):
    """With the bias, which is that of the score inside where it is symmetrized."""
    score = SCORES[name][1](p)
    if isinstance(score, ops.SymmetrizedScore):
        return ops.SymmetrizedScore(dataclasses.replace(score.score, bias=p["bias"]))
    return dataclasses.replace(score, bias=p["bias"])


def attend(name, p, edges, **options):
    return attend_with(p["query"], p["key"], p["value"], edges, score=score_of(name, p), **options)


def one_edge_logits(score, q, k):
    """The score's formula on rows [E, ...] of both ends."""
    if isinstance(score, ops.DotScore):
        scale = C**-0.5 if score.scale is None else score.scale
        return scale * (q * k if score.edge is None else q * k * score.edge).sum(-1)
    z = q + k if score.edge is None else q + k + score.edge
    z = jnp.maximum(z, 0) + score.negative_slope * jnp.minimum(z, 0)
    return z if isinstance(score, ops.AdditiveScore) else (z * score.vector[None]).sum(-1)


def oracle(name, p, senders, receivers, where=None):
    """Softmax attention by matrices: R [N_r, E] and S [N_s, E] pick the ends of every edge."""
    score, dtype = SCORES[name][1](p), p["value"].dtype
    at_r = jnp.asarray(receivers == np.arange(len(p["query"]))[:, None], dtype)
    at_s = jnp.asarray(senders == np.arange(len(p["key"]))[:, None], dtype)

    def rows(x, at):
        return jnp.tensordot(at.T, x, 1)

    if isinstance(score, ops.SymmetrizedScore):
        q, k = p["query"], p["key"]
        there = one_edge_logits(score.score, rows(q, at_r), rows(k, at_s))
        back = one_edge_logits(score.score, rows(q, at_s), rows(k, at_r))
        logits = (there + back) / 2
    else:
        logits = one_edge_logits(score, rows(p["query"], at_r), rows(p["key"], at_s))
    logits = logits + p["bias"]
    e = jnp.exp(logits - jax.lax.stop_gradient(logits.max()))
    e = e if where is None else e * jnp.asarray(where, dtype)[:, None]
    total = rows(at_r @ e, at_r)
    weights = e / jnp.where(total > 0, total, 1)
    messages = weights[:, :, None] * rows(p["value"], at_s)
    return jnp.tensordot(at_r, messages, 1), weights, logits


def loss(out):
    return jnp.sum(out * jnp.cos(jnp.arange(out.size, dtype=out.dtype).reshape(out.shape)))


def close(got, want, atol=2e-5):
    jax.tree.map(lambda g, w: np.testing.assert_allclose(g, w, atol=atol), got, want)


@pytest.mark.parametrize("name", SCORES)
def test_values_and_all_gradients_match_the_matrix_form(name):
    senders, receivers = edges()
    pattern = prepared(senders, receivers, num_senders=N, degree_blocks=True)
    p = arrays(name, len(senders))

    def want(p):
        out, weights, logits = oracle(name, p, senders, receivers)
        return loss(out), (out, weights, logits)

    gradient, values = jax.jit(jax.grad(want, has_aux=True))(p)
    if name != "symmetrized dot":
        assert all(np.abs(g).max() > 1e-3 for g in gradient.values())
    for implementation in IMPLEMENTATIONS[name]:

        def got(p, implementation=implementation):
            r = attend(name, p, pattern, implementation=implementation)
            return loss(r.out), (r.out, r.weights, r.logits)

        got_gradient, got_values = jax.jit(jax.grad(got, has_aux=True))(p)
        close(got_values, values)
        close(got_gradient, gradient)
        assert not np.asarray(got_values[0])[5].any()  # isolated


@pytest.mark.parametrize("channels", [(1, 1), (5, 7), (8, 16), (17, 12)])
@pytest.mark.parametrize("name", ["dot", "dot edge", "additive", "gatv2 edge"])
def test_any_number_of_channels(name, channels):
    senders, receivers = edges()
    pattern = prepared(senders, receivers, num_senders=N)
    p = arrays(name, len(senders), channels=channels)

    def run(implementation):
        return jax.jit(
            jax.value_and_grad(
                lambda p: loss(attend(name, p, pattern, implementation=implementation).out)
            )
        )(p)

    want = run("reference")
    for implementation in (IMPLEMENTATIONS[name][1], *CPP):
        close(run(implementation), want, atol=1e-4)


def test_a_dot_product_with_ones_on_the_edges_is_the_dot_product():
    senders, receivers = edges()
    p = arrays("dot", len(senders))
    ones = jnp.ones((len(senders), H, C))
    score = ops.DotScore(edge=ones)
    close(
        ops.edge_scores(p["query"], p["key"], plain(senders, receivers, N), score=score),
        ops.edge_scores(p["query"], p["key"], plain(senders, receivers, N)),
        atol=1e-6,
    )


@pytest.mark.parametrize("implementation", ["reference", *FAST])
@pytest.mark.parametrize("name", ["dot", "gatv2", "symmetrized additive edge"])
def test_gradients_in_float64(name, implementation):
    senders, receivers = edges()
    pattern = prepared(senders, receivers, num_senders=N)
    with jax.enable_x64(True):
        p = arrays(name, len(senders), np.float64)

        @jax.jit
        def f(p):
            r = attend(name, p, pattern, implementation=implementation)
            return loss(r.out) + loss(r.logits)

        assert f(p).dtype == jnp.float64
        check_grads(f, (p,), order=1, modes=["rev"], atol=1e-6, rtol=1e-6, eps=1e-6)


@pytest.mark.parametrize("name", ["dot", "gatv2"])
def test_second_order_gradients_match_the_reference(name):
    senders, receivers = edges()
    pattern = prepared(senders, receivers, num_senders=N)
    p = arrays(name, len(senders))

    @jax.jit
    def both(p):
        def norm_of_gradient(p, implementation):
            gradient = jax.grad(
                lambda p: loss(attend(name, p, pattern, implementation=implementation).out)
            )(p)
            return sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient))

        return [jax.grad(norm_of_gradient)(p, i) for i in ("reference", *FAST)]

    reference, *fast = both(p)
    assert np.abs(reference["query"]).max() > 0.01
    for got in fast:
        close(got, reference, atol=1e-4)


@pytest.mark.parametrize("implementation", [*FAST, "triton", "block_dense"])
@pytest.mark.parametrize("name", ["dot edge", "gatv2"])
def test_a_pullback_of_the_pullback_is_the_derivative_also_at_cotangents_of_zero(
    name, implementation
):
    senders, receivers = edges()
    pattern = prepared(senders, receivers, num_senders=N, degree_blocks=True)
    p = arrays(name, len(senders))
    tangent = jax.tree.map(lambda x: jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape), p)

    @jax.jit
    def both(p, tangent):
        def out(p, implementation):
            return attend(name, p, pattern, implementation=implementation).out

        got, pull = jax.vjp(lambda p: out(p, implementation), p)
        _, twice = jax.vjp(lambda g: pull(g)[0], jnp.zeros_like(got))
        bare = plain(senders, receivers, N)
        want = jax.jvp(
            lambda p: attend(name, p, bare, implementation="reference").out, (p,), (tangent,)
        )
        return twice(tangent)[0], want[1]

    got, want = both(p, tangent)
    assert np.abs(want).max() > 0.1
    close(got, want, atol=1e-5)


@pytest.mark.parametrize("name", ["dot", "gatv2"])
def test_half_precision_error_is_within_twice_that_of_plain_half_precision(name):
    senders, receivers = edges(40)
    pattern = prepared(senders, receivers, num_senders=N, degree_blocks=True)
    low = arrays(name, len(senders), jnp.bfloat16)

    def value_and_gradient(f, p):
        out, gradient = jax.jit(
            lambda p: (f(p), jax.grad(lambda p: loss(f(p)).astype(jnp.float32))(p))
        )(p)
        return jax.tree.map(lambda x: np.asarray(x, np.float32), (out, gradient))

    def run(p, implementation):
        return attend(name, p, pattern, implementation=implementation)

    def plain(p):
        return oracle(name, p, senders, receivers)[0]

    exact = value_and_gradient(plain, jax.tree.map(lambda x: x.astype(jnp.float32), low))
    naive = value_and_gradient(plain, low)

    def errors(got):
        return np.array(jax.tree.leaves(jax.tree.map(lambda g, w: np.abs(g - w).max(), got, exact)))

    for implementation in ("reference", *FAST, "triton", "block_dense"):
        got = value_and_gradient(lambda p, i=implementation: run(p, i).out, low)
        assert (errors(got) <= 2 * errors(naive)).all(), (errors(got), errors(naive))
        result = jax.eval_shape(lambda p, i=implementation: run(p, i), low)
        assert result.out.dtype == jnp.bfloat16
        assert result.weights.dtype == result.logits.dtype == jnp.float32


@pytest.mark.parametrize("implementation", ["reference", *FAST, "triton", "block_dense"])
def test_bipartite(implementation):
    rng = np.random.default_rng(2)
    n_r, n_s = 3, 5
    senders, receivers = rng.integers(0, n_s, 9), rng.integers(0, n_r, 9)
    pattern = prepared(senders, receivers, num_senders=n_s, num_receivers=n_r, degree_blocks=True)
    p = arrays("gatv2", 9, n_r=n_r, n_s=n_s)

    @jax.jit
    def run(p):
        def got(p):
            r = attend("gatv2", p, pattern, implementation=implementation)
            return loss(r.out), r.out

        def want(p):
            out = oracle("gatv2", p, senders, receivers)[0]
            return loss(out), out

        return jax.grad(got, has_aux=True)(p), jax.grad(want, has_aux=True)(p)

    close(*run(p))


def test_symmetrized_logits_are_symmetric():
    senders, receivers = np.array([0, 1, 2, 0, 3]), np.array([1, 0, 0, 2, 3])
    reverse = ops.reverse_edges(senders, receivers)
    pattern = prepared(senders, receivers, num_senders=N, degree_blocks=True)
    p = arrays("gatv2", 5)
    for make in (lambda p: ops.DotScore(), lambda p: ops.GATv2Score(p["vector"])):
        for implementation in ("reference", *FAST):

            @jax.jit
            def logits(p, make=make, implementation=implementation):
                return ops.edge_scores(
                    p["query"], p["key"], pattern,
                    score=ops.SymmetrizedScore(make(p)), implementation=implementation,
                )  # fmt: skip

            got = np.asarray(logits(p))
            np.testing.assert_allclose(got, got[reverse], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("implementation", ["reference", *FAST, "triton", "block_dense"])
def test_padding_changes_neither_values_nor_gradients(implementation):
    senders, receivers = edges()
    num_edges, extra = len(senders), 5
    p = arrays("dot", num_edges)
    where = np.arange(num_edges + extra) < num_edges
    padding = np.array([6, 7, 6, 7, 6])
    padded_senders = np.concatenate([senders, padding])
    padded_receivers = np.concatenate([receivers, padding[::-1]])
    pattern = prepared(
        padded_senders, padded_receivers, num_senders=8, where=where, degree_blocks=True
    )

    def pad(x, fill=1e4):
        more = extra if len(x) == num_edges else 2
        return jnp.concatenate([x, jnp.full((more, *x.shape[1:]), fill, x.dtype)])

    @jax.jit
    def run(p):
        def padded(p):
            r = attend("dot", jax.tree.map(pad, p), pattern, implementation=implementation)
            return loss(r.out[:N]), (r.out[:N], r.weights[:num_edges], r)

        def alone(p):
            out, weights, _ = oracle("dot", p, senders, receivers)
            return loss(out), (out, weights)

        return jax.grad(padded, has_aux=True)(p), jax.grad(alone, has_aux=True)(p)

    (got_gradient, (out, weights, everything)), (gradient, values) = run(p)
    close((out, weights), values)
    close(got_gradient, gradient)
    assert not everything.out[N:].any() and not everything.weights[num_edges:].any()


@pytest.mark.parametrize("implementation", ["reference", *FAST, "triton", "block_dense"])
def test_gradients_through_the_weights_do_not_see_what_masked_logits_are(implementation):
    """They may exceed the logsumexp of their receiver by more than the exponential of float32 takes."""
    rng = np.random.default_rng(3)

    @jax.jit
    def gradient(p, pattern):
        def total(p):
            found = attend("dot", p, pattern, implementation=implementation)
            return loss(found.weights) + loss(found.out)

        return jax.grad(total)(p)

    senders, receivers = edges(20)
    p = arrays("dot", 20)
    whole = prepared(senders, receivers, num_senders=N, degree_blocks=True)
    for _ in range(200):
        real = rng.random(20) < 0.7
        excess = np.where(real, 0, 10.0 ** rng.uniform(1, 38, 20)).astype(np.float32)
        large = gradient(p | {"bias": p["bias"] + excess[:, None]}, whole.where(real))
        close(large, gradient(p, whole.where(real)), atol=1e-6)
        assert not np.asarray(large["bias"])[~real].any()


@pytest.mark.parametrize("implementation", ["reference", *FAST, "triton", "block_dense"])
@pytest.mark.parametrize("size", [1e4, 1e8, 1e30])
def test_equal_logits_share_however_large_they_are(implementation, size, rng):
    """The logarithm of their number is lost beside them."""
    num_edges = 8
    receivers = rng.integers(0, N, num_edges)
    edges = ops.Edges(rng.integers(0, N, num_edges), receivers, N)
    edges = ops.prepare_edges(edges, degree_blocks=implementation == "block_dense")
    ends, value = np.zeros((N, H, C), np.float32), rng.normal(size=(N, H, C_V)).astype(np.float32)
    score = ops.DotScore(bias=np.full((num_edges, H), size, np.float32))
    out, attention = ops.edge_attention(
        ends, ends, value, edges, score=score, implementation=implementation
    )
    degree = np.bincount(receivers, minlength=N)
    share = np.broadcast_to(1 / degree[receivers][:, None], (num_edges, H))
    np.testing.assert_allclose(attention.weights, share, rtol=1e-6)
    sums = np.zeros((N, H, C_V))
    np.add.at(sums, receivers, value[edges.senders])
    np.testing.assert_allclose(out, sums / np.maximum(degree, 1)[:, None, None], atol=1e-5)


@pytest.mark.parametrize("implementation", ["reference", *FAST, "block_dense"])
@pytest.mark.parametrize("size", [1e4, 1e6, 1e8, 1e30])
def test_gradients_of_large_equal_logits(implementation, size, rng):
    """Kernels that keep the logsumexp alone know it to a digit of its own size; their gradients are finite anyhow."""
    receivers = np.array([0, 0, 0, 1, 1, 2, 3, 3])
    edges = ops.Edges(rng.integers(0, N, 8), receivers, N)
    edges = ops.prepare_edges(edges, degree_blocks=implementation == "block_dense")
    ends, value = np.zeros((N, H, C), np.float32), rng.normal(size=(N, H, C_V)).astype(np.float32)
    cotangent = rng.normal(size=(N, H, C_V)).astype(np.float32)

    def total(value):
        score = ops.DotScore(bias=np.full((8, H), size, np.float32))
        out = ops.edge_attention(
            ends, ends, value, edges, score=score, implementation=implementation
        ).out
        return (out * cotangent).sum()

    found = np.asarray(jax.grad(total)(value))
    want = np.zeros_like(value)
    share = cotangent[receivers] / np.bincount(receivers)[receivers][:, None, None]
    np.add.at(want, np.asarray(edges.senders), share)
    assert np.isfinite(found).all()
    is_exact = implementation in ("reference", "xla")
    if is_exact or size < 1e7:
        rounding = 1e-6 if is_exact else 1e-6 + 1.2e-7 * size
        np.testing.assert_allclose(found, want, rtol=rounding, atol=rounding * np.abs(share).max())


@pytest.mark.parametrize("implementation", ["reference", *FAST, "triton", "block_dense"])
def test_all_edges_masked_and_no_edges(implementation):
    senders, receivers = edges()
    where = np.zeros(len(senders), bool)
    none = np.zeros(0, int)
    cases = ((senders, receivers, where), (none, none, np.zeros(0, bool)))
    for senders, receivers, where in cases:
        pattern = prepared(senders, receivers, num_senders=N, where=where, degree_blocks=True)
        p = arrays("gatv2", len(senders))

        def total(p, pattern=pattern):
            r = attend("gatv2", p, pattern, implementation=implementation)
            return loss(r.out), r

        gradient, r = jax.jit(jax.grad(total, has_aux=True))(p)
        assert r.out.shape == (N, H, C_V) and r.weights.shape == (len(senders), H)
        assert not r.out.any() and not r.weights.any()
        assert all(not g.any() for g in gradient.values())


def test_weights_follow_the_order_of_the_edges(rng):
    senders, receivers = edges()
    order = rng.permutation(len(senders))
    p = arrays("dot", len(senders))
    permuted = p | {"bias": p["bias"][order]}
    run = jax.jit(lambda p, senders, receivers: attend("dot", p, plain(senders, receivers, N)))
    got, again = run(p, senders, receivers), run(permuted, senders[order], receivers[order])
    close(again.out, got.out)
    close((again.weights, again.logits), (got.weights[order], got.logits[order]))


def test_results_and_normalizers():
    senders, receivers = np.array([0, 1, 0, 1, 2]), np.array([1, 0, 0, 1, 2])
    p = arrays("dot", 5)
    pattern = prepared(senders, receivers, num_senders=N, degree_blocks=True)
    normalizers = ops.Softmax(), ops.Sigmoid(), ops.PostHoc(), ops.Symmetric(), ops.Sinkhorn()
    for normalizer in normalizers:

        @jax.jit
        def run(p, normalizer=normalizer):
            r = attend("dot", p, pattern, normalizer=normalizer)
            return r, ops.normalize(r.logits, plain(senders, receivers, N), normalizer)

        r, want = run(p)
        close(r.weights, want.weights, atol=1e-6)
        np.testing.assert_array_equal(r.applied, r.weights)
        assert r.out.shape == (N, H, C_V) and r.logits.shape == (5, H)
        messages = np.asarray(r.weights)[:, :, None] * np.asarray(p["value"])[senders]
        out = np.zeros(r.out.shape)
        np.add.at(out, receivers, messages)
        close(r.out, out, atol=1e-6)
        if isinstance(normalizer, ops.Sinkhorn):
            assert r.residual.shape == (N, H)
            close(r.residual, want.residual, atol=1e-6)
        else:
            assert r.residual is None


def test_dropout_acts_on_the_weights_alike_in_every_implementation():
    senders, receivers = edges(40)
    pattern = prepared(senders, receivers, num_senders=N, degree_blocks=True)
    p, key = arrays("dot", 40), jax.random.key(5)

    @jax.jit
    def run(p):
        def f(p, implementation):
            r = attend(
                "dot", p, pattern, implementation=implementation, dropout=ops.Dropout(0.5, key)
            )
            return loss(r.out), r

        return [jax.grad(f, has_aux=True)(p, i) for i in ("reference", *FAST)]

    (gradient, r), *fast = run(p)
    for got in fast:
        close(got, (gradient, r))
    kept = np.asarray(r.applied) != 0
    assert 20 < kept.sum() < 60
    np.testing.assert_allclose(r.applied, np.where(kept, 2 * np.asarray(r.weights), 0), rtol=1e-6)
    close(r.weights, oracle("dot", p, senders, receivers)[1])
    out = ops.edge_aggregate(r.applied, p["value"], plain(senders, receivers, N))
    close(r.out, out, atol=1e-6)


def test_ids_and_layout_may_be_traced():
    senders, receivers = edges()
    pattern = prepared(senders, receivers, num_senders=N, degree_blocks=True)
    p = arrays("dot", len(senders))
    run = jax.jit(lambda p, edges: attend("dot", p, edges).out)
    close(run(p, pattern), oracle("dot", p, senders, receivers)[0])


def test_vmap_over_parameters():
    senders, receivers = edges()
    pattern = prepared(senders, receivers, num_senders=N, degree_blocks=True)
    p = arrays("gatv2", len(senders))
    two = jax.tree.map(lambda x: jnp.stack([x, -x]), p)
    got = jax.jit(jax.vmap(lambda p: attend("gatv2", p, pattern).out))(two)
    close(got[0], oracle("gatv2", p, senders, receivers)[0])
    close(got[1], oracle("gatv2", jax.tree.map(lambda x: -x, p), senders, receivers)[0])


def test_half_precision_sums_do_not_stall():
    n = 4096
    hub = np.zeros(n, int)
    pattern = prepared(hub, hub, num_senders=1)
    for implementation in ("reference", *FAST):
        ones = np.ones((n, 1), np.float32), jnp.ones((1, 1, 1), jnp.bfloat16)
        out = ops.edge_aggregate(*ones, pattern, implementation=implementation)
        assert out.dtype == jnp.bfloat16 and out.ravel()[0] == n


def test_a_name_binds_or_says_the_fix():
    senders, receivers = edges()
    p, bare = arrays("dot", len(senders)), plain(senders, receivers, N)
    needs = r"needs the layout of the edges\. Fix: graph = ga\.graphs\.prepare\(graph\)"
    for name in ("xla", *CPP, "triton", "block_dense"):
        with pytest.raises(NotImplementedError, match=f"'{name}' {needs}"):
            attend("dot", p, bare, implementation=name)
    with pytest.raises(NotImplementedError, match=needs):
        ops.edge_aggregate(p["bias"], p["value"], bare, implementation="xla")
    pattern = prepared(senders, receivers, num_senders=N, degree_blocks=True)
    for name in ("triton", "block_dense"):
        only = f"'{name}' has softmax attention only. Fix: implementation=None"
        with pytest.raises(NotImplementedError, match=only):
            attend("dot", p, pattern, implementation=name, normalizer=ops.Sinkhorn())
        with pytest.raises(NotImplementedError, match=only):
            attend("symmetrized dot", p, pattern, implementation=name)
        with pytest.raises(NotImplementedError, match=only):
            ops.edge_aggregate(p["bias"], p["value"], pattern, implementation=name)
    with pytest.raises(NotImplementedError, match=r"degree blocks\. Fix: ga\.graphs\.prepare"):
        attend("dot", p, prepared(senders, receivers, num_senders=N), implementation="block_dense")


@pytest.mark.parametrize("traced", [False, True])
def test_a_layout_of_other_sizes_is_refused_by_every_op(traced):
    senders, receivers = edges()
    p = arrays("dot", len(senders))
    layouts = (
        prepared(senders[1:], receivers[1:], num_senders=N).layout,
        prepared(senders, receivers, num_senders=N + 1).layout,
        prepared(senders, receivers, num_senders=N, num_receivers=N + 1).layout,
    )
    calls = (
        lambda e: attend("dot", p, e).out,
        lambda e: ops.edge_scores(p["query"], p["key"], e),
        lambda e: ops.edge_aggregate(p["bias"], p["value"], e),
        lambda e: ops.attend_from_logits(p["bias"], p["value"], e).out,
        lambda e: ops.normalize(p["bias"], e).weights,
        lambda e: ops.sinkhorn(p["bias"], e).weights,
        lambda e: ops.sender_rows(p["value"], e),
        lambda e: ops.receiver_sum(p["bias"], e),
        lambda e: ops.rectified_sum(p["query"][:, 0], p["key"][:1, 0].repeat(len(senders), 0), e),
    )
    for layout in layouts:
        wrong = dataclasses.replace(plain(senders, receivers, N), layout=layout)
        for call in calls:
            with pytest.raises(
                ValueError, match=r"edges\.layout is that of .* Fix: ga\.ops\.prepare"
            ):
                (jax.jit(call) if traced else call)(wrong)


def test_who_does_not_look_at_the_weights_does_not_compute_them():
    senders, receivers = edges()
    p = arrays("dot", len(senders))
    pattern = prepared(senders, receivers, num_senders=N)

    def equations(f):
        return len(jax.make_jaxpr(f)(p).jaxpr.eqns)

    def run(p):
        return ops.edge_attention(
            p["query"], p["key"], p["value"], pattern, implementation="triton"
        )

    assert 2 * equations(lambda p: run(p).out) < equations(run)
    found = jax.jit(run)(p)  # they leave the transformation, and are computed
    close(
        found.attention.weights, oracle("dot", p | {"bias": 0 * p["bias"]}, senders, receivers)[1]
    )


def test_different_nodes_on_both_sides_even_if_as_many():
    senders, receivers = edges()
    p = arrays("dot", len(senders))
    pattern = prepared(senders, receivers, num_senders=N, num_receivers=N)
    assert pattern.reverse is None and pattern.T.is_bipartite
    close(attend("dot", p, pattern).out, oracle("dot", p, senders, receivers)[0])
    with pytest.raises(ValueError, match="needs the same nodes on both sides"):
        attend("dot", p, pattern, normalizer=ops.PostHoc())
    with pytest.raises(ValueError, match="needs the same nodes on both sides"):
        attend("symmetrized dot", p, pattern)


X, IDS = np.zeros((3, H, C), np.float32), np.array([0, 1])
VECTOR = np.zeros((H, C), np.float32)
INVALID = {
    "query rank": ({"query": X[0]}, r"query must have shape \[3, H, C\], got \(2, 3\)"),
    "query rows": ({"query": X[:2]}, r"query must have shape \[3, H, C\], got \(2, 2, 3\)"),
    "additive": ({"score": ops.AdditiveScore()}, r"query must have shape \[3, H\], got \(3, 2, 3\)"),
    "key": ({"key": X[:, :, :2]}, r"key must have shape \[3, 2, 3\], got \(3, 2, 2\)"),
    "value nodes": ({"value": X[:2]}, r"value must have shape \[3, 2, C\], got \(2, 2, 3\)"),
    "value heads": ({"value": X[:, :1]}, r"value must have shape \[3, 2, C\], got \(3, 1, 3\)"),
    "integers": ({"query": X.astype(int)}, "query must be floating point"),
    "value integers": ({"value": X.astype(int)}, "value must be floating point"),
    "senders range": ({"senders": IDS + 2}, r"senders must lie in \[0, 3\) .* got 3 at position 1"),
    "receivers range": ({"receivers": IDS - 1}, r"receivers must lie in \[0, 3\) .* got -1"),
    "float ids": ({"senders": IDS.astype(float)}, "senders must be integer ids"),
    "id count": ({"receivers": IDS[:1]}, r"receivers must have shape \[2\], got \(1,\)"),
    "score": ({"score": "dot"}, "score must be a DotScore, .* got str 'dot'"),
    "vector": ({"score": ops.GATv2Score(VECTOR.T)}, r"score.vector must have shape \[2, 3\]"),
    "edge": (
        {"score": ops.GATv2Score(VECTOR, edge=X)},
        r"score.edge must have shape \[2, 2, 3\], got \(3, 2, 3\)",
    ),
    "edge of a dot product": (
        {"score": ops.DotScore(edge=X)},
        r"score.edge must have shape \[2, 2, 3\], got \(3, 2, 3\)",
    ),
    "bias": (
        {"score": ops.DotScore(bias=np.zeros(2, np.float32))},
        r"score.bias must have shape \[2, 2\], got \(2,\)",
    ),
    "mask": ({"mask": IDS}, r"edges.mask must be boolean \(True = real\)"),
    "size": ({"num_senders": 3.0}, "edges.num_senders must be a Python integer, got float 3.0"),
    "normalizer": ({"normalizer": "max"}, "normalizer must be a value such as"),
    "implementation": ({"implementation": "cuda"}, "must be one of 'triton', 'cpp', 'xla'"),
    "no key": ({"dropout": ops.Dropout(0.5, None)}, "dropout.rate=0.5 needs dropout.key"),
    "rate": ({"dropout": ops.Dropout(1, None)}, r"dropout.rate must be a number in \[0, 1\), got 1"),
    "a bare rate": ({"dropout": 0.5}, r"dropout must be a ga.ops.Dropout\(rate, key\) or None"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID)
def test_invalid_arguments(case):
    change, message = INVALID[case]
    pattern = {"senders": IDS, "receivers": IDS, "num_senders": 3, "mask": None}
    arguments = {"query": X, "key": X, "value": X} | pattern | change
    edges = ops.Edges(**{name: arguments.pop(name) for name in pattern})
    with pytest.raises(ValueError, match=message):
        ops.edge_attention(edges=edges, **arguments)


def test_invalid_aggregate_arguments():
    weights = np.zeros((2, H), np.float32)
    edges = ops.Edges(IDS, IDS, num_senders=3)
    for change, message in (
        ({"weights": weights[:1]}, r"weights must have shape \[2, 2\], got \(1, 2\)"),
        ({"value": X[0]}, r"value must have shape \[3, H, C\]"),
        ({"edges": ops.Edges(IDS, IDS, 3, 1)}, r"edges.receivers must lie in \[0, 1\)"),
    ):
        with pytest.raises(ValueError, match=message):
            ops.edge_aggregate(**({"weights": weights, "value": X, "edges": edges} | change))
