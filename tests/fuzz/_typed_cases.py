"""Random calls of the layers of typed graphs, plain, prepared and padded."""

import dataclasses
from functools import partial
from typing import Any

import jax
import numpy as np

from graphattn_jax import attention, graphs, nn, ops
from graphattn_jax.message_passing import RGCN

from . import _typed_equations as equations
from ._graphs import Structure
from ._layer_cases import EDGE_WIDTH, OUT, WIDTH, _params, _rows
from ._ops_cases import NORMALIZERS, _described, _normal
from ._problem import Problem

TYPES = ("a", "b", "c")
RELATIONS = (("a", "to", "b"), ("b", "rev_to", "a"), ("b", "in", "b"), ("a", "of", "c"))
EQUATIONS = {
    attention.HGT: equations.hgt,
    attention.HAN: equations.han,
    attention.RGAT: equations.rgat,
    attention.SimpleHGN: equations.simple_hgn,
    RGCN: equations.rgcn,
}


@dataclasses.dataclass(frozen=True)
class TypedStructure(Structure):
    """kinds `[N]`, relation `[E]`; of each relation the type it leads to, and its reverse or -1."""

    kinds: np.ndarray
    relation: np.ndarray
    targets: tuple[int, ...]
    back: tuple[int, ...]


def random_typed_graph(rng: np.random.Generator) -> Any:
    """Parallel edges, types without nodes, relations without edges."""
    count = {kind: int(n) for kind, n in zip(TYPES, rng.choice([0, 1, 3, 4], 3))}
    count["b"] = max(count["b"], 1)
    edges = {}
    for source, name, target in RELATIONS:
        number = int(rng.choice([0, 2, 7])) if count[source] and count[target] else 0
        ends = [rng.integers(0, max(count[kind], 1), number) for kind in (source, target)]
        edges[source, name, target] = tuple(ends)
    if rng.random() < 0.5:
        edges[RELATIONS[1]] = edges[RELATIONS[0]][::-1]
    return graphs.from_types(count, edges)


def typed_layer(rng: np.random.Generator) -> Problem:
    """Any layer with any of its options, edge features and a bias of its logits."""
    given = random_typed_graph(rng)
    schema = graphs.schema_of(given)
    structure = TypedStructure(
        np.asarray(given.senders),
        np.asarray(given.receivers),
        len(given.nodes.type),
        None,
        np.ones(len(given.senders), bool),
        kinds=np.asarray(given.nodes.type),
        relation=np.asarray(given.edges.relation),
        targets=schema.targets,
        back=schema.reverses,
    )
    layer = _random_layer(rng, schema)
    has_bias = not isinstance(layer, RGCN) and bool(rng.random() < 0.3)
    has_edges = isinstance(layer, attention.HGT) and bool(rng.random() < 0.5)
    inputs: dict[str, Any] = {
        "params": _params(rng, layer, WIDTH, EDGE_WIDTH if has_edges else None),
        "nodes": _normal(rng, structure.num_rows, WIDTH),
        "edges": _normal(rng, structure.num_edges, EDGE_WIDTH) if has_edges else None,
        "bias": _normal(rng, structure.num_edges, layer.heads) if has_bias else None,
    }

    def equation(inputs):
        bias = 0 if inputs["bias"] is None else inputs["bias"]
        own = EQUATIONS[type(layer)]
        nodes = own(layer, inputs["params"], inputs["nodes"], inputs["edges"], structure, bias)
        return {"nodes": nodes}

    def call(inputs, *, given, **changes):
        rows = len(given.senders)
        features = None if inputs["edges"] is None else _rows(inputs["edges"], rows)
        graph = given._replace(
            nodes=dataclasses.replace(
                given.nodes, features=_rows(inputs["nodes"], len(given.nodes.type))
            ),
            edges=given.edges._replace(features=features)
            if hasattr(given.edges, "_replace")
            else dataclasses.replace(given.edges, features=features),
        )
        options = {} if inputs["bias"] is None else {"bias": _rows(inputs["bias"], rows)}
        own = dataclasses.replace(layer, **changes)
        out = own.apply(inputs["params"], graph, **options).graph.nodes
        return {"nodes": nn.real_nodes(graph, out.features)[: structure.num_rows]}

    prepared = graphs.prepare(given)
    n, e = structure.num_rows, structure.num_edges
    padded = graphs.pad(given, graphs.Budget(n + 3, e + 5, 3))
    variants = {
        "reference": partial(call, given=prepared, implementation="reference"),
        "prepared": partial(call, given=prepared),
        "padded": partial(call, given=padded),
    }
    score, normalizer = getattr(layer, "score", None), getattr(layer, "normalizer", None)
    if not (getattr(score, "is_symmetrized", False) or getattr(normalizer, "is_constraint", False)):
        variants["plain"] = partial(call, given=given)
    if not isinstance(layer, RGCN):
        for name in ops.IMPLEMENTATIONS:
            if name not in ("triton", "block_dense", "reference"):
                variants[name] = partial(call, given=padded, implementation=name)
    parts = [repr(layer), "edges" * has_edges, "bias" * has_bias, *_described(structure)]
    return Problem(" ".join(filter(None, parts)), inputs, equation, variants)


def _random_layer(rng: np.random.Generator, schema: Any) -> nn.Layer:
    def maybe() -> bool:
        return bool(rng.random() < 0.5)

    kind = list(EQUATIONS)[rng.integers(len(EQUATIONS))]
    normalizer = NORMALIZERS[rng.integers(5)]
    within = NORMALIZERS[rng.integers(2)]  # softmax and sigmoid
    if kind is RGCN:
        reduce = str(rng.choice(["mean", "sum"]))
        return RGCN(OUT, schema=schema, reduce=reduce, root=maybe(), use_bias=maybe())
    if kind is attention.HAN:
        return attention.HAN(3, 2, schema=schema, fusion=nn.SemanticAttention(5), normalizer=within)
    if kind is attention.SimpleHGN:
        options = {"root": maybe(), "concat": maybe()}
        return attention.SimpleHGN(
            3, 2, schema=schema, relation_width=4, normalizer=normalizer, **options
        )
    if kind is attention.RGAT:
        options = {"score": (attention.Standard(), attention.Symmetrized())[rng.integers(2)]}
        options |= {"concat": maybe(), "normalizer": normalizer}
        if maybe():
            options |= {"within": True, "normalizer": within, "score": attention.Standard()}
        return attention.RGAT(3, 2, schema=schema, **options)
    scores = (attention.Standard(), attention.Shared(), attention.Symmetrized())
    return attention.HGT(
        2,
        2,
        schema=schema,
        score=scores[rng.integers(3)],
        normalizer=normalizer,
        norm=maybe(),
        features=OUT if maybe() else None,
        use_bias=maybe(),
    )


def degree_scaler(rng: np.random.Generator) -> Problem:
    """GRIT's, on the degrees of a typed graph."""
    given = random_typed_graph(rng)
    nodes = len(given.nodes.type)
    real = np.ones(len(given.senders), bool)
    structure = Structure(given.senders, given.receivers, nodes, None, real)
    layer = attention.DegreeScaler()
    degree = np.log1p(np.asarray(graphs.in_degree(given)))
    inputs = {
        "params": jax.tree.map(np.asarray, layer.init(jax.random.key(0), WIDTH)),
        "nodes": _normal(rng, nodes, WIDTH),
    }

    def equation(inputs):
        return {"nodes": equations.degree_scaler(inputs["params"], inputs["nodes"], structure)}

    def call(inputs):
        x = jax.numpy.asarray(inputs["nodes"])
        return {"nodes": layer.apply(inputs["params"], x, degree.astype(x.dtype))}

    return Problem(f"DegreeScaler N={nodes}", inputs, equation, {"reference": call, "None": call})
