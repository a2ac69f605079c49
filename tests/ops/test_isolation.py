"""What is not finite at one node reaches who hears from it, and nobody else: forward and backward, whatever computes.

Tiles have empty slots that point at node 0, masks leave out edges, dense blocks hold pairs that may not attend: a
product with a weight of 0 would carry NaN through all of them.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import ops

CASES = 200
N, E, H, C = 9, 24, 2, 3
WILD = (np.nan, np.inf, -np.inf)
SCORES = {
    "dot": lambda p: ops.DotScore(bias=p["bias"]),
    "dot edge": lambda p: ops.DotScore(edge=p["edge"], bias=p["bias"]),
    "additive": lambda p: ops.AdditiveScore(edge=p["edge"][:, :, 0], bias=p["bias"]),
    "gatv2": lambda p: ops.GATv2Score(p["vector"], bias=p["bias"]),
    "gatv2 edge": lambda p: ops.GATv2Score(p["vector"], edge=p["edge"], bias=p["bias"]),
    "symmetrized": lambda p: ops.SymmetrizedScore(ops.DotScore(bias=p["bias"])),
}
LOCAL = (ops.Softmax(), ops.Sigmoid())
CONSTRAINTS = (
    ops.PostHoc(),
    ops.Symmetric(),
    ops.Sinkhorn(5),
    ops.Sinkhorn(5, gradient="implicit"),
)
try:
    ops.build_cpp()
    CPP = ("cpp",)
except RuntimeError:  # no compiler
    CPP = ()
WAYS = (
    *((i, "dot", n) for i in ("reference", "xla", *CPP) for n in (*LOCAL, *CONSTRAINTS)),
    *((i, s, LOCAL[0]) for i in ("reference", "xla", *CPP) for s in ("dot edge", "additive", "gatv2", "gatv2 edge")),
    *(("reference", "symmetrized", n) for n in (LOCAL[0], CONSTRAINTS[0])),
    *((i, s, LOCAL[0]) for i in ("triton", "block_dense") for s in ("dot", "dot edge", "additive", "gatv2 edge")),
)  # fmt: skip


def pattern(rng, implementation):
    """Three groups of nodes with edges and loops inside; masked edges lead from one to another.

    The mask is known before the tiles are cut, or comes later, or both. Degrees repeat, so that blocks by degree have
    the same sizes in all cases.
    """
    places = np.arange(N).reshape(3, 3)
    senders, receivers = rng.choice(places[[0, 0, 1, 2]], (2, E // 4), axis=1).reshape(2, -1)
    if implementation == "block_dense":
        receivers = np.resize(np.array([0, 0, 0, 1, 3, 3, 4, 6, 6, 7]), E)
        senders = receivers // 3 * 3 + np.resize(np.array([1, 2, 0]), E)
    real = rng.random(E) < 0.7
    label, order = rng.permutation(N), rng.permutation(E)
    if implementation != "block_dense":
        senders = np.where(real, senders, rng.integers(0, N, E))
    edges = ops.Edges(
        label[senders[order]].astype(np.int32), label[receivers[order]].astype(np.int32), N
    )
    real = real[order]
    if implementation == "block_dense":
        return ops.prepare_edges(edges, degree_blocks=True).where(real), real
    early = real | (rng.random(E) < rng.integers(3) / 2)
    edges = edges.where(early)
    return (
        ops.prepare_edges(edges, static=True) if implementation != "reference" else edges
    ).where(real), real


def components(senders, receivers):
    """`[N, N]`: who is joined to whom by edges of either direction."""
    near = np.eye(N, dtype=bool)
    near[senders, receivers] = near[receivers, senders] = True
    for _ in range(4):
        near = near @ near
    return near


@partial(jax.jit, static_argnums=(0, 1, 2))
def run(implementation, score, normalizer, p, edges, g):
    def attend(p):
        ends = (p["query"], p["key"])
        if score == "additive":
            ends = tuple(x[:, :, 0] for x in ends)
        out, attention = ops.edge_attention(
            *ends, p["value"], edges, score=SCORES[score](p), normalizer=normalizer, implementation=implementation,
        )  # fmt: skip
        return (out, attention.weights), attention.residual

    found, pull, residual = jax.vjp(attend, p, has_aux=True)
    return found, residual, pull(tuple(g))[0]


@pytest.mark.parametrize(("implementation", "score", "normalizer"), WAYS, ids=str)
def test_attention_on_edges(implementation, score, normalizer):
    rng = np.random.default_rng(0)
    shapes = dict.fromkeys(("query", "key", "value"), (N, H, C))
    shapes |= {"bias": (E, H), "edge": (E, H, C), "vector": (H, C)}
    call = partial(run, implementation, score, normalizer)
    tolerance = 1e-4 if normalizer == CONSTRAINTS[-1] else 2e-6  # of conjugate gradients
    reached = 0
    for case in range(CASES):
        edges, real = pattern(rng, implementation)
        senders, receivers = np.asarray(edges.senders)[real], np.asarray(edges.receivers)[real]
        p = {name: rng.normal(size=s).astype(np.float32) for name, s in shapes.items()}
        g = [rng.normal(size=s).astype(np.float32) for s in ((N, H, C), (E, H))]
        node = 0 if case % 2 else rng.integers(N)
        wild, where = WILD[case % 3], ("query", "key", "value", "everything", "cotangent")[case % 5]
        bad, bad_g = dict(p), list(g)
        if where == "cotangent":
            bad_g[0] = g[0].copy()
            bad_g[0][node] = wild
        for name in ("query", "key", "value") if where == "everything" else (where,):
            if name in p:
                bad[name] = p[name].copy()
                bad[name][node] = wild
        for name in ("bias", "edge"):  # of masked edges
            bad[name] = np.where(real.reshape(-1, *(1,) * (p[name].ndim - 1)), p[name], wild)

        if normalizer in LOCAL and score != "symmetrized":
            rows = np.zeros(N, bool)
            rows[node] = where in ("query", "everything", "cotangent")
            if where in ("key", "value", "everything"):
                rows[receivers[senders == node]] = True
            rows &= np.isin(np.arange(N), receivers)
        else:
            rows = components(senders, receivers)[node]
        ends = rows.copy()  # of edges into these rows
        ends[senders[rows[receivers]]] = True
        on_edges = real & rows[np.asarray(edges.receivers)]

        (out, weights), residual, d = jax.tree.map(np.asarray, call(p, edges, g))
        (bad_out, bad_weights), bad_residual, bad_d = jax.tree.map(
            np.asarray, call(bad, edges, bad_g)
        )
        same = partial(np.testing.assert_allclose, rtol=1e-5, atol=tolerance)
        same(bad_out[~rows], out[~rows])
        same(bad_weights[~on_edges], weights[~on_edges])
        assert not bad_weights[~real].any() and not bad_d["bias"][~real].any()
        if residual is not None:
            same(bad_residual[~rows], residual[~rows])
        same(bad_d["query"][~rows], d["query"][~rows])
        for name in ("key", "value"):
            same(bad_d[name][~ends], d[name][~ends])
        for name in ("bias", "edge"):
            same(bad_d[name][~on_edges], d[name][~on_edges])
        if not rows.any():
            same(bad_d["vector"], d["vector"])
        reached += not np.isfinite(bad_out).all()
    assert reached > CASES / 8


SUMS = (
    ("rows", None),
    ("sums", None),
    *(("aggregate", i) for i in ("reference", "xla", *CPP)),
    *(("rectified", i) for i in ("reference", *CPP)),
)


@pytest.mark.parametrize("layout", [False, True])
@pytest.mark.parametrize(("op", "implementation"), SUMS)
def test_sums_over_edges(op, implementation, layout):
    if not layout and implementation in ("xla", "cpp"):
        return

    @jax.jit
    def call(x, terms, edges, g):
        options = {"implementation": implementation}
        f = {
            "rows": lambda x, terms: ops.sender_rows(x, edges),
            "sums": lambda x, terms: ops.receiver_sum(terms, edges),
            "aggregate": lambda x, terms: ops.edge_aggregate(
                terms[:, :1], x[:, None], edges, **options
            )[:, 0],
            "rectified": lambda x, terms: ops.rectified_sum(x, terms, edges, **options),
        }[op]
        out, pull = jax.vjp(f, x, terms)
        return out, *pull(g[: len(out)])

    rng = np.random.default_rng(1)
    for case in range(CASES):
        edges, real = pattern(rng, "xla" if layout else "reference")
        senders, receivers = np.asarray(edges.senders), np.asarray(edges.receivers)
        x, terms, g = (rng.normal(size=(n, C)).astype(np.float32) for n in (N, E, E))
        wild, node = WILD[case % 3], 0 if case % 2 else rng.integers(N)
        bad, bad_terms = x.copy(), np.where(real[:, None], terms, wild)
        bad[node] = wild
        want, got = call(x, terms, edges, g), call(bad, bad_terms, edges, g)
        hears = real & (senders == node)
        if op == "rows":
            clean = ~hears, np.ones(N, bool), np.ones(E, bool)
        else:
            rows = np.zeros(N, bool)
            rows[receivers[hears]] = op != "sums"
            clean = ~rows, np.arange(N) != node, ~hears
        for a, b, keep in zip(got, want, clean, strict=True):
            np.testing.assert_allclose(a[keep], b[keep], rtol=1e-5, atol=1e-6)
        assert not np.asarray(got[2])[~real].any()


@pytest.mark.parametrize("normalizer", (*LOCAL, *CONSTRAINTS), ids=str)
@pytest.mark.parametrize("implementation", ["reference", "xla", "triton", *CPP])
def test_attention_in_blocks(implementation, normalizer):
    if implementation not in ("reference", "xla") and normalizer != ops.Softmax():
        return
    B, n = 2, 5

    @jax.jit
    def call(rows, bias, blocks, g):
        def attend(rows, bias):
            out, attention = ops.block_attention(
                *rows, blocks, score=ops.DotScore(bias=bias), normalizer=normalizer, implementation=implementation,
            )  # fmt: skip
            return out, attention.weights

        found, pull = jax.vjp(attend, rows, bias)
        return found, *pull(g)

    tolerance = 1e-4 if normalizer == CONSTRAINTS[-1] else 2e-6  # of conjugate gradients
    rng = np.random.default_rng(2)
    for case in range(CASES):
        ids = np.sort(rng.integers(0, B, 7))
        ids = np.where(np.arange(7) < 5, np.arange(7) % 2, 9)  # the last two are padding
        group = rng.integers(0, 2, 7)
        there = ids < 9
        blocks = ops.prepare_blocks(np.minimum(ids, 1), B, n, where=there)
        together = np.zeros((8, 8), bool)
        together[:7, :7] = (group[:, None] == group) & (ids[:, None] == ids) & there
        pairs = together[blocks.node[:, :, None], blocks.node[:, None]]
        blocks = ops.Blocks(blocks.node, blocks.slot, pairs if case % 4 else None)
        hears = together[:7, :7] if case % 4 else (ids[:, None] == ids) & there
        rows = [rng.normal(size=(7, H, C)).astype(np.float32) for _ in range(3)]
        bias = rng.normal(size=(B, H, n, n)).astype(np.float32)
        g = (rng.normal(size=(7, H, C)).astype(np.float32), rng.normal(size=bias.shape).astype(np.float32))  # fmt: skip
        node, wild = rng.integers(7), WILD[case % 3]
        bad_rows, bad_g = [x.copy() for x in rows], [x.copy() for x in g]
        if case % 5 < 3:
            bad_rows[case % 5][node] = wild
        else:
            bad_g[0][node] = wild
        (out, weights), d_rows, d_bias = call(rows, bias, blocks, g)
        (bad_out, bad_weights), bad_d_rows, bad_d_bias = call(bad_rows, bias, blocks, tuple(bad_g))
        clean = ~hears[node]
        same = partial(np.testing.assert_allclose, rtol=1e-5, atol=tolerance)
        same(bad_out[clean], out[clean])
        for a, b in zip(bad_d_rows, d_rows, strict=True):
            same(a[clean], b[clean])
        slots = np.append(clean, True)[blocks.node]
        for a, b in ((bad_weights, weights), (bad_d_bias, d_bias)):
            a, b = (np.asarray(x).transpose(0, 2, 1, 3)[slots] for x in (a, b))
            same(a, b)


def test_dense_attention_with_padding_that_holds_anything():
    B, n = 2, 4

    @jax.jit
    def call(qkv, bias, mask, g):
        out, pull = jax.vjp(lambda qkv, b: ops.dense_attention(*qkv, bias=b, mask=mask), qkv, bias)
        return out, *pull(g)

    rng = np.random.default_rng(3)
    for case in range(CASES):
        real = rng.random((B, n)) < 0.6
        mask = (real[:, :, None] & real[:, None])[:, None]
        qkv = [rng.normal(size=(B, n, H, C)).astype(np.float32) for _ in range(3)]
        bias = rng.normal(size=(B, H, n, n)).astype(np.float32)
        g = rng.normal(size=(B, n, H, C)).astype(np.float32)
        bad = [np.where(real[:, :, None, None], x, WILD[case % 3]) for x in qkv]
        bad_bias = np.where(mask, bias, WILD[case % 3])
        got, want = call(bad, bad_bias, mask, g), call(qkv, bias, mask, g)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), got, want)
        assert not np.asarray(got[0])[~real].any() and jnp.isfinite(got[0]).all()
