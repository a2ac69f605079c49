"""Random calls of the ops of attention."""

from functools import partial

import numpy as np

from graphattn_jax import ops

from . import _equations
from ._graphs import Structure, random_structure
from ._problem import Problem

SCORES = ("DotScore", "AdditiveScore", "GATv2Score")
NORMALIZERS = (
    ops.Softmax(),
    ops.Sigmoid(),
    ops.PostHoc(),
    ops.Symmetric(),
    ops.Sinkhorn(iterations=4),
)
WILD = ("", "", "", "-inf bias", "bias of 1e3", "bias of 1e30", "ends of 1e15")


def edge_attention(rng: np.random.Generator) -> Problem:
    """Any score with any normalizer, in all implementations."""
    normalizer = NORMALIZERS[rng.integers(len(NORMALIZERS))]
    bipartite = not normalizer.is_constraint and rng.random() < 0.3
    graph = random_structure(rng, bipartite=bipartite)
    score, wild = str(rng.choice(SCORES)), str(rng.choice(WILD))
    symmetrized = not bipartite and bool(rng.random() < 0.3)
    heads, channels = (1, 8) if rng.random() < 0.5 else (3, 2)
    ends = (heads,) if score == "AdditiveScore" else (heads, channels)

    inputs = {
        "query": _normal(rng, graph.num_rows, *ends),
        "key": _normal(rng, graph.num_senders, *ends),
        "value": _normal(rng, graph.num_senders, heads, 3),
    }
    huge = wild == "ends of 1e15"  # what is added to these is lost in rounding
    if rng.random() < 0.4 and not huge:
        inputs["edge"] = _normal(rng, graph.num_edges, *ends)
    if score == "GATv2Score":
        inputs["vector"] = _normal(rng, heads, channels)
    if "bias" in wild or (rng.random() < 0.3 and not huge):
        inputs["bias"] = _wild_bias(rng, wild, graph.num_edges, heads)
    if huge:
        inputs["query"], inputs["key"] = inputs["query"] * 1e15, inputs["key"] * 1e15

    def call(inputs, *, edges, implementation=None):
        parts = {k: inputs[k] for k in ("edge", "vector", "bias") if k in inputs}
        kernel = getattr(ops, score)(**parts)
        out, attention = ops.edge_attention(
            inputs["query"],
            inputs["key"],
            inputs["value"],
            edges,
            score=ops.SymmetrizedScore(kernel) if symmetrized else kernel,
            normalizer=normalizer,
            implementation=implementation,
        )
        return {"out": out, "weights": attention.weights}

    iterations = getattr(normalizer, "iterations", 0)
    equation = partial(
        _equations.edge_attention,
        graph=graph,
        score=score,
        symmetrized=symmetrized,
        normalizer=type(normalizer).__name__,
        iterations=iterations,
    )
    parts = [score, "symmetrized" * symmetrized, repr(normalizer), wild, *_described(graph)]
    return Problem(
        name=" ".join(filter(None, parts)),
        inputs=inputs,
        equation=equation,
        variants=_edge_variants(rng, call, graph),
        **_limits(wild, normalizer),
    )


def _edge_variants(rng, call, graph: Structure):
    masked = not graph.real.all() or bool(rng.random() < 0.5)
    plain = graph.edges(masked=masked)
    prepared = ops.prepare_edges(plain, static=masked)
    blocks = ops.prepare_edges(plain, degree_blocks=True)
    variants = {
        "reference": partial(call, edges=plain, implementation="reference"),
        "plain": partial(call, edges=plain),
        "prepared": partial(call, edges=prepared),
    }
    # Off GPUs "triton" is interpreted, a hundred times slower than the others.
    names = [n for n in ops.IMPLEMENTATIONS if n != "triton" or rng.random() < 0.05]
    for name in names:
        edges = blocks if name == "block_dense" else prepared
        variants[f"{name} prepared"] = partial(call, edges=edges, implementation=name)
    return variants


def block_attention(rng: np.random.Generator) -> Problem:
    """Attention among all nodes of a block is that on the edge list of all pairs."""
    normalizer = NORMALIZERS[rng.integers(len(NORMALIZERS))]
    wild = str(rng.choice(WILD))
    size, sizes = 4, rng.integers(0, 5, 3)
    nodes, heads, channels = 8, *((1, 8) if rng.random() < 0.5 else (3, 2))
    block = np.repeat([0, 1, 2], sizes)[:nodes]
    there = np.arange(nodes) < len(block)
    ids = np.concatenate([block, np.zeros(nodes - len(block), int)]).astype(np.int32)
    blocks = ops.prepare_blocks(ids, 3, size, where=there)
    same = (ids[:, None] == ids[None, :]) & there[:, None] & there[None, :]
    receivers, senders = np.nonzero(same)
    graph = Structure(senders, receivers, nodes, None, np.ones(len(senders), bool))
    slots = np.asarray(blocks.slot)
    row, column = slots[receivers], slots[senders] % size

    inputs = {name: _normal(rng, nodes, heads, channels) for name in ("query", "key")}
    inputs["value"] = _normal(rng, nodes, heads, 3)
    if "bias" in wild or rng.random() < 0.3:
        inputs["bias"] = _wild_bias(rng, wild, 3, heads, size, size)
    if wild == "ends of 1e15":
        inputs["query"], inputs["key"] = inputs["query"] * 1e15, inputs["key"] * 1e15

    def call(inputs, implementation=None):
        out, attention = ops.block_attention(
            *(inputs[name] for name in ("query", "key", "value")),
            blocks,
            score=ops.DotScore(bias=inputs.get("bias")),
            normalizer=normalizer,
            implementation=implementation,
        )
        weights = attention.weights.swapaxes(1, 2).reshape(-1, heads, size)
        return {"out": out, "weights": weights[row, :, column]}

    def equation(inputs):
        bias = inputs.get("bias")
        if bias is not None:
            bias = bias.swapaxes(1, 2).reshape(-1, heads, size)[row, :, column]
            inputs = inputs | {"bias": bias}
        return _equations.edge_attention(
            inputs,
            graph,
            "DotScore",
            False,
            type(normalizer).__name__,
            getattr(normalizer, "iterations", 0),
        )

    names = [n for n in ops.BLOCK_IMPLEMENTATIONS if n != "triton" or rng.random() < 0.05]
    variants = {name: partial(call, implementation=name) for name in ["reference", *names]}
    return Problem(
        name=f"blocks {normalizer!r} {wild} sizes {sizes.tolist()}",
        inputs=inputs,
        equation=equation,
        variants=variants | {"None": call},
        **_limits(wild, normalizer),
    )


def _limits(wild: str, normalizer) -> dict[str, object]:
    """What float32 can promise of wild logits. A few steps of Sinkhorn do not converge on them."""
    large = wild in WILD[-3:]
    return {
        "tolerance": 1e-3 if large else 5e-5,
        "only_finite": large and isinstance(normalizer, ops.Sinkhorn),
        "smooth": not large,
        "twice": wild != "ends of 1e15",
    }


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def _wild_bias(rng, wild: str, *shape: int) -> np.ndarray:
    bias = _normal(rng, *shape)
    if wild == "-inf bias":
        bias[rng.random(shape) < 0.4] = -np.inf
    elif wild.startswith("bias of"):
        bias *= float(wild.removeprefix("bias of "))
    return bias


def _described(graph: Structure) -> list[str]:
    kind = f"to {graph.num_receivers} receivers" * (graph.num_receivers is not None)
    return [f"N={graph.num_senders}", kind, f"E={graph.real.sum()}/{graph.num_edges}"]
