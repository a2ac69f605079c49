from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import ops

NUM_NODES, HEADS = 7, 2
CONSTRAINTS = {
    "post_hoc": ops.PostHoc,
    "symmetric": ops.Symmetric,
    "sinkhorn": lambda **limits: ops.Sinkhorn(iterations=300, **limits),
}


def make(name, **options):
    plain = {"softmax": ops.Softmax, "sigmoid": ops.Sigmoid}
    return (plain | CONSTRAINTS)[name](**options)


def graph(one_way=True, seed=0):
    """A connected graph: a ring in both directions, all self-loops, some one-way chords; shuffled."""
    ring = np.arange(NUM_NODES)
    after = (ring + 1) % NUM_NODES
    chords = (np.array([0, 1, 5]), np.array([3, 4, 2])) if one_way else (np.zeros(0, int),) * 2
    senders = np.concatenate([ring, after, ring, chords[0]])
    receivers = np.concatenate([after, ring, ring, chords[1]])
    order = np.random.default_rng(seed).permutation(len(senders))
    return senders[order], receivers[order]


def random_logits(num_edges, seed=1):
    return np.random.default_rng(seed).normal(size=(num_edges, HEADS)).astype(np.float32)


def dense(values, senders, receivers):
    out = np.zeros((HEADS, NUM_NODES, NUM_NODES))
    out[:, receivers, senders] = np.asarray(values).T
    return out


def dense_parts(logits, senders, receivers, mutual=None):
    """E with symmetrised logits on `mutual`, P of the raw logits and P of the symmetrised ones."""
    pattern = dense(np.ones_like(logits), senders, receivers) > 0
    mutual = pattern & pattern.swapaxes(1, 2) if mutual is None else mutual
    raw = dense(logits, senders, receivers)
    both = np.where(mutual, (raw + raw.swapaxes(1, 2)) / 2, raw)
    softmax, e = np.exp(raw) * pattern, np.exp(both) * pattern
    return mutual, softmax / row_sums(softmax), e


def row_sums(matrix):
    return np.maximum(matrix.sum(-1, keepdims=True), 1e-300)


def dense_weights(name, logits, senders, receivers, mutual=None):
    mutual, p, e = dense_parts(logits, senders, receivers, mutual)
    if name == "post_hoc":
        return np.where(mutual, (p + p.swapaxes(1, 2)) / 2, p)
    d = row_sums(e)
    if name == "symmetric":
        return np.where(mutual, e / (np.sqrt(d) * np.sqrt(d).swapaxes(1, 2)), e / d)
    mass = (e / d * mutual).sum(-1)
    u = np.ones_like(mass)
    inside = e * mutual
    for _ in range(3000):
        u = np.sqrt(u * mass / np.maximum(np.einsum("hij,hj->hi", inside, u), 1e-300))
    return np.where(mutual, u[:, :, None] * inside * u[:, None, :], e / d)


@partial(jax.jit, static_argnums=0)
def normalize(name, logits, edges):
    return ops.normalize(logits, edges, make(name))


@partial(jax.jit, static_argnums=0)
def normalize_and_gradient(name, cotangent, logits, edges):
    def loss(logits):
        out = normalize(name, logits, edges).weights
        return jnp.sum(out * cotangent), out

    gradient, out = jax.grad(loss, has_aux=True)(logits)
    return out, gradient


def pattern(senders, receivers, **parts):
    return ops.Edges(senders, receivers, num_senders=NUM_NODES, **parts)


def weights(name, logits, senders, receivers):
    reverse = ops.reverse_edges(senders, receivers)
    return normalize(name, logits, pattern(senders, receivers, reverse=reverse))


def weights_and_gradient(name, logits, senders, receivers, mask):
    edges = pattern(senders, receivers, mask=mask, reverse=ops.reverse_edges(senders, receivers))
    cotangent = random_logits(len(senders), seed=9)
    out, gradient = normalize_and_gradient(name, cotangent, logits, edges)
    return np.asarray(out), np.asarray(gradient)


def test_softmax_rows_sum_to_one():
    senders, receivers = graph()
    logits = random_logits(len(senders))
    got, residual = weights("softmax", logits, senders, receivers)
    _, p, _ = dense_parts(logits, senders, receivers)
    np.testing.assert_allclose(dense(got, senders, receivers), p, atol=1e-6)
    np.testing.assert_allclose(dense(got, senders, receivers).sum(-1), 1, atol=1e-6)
    assert residual is None


def test_sigmoid_is_one_gate_per_edge_with_finite_gradient_at_any_logit():
    senders, receivers = graph()
    logits = random_logits(len(senders)) * 300
    where = np.ones(len(senders), bool)
    got, gradient = weights_and_gradient("sigmoid", logits, senders, receivers, where)
    np.testing.assert_allclose(got, 0.5 * (1 + np.tanh(logits / 2)), atol=1e-6)
    want = random_logits(len(senders), seed=9) * got * (1 - got)
    np.testing.assert_allclose(gradient, want, atol=1e-6)


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_matches_the_dense_formula_and_one_way_edges_keep_their_softmax(name):
    senders, receivers = graph()
    logits = random_logits(len(senders))
    got = dense(weights(name, logits, senders, receivers).weights, senders, receivers)
    np.testing.assert_allclose(got, dense_weights(name, logits, senders, receivers), atol=2e-5)
    mutual, p, e = dense_parts(logits, senders, receivers)
    one_way = (e > 0) & ~mutual
    want = p if name == "post_hoc" else e / e.sum(-1, keepdims=True)
    assert one_way.sum() == 3 * HEADS
    np.testing.assert_allclose(got[one_way], want[one_way], atol=1e-6)


def test_post_hoc_is_symmetric_with_rows_from_column_sums():
    senders, receivers = graph(one_way=False)
    logits = random_logits(len(senders))
    a = dense(weights("post_hoc", logits, senders, receivers).weights, senders, receivers)
    _, p, _ = dense_parts(logits, senders, receivers)
    np.testing.assert_array_equal(a, a.swapaxes(1, 2))
    np.testing.assert_allclose(a.sum(-1), (1 + p.sum(-2)) / 2, atol=1e-6)
    assert np.abs(a.sum(-1) - 1).max() > 0.05


def test_symmetric_has_the_spectrum_of_softmax():
    senders, receivers = graph(one_way=False)
    logits = random_logits(len(senders))
    logits = logits + logits[ops.reverse_edges(senders, receivers)]
    a = dense(weights("symmetric", logits, senders, receivers).weights, senders, receivers)
    np.testing.assert_allclose(a, a.swapaxes(1, 2), atol=1e-7)
    _, p, _ = dense_parts(logits, senders, receivers)
    for head in range(HEADS):
        spectrum = np.linalg.eigvalsh(a[head])
        assert abs(np.abs(spectrum).max() - 1) < 1e-5
        np.testing.assert_allclose(spectrum, np.sort(np.linalg.eigvals(p[head]).real), atol=1e-5)


def test_sinkhorn_is_symmetric_and_doubly_stochastic():
    senders, receivers = graph(one_way=False)
    logits = random_logits(len(senders))
    got, residual = weights("sinkhorn", logits, senders, receivers)
    a = dense(got, senders, receivers)
    np.testing.assert_array_equal(a, a.swapaxes(1, 2))
    assert residual.shape == (NUM_NODES, HEADS) and residual.max() < 1e-4
    np.testing.assert_allclose(a.sum(-1), 1, atol=1e-4)
    np.testing.assert_allclose(a.sum(-2), 1, atol=1e-4)


def mutual_subset(senders, receivers):
    """A mask that names some edges in one direction only, and the edges it means."""
    edges = np.isin(senders + receivers, [1, 3, 4, 7, 8, 10]) | (senders == receivers)
    edges[np.flatnonzero((senders == 0) & (receivers == 1))] = False  # 1 → 0 stays named
    pattern = np.zeros((NUM_NODES, NUM_NODES), bool)
    pattern[receivers[edges], senders[edges]] = True
    return edges, pattern & pattern.T


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraint_on_a_subset_of_edges(name):
    senders, receivers = graph()
    logits = random_logits(len(senders))
    edges, mutual = mutual_subset(senders, receivers)
    assert edges.any() and not edges.all() and mutual[0, 0] and not mutual[0, 1]
    for prepare in (lambda edges: edges, ops.prepare_edges):
        check_subset(name, logits, prepare(pattern(senders, receivers)).one_way(~edges), mutual)


def check_subset(name, logits, edges, mutual):
    senders, receivers = edges.senders, edges.receivers
    got, residual = ops.normalize(logits, edges, make(name))
    a = dense(got, senders, receivers)
    np.testing.assert_allclose(
        a, dense_weights(name, logits, senders, receivers, mutual[None]), atol=2e-5
    )
    inside = np.where(mutual, a, 0)
    np.testing.assert_allclose(inside, inside.swapaxes(1, 2), atol=1e-7)
    if name == "sinkhorn":
        assert residual.max() < 1e-3
        assert (np.abs(a.sum(-1) - 1) <= np.asarray(residual).T + 1e-6).all()


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraint_on_a_subset_of_heads(name):
    senders, receivers = graph()
    logits = random_logits(len(senders))
    edges = pattern(senders, receivers)
    free = ops.normalize(logits, edges).weights
    whole = weights(name, logits, senders, receivers).weights
    got = ops.normalize(logits, edges, make(name, heads=(False, True))).weights
    np.testing.assert_allclose(got[:, 0], free[:, 0], atol=1e-6)
    np.testing.assert_allclose(got[:, 1], whole[:, 1], atol=1e-6)


@pytest.mark.parametrize("name", ["softmax", "sigmoid", *CONSTRAINTS])
def test_masked_edges_change_neither_values_nor_gradients(name):
    senders, receivers = graph()
    logits = random_logits(len(senders))
    where = (senders != 6) & (receivers != 6) & ~((senders == 1) & (receivers == 2))
    want, want_gradient = weights_and_gradient(name, logits, senders, receivers, where)
    alone = (logits[where], senders[where], receivers[where])
    if name == "softmax":
        np.testing.assert_allclose(
            dense(want[where], *alone[1:]), dense_parts(*alone)[1], atol=1e-6
        )
    elif name in CONSTRAINTS:
        oracle = dense_weights(name, *alone)
        np.testing.assert_allclose(dense(want[where], *alone[1:]), oracle, atol=2e-5)
    assert np.isfinite(want_gradient).all() and want_gradient[where].any()
    for poison in (np.nan, np.inf, -np.inf, 1e30):
        poisoned = np.where(where[:, None], logits, np.float32(poison))
        got, gradient = weights_and_gradient(name, poisoned, senders, receivers, where)
        assert not got[~where].any() and not gradient[~where].any()
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(gradient, want_gradient)


def multigraphs(count=200):
    """Small ones with copies of edges, of which some are masked; and the same without these."""
    rng = np.random.default_rng(0)
    first = np.array([0, 0, 1, 2]), np.array([1, 1, 0, 1]), np.array([False, True, True, True])
    for case in range(count):
        senders, receivers = rng.integers(0, 3, (2, 8))
        real = rng.random(8) < 0.6
        if not case:
            senders[:4], receivers[:4], real[:4], real[4:] = *first, False
        yield senders, receivers, real, rng.normal(size=(8, HEADS)).astype(np.float32)


@pytest.mark.parametrize("name", ["softmax", "sigmoid", *CONSTRAINTS])
def test_masked_copies_of_an_edge_have_no_part_in_the_pairing(name):
    for senders, receivers, real, logits in multigraphs():
        plain = ops.Edges(senders, receivers, NUM_NODES)
        # The same size for one compilation: what is left out becomes loops at nodes of their own.
        apart = (
            np.where(real, senders, 3 + np.arange(8) % 4),
            np.where(real, receivers, 3 + np.arange(8) % 4),
        )
        alone = normalize(name, logits, ops.Edges(*apart, NUM_NODES))
        ways = {
            "mask": plain.where(real),
            "prepared": ops.prepare_edges(plain.where(real), static=True),
            "prepared before": ops.prepare_edges(plain, static=True).where(real),
            "twice": ops.prepare_edges(plain.where(real | (senders == 1)), static=True).where(real),
        }
        for edges in ways.values():
            found = normalize(name, logits, edges)
            np.testing.assert_allclose(
                np.asarray(found.weights)[real],
                np.asarray(alone.weights)[real],
                rtol=2e-5,
                atol=2e-6,
            )
            assert not np.asarray(found.weights)[~real].any()
            if name == "sinkhorn":
                np.testing.assert_allclose(found.residual[:3], alone.residual[:3], atol=1e-5)


@pytest.mark.parametrize("gradient", ["unrolled", "implicit"])
@pytest.mark.parametrize("name", ["softmax", "sigmoid", *CONSTRAINTS])
def test_second_derivatives_are_finite_also_without_constrained_or_real_edges(name, gradient):
    if name == "sinkhorn":
        normalizer = ops.Sinkhorn(5, gradient)
    elif gradient == "implicit":
        return
    else:
        normalizer = make(name)

    @jax.jit
    def second(logits, edges, g):
        def loss(logits):
            weights, residual = ops.normalize(logits, edges, normalizer)
            return jnp.sum(weights * g) + (0 if residual is None else jnp.sum(residual))

        return jax.grad(lambda x: jnp.sum(jax.grad(loss)(x) * g[::-1]))(logits)

    for senders, receivers, real, logits in multigraphs():
        edges = ops.prepare_edges(ops.Edges(senders, receivers, NUM_NODES).where(real), static=True)
        got = second(logits, edges, random_logits(8, seed=3))
        assert np.isfinite(got).all() and not np.asarray(got)[~real].any()


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_large_logits_on_one_way_edges_have_finite_gradients(name):
    # Into node 3 from node 0, whose own row is tiny: E_30 / sqrt(D_3 D_0) would overflow.
    senders, receivers = graph()
    one_way = (senders == 0) & (receivers == 3)
    logits = random_logits(len(senders)) + (300.0 * one_way - 300.0 * (receivers == 0))[:, None]
    where = np.ones(len(senders), bool)
    out, gradient = weights_and_gradient(name, logits.astype(np.float32), senders, receivers, where)
    assert np.isfinite(gradient).all() and np.isfinite(out).all()
    np.testing.assert_allclose(out[one_way], 1, atol=1e-6)


@pytest.mark.parametrize("name", ["softmax", "sigmoid", *CONSTRAINTS])
def test_no_edges_and_all_edges_masked(name):
    none = np.zeros(0, int)
    assert weights(name, np.zeros((0, HEADS), np.float32), none, none).weights.shape == (0, HEADS)
    senders, receivers = graph()
    logits, where = random_logits(len(senders)), np.zeros(len(senders), bool)
    out, gradient = weights_and_gradient(name, logits, senders, receivers, where)
    assert not out.any() and not gradient.any()


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_given_reverse_is_the_computed_one(name):
    senders, receivers = graph()
    logits = random_logits(len(senders))
    given = weights(name, logits, senders, receivers).weights
    computed = normalize(name, logits, pattern(senders, receivers)).weights
    np.testing.assert_allclose(given, computed, atol=1e-6)
    # Without reverse edges nothing is constrained.
    none = pattern(senders, receivers, reverse=np.full(len(senders), -1))
    none = normalize(name, logits, none).weights
    softmax = weights("softmax", logits, senders, receivers).weights
    np.testing.assert_allclose(none, softmax, atol=1e-6)


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_duplicate_edges_stay_symmetric(name):
    senders, receivers = np.array([0, 0, 1, 1, 0, 1]), np.array([1, 1, 0, 0, 0, 1])
    out = weights(name, random_logits(6), senders, receivers).weights
    np.testing.assert_allclose(out, out[ops.reverse_edges(senders, receivers)], atol=1e-7)


def test_half_precision_logits_give_float32_weights():
    senders, receivers = graph()
    logits = jnp.asarray(random_logits(len(senders))).astype(jnp.bfloat16)
    for name in ("softmax", "sigmoid", *CONSTRAINTS):
        out = jax.eval_shape(lambda x, name=name: weights(name, x, senders, receivers), logits)
        assert out.weights.dtype == jnp.float32


def test_a_normalizer_of_ones_own():
    class Uniform:
        is_constraint = False

        def __call__(self, logits, edges):
            ones = jnp.where(jnp.isneginf(logits), 0.0, 1.0)
            degree = ops.segment_sum(ones, edges.receivers, edges.num_rows)
            return ops.Normalized(ones / jnp.maximum(degree, 1)[edges.receivers])

    senders, receivers = graph()
    edges = pattern(senders, receivers)
    value = jnp.ones((NUM_NODES, HEADS, 2))
    got = ops.edge_attention(value, value, value, edges, normalizer=Uniform())
    np.testing.assert_allclose(got.out, 1, atol=1e-6)


def test_they_are_values():
    for name in ("softmax", "sigmoid", *CONSTRAINTS):
        assert make(name) == make(name) and hash(make(name)) == hash(make(name))
    assert ops.Sinkhorn(3) != ops.Sinkhorn(4) and repr(ops.Sigmoid()) == "Sigmoid()"


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_a_constraint_needs_the_same_nodes_on_both_sides(name):
    edges = ops.Edges(IDS, IDS, num_senders=3, num_receivers=3)
    with pytest.raises(ValueError, match="needs the same nodes on both sides, got a bipartite"):
        ops.normalize(LOGITS, edges, make(name))
    assert ops.normalize(LOGITS, edges).weights.shape == (3, 2)


LOGITS, IDS = np.zeros((3, 2), np.float32), np.array([0, 1, 2])
INVALID = {
    "name": (
        lambda: {"normalizer": "softmax"},
        r"normalizer must be a value such as ga.ops.Softmax\(\).*got str 'softmax'",
    ),
    "class": (lambda: {"normalizer": ops.Sinkhorn}, r"or Sinkhorn\(iterations=50\), got type"),
    "logits": (lambda: {"logits": LOGITS[:, 0]}, r"logits must have shape \[3, H\], got \(3,\)"),
    "integer logits": (lambda: {"logits": LOGITS.astype(int)}, "logits must be floating point"),
    "receivers": (lambda: {"receivers": IDS[:2]}, r"edges.receivers must have shape \[3\]"),
    "out of range": (lambda: {"receivers": IDS + 1}, r"edges.receivers must lie in \[0, 3\)"),
    "mask": (lambda: {"mask": IDS}, "edges.mask must be boolean"),
    "reverse": (lambda: {"reverse": IDS[:2]}, r"edges.reverse must have shape \[3\], got \(2,\)"),
    "heads": (
        lambda: {"normalizer": ops.Symmetric(heads=(True,) * 3)},
        "heads must have one bool for each of 2 heads",
    ),
    "array of heads": (
        lambda: {"normalizer": ops.Symmetric(heads=np.ones(2, bool))},
        "heads must be a tuple of bools",
    ),
    "iterations": (lambda: ops.Sinkhorn(0), "iterations must be a positive integer"),
    "gradient": (lambda: ops.Sinkhorn(gradient="none"), "gradient must be one of 'unrolled', 'implicit'"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID)
def test_invalid_arguments(case):
    change, message = INVALID[case]
    with pytest.raises(ValueError, match=message):
        arguments = {"logits": LOGITS, "normalizer": ops.PostHoc()} | change()
        ids = {name: arguments.pop(name, IDS) for name in ("senders", "receivers")}
        parts = {name: arguments.pop(name) for name in ("mask", "reverse") if name in arguments}
        ops.normalize(edges=ops.Edges(**ids, num_senders=3, **parts), **arguments)
