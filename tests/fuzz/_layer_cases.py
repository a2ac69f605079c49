"""Random calls of the layers, on graphs that are plain, prepared, padded, or have masked edges in the middle."""

import dataclasses
from functools import partial
from typing import Any

import jax
import numpy as np

from graphattn_jax import attention, graphs, nn, ops
from graphattn_jax import message_passing as mp

from . import _equations
from ._graphs import Structure, random_structure
from ._ops_cases import NORMALIZERS, _described, _normal
from ._problem import Problem

WIDTH, SENDER_WIDTH, EDGE_WIDTH, OUT = 4, 5, 3, 6
SCORES = (
    attention.Standard(),
    attention.Shared(),
    attention.Symmetrized(),
    attention.Cosine(),
    attention.Pairwise(),
)
ON_EDGES = {
    attention.GAT: _equations.gat,
    attention.GATv2: _equations.gatv2,
    attention.GraphTransformer: _equations.graph_transformer,
    attention.Exphormer: _equations.exphormer,
    attention.SAN: _equations.san,
    attention.GRIT: _equations.grit,
}
TWO_ENDS = (attention.GAT, attention.GATv2, attention.GraphTransformer)
MESSAGES = (
    (mp.GCN(OUT), _equations.gcn),
    (mp.SAGE(OUT), _equations.sage),
    (mp.GINE(OUT, edge_map=True), _equations.gine),
    (mp.GatedGCN(OUT), partial(_equations.gated_gcn, normalize=True)),
    (mp.GatedGCN(OUT, normalize=False), partial(_equations.gated_gcn, normalize=False)),
    (mp.PNA(OUT, towers=2, log_degree_mean=1.3), partial(_equations.pna, log_degree_mean=1.3)),
)


def attention_layer(rng: np.random.Generator) -> Problem:
    """Any layer with any score and normalizer, edge features and a bias of its logits."""
    kind = list(ON_EDGES)[rng.integers(len(ON_EDGES))]
    score, normalizer = (x[rng.integers(5)] for x in (SCORES, NORMALIZERS))
    can_be = kind in TWO_ENDS and not score.is_tied and not score.is_symmetrized
    bipartite = can_be and not normalizer.is_constraint and bool(rng.random() < 0.4)
    graph = random_structure(rng, bipartite=bipartite)
    options: dict[str, Any] = {}
    if kind is attention.GraphTransformer and not bipartite:
        options["output"] = bool(rng.random() < 0.5)
    if kind is attention.SAN:
        options["gamma"] = 0.5
    layer = kind(3, 2, score=score, normalizer=normalizer, **options)
    with_edges = kind not in TWO_ENDS or bool(rng.random() < 0.5)
    bias = _normal(rng, graph.num_edges, 2) if rng.random() < 0.3 else None
    real = rng.random(graph.num_edges) < 0.5 if kind is attention.SAN else None
    buckets = None
    if rng.random() < 0.2:
        layer = attention.RelativeBias(layer, num_buckets=3)
        buckets = rng.integers(0, 3, graph.num_edges).astype(np.int32)

    def equation(params, senders, receivers, edges, bias):
        if buckets is not None:
            own = params.table[buckets]
            params, bias = params.layer, own if bias is None else own + bias
        more = {} if real is None else {"real": real, "gamma": 0.5}
        iterations = getattr(normalizer, "iterations", 0)
        name = type(normalizer).__name__
        return ON_EDGES[kind](
            params,
            senders,
            receivers,
            edges,
            graph,
            type(score).__name__,
            0 if bias is None else bias,
            lambda logits: _equations.normalize(name, logits, graph, iterations),
            **more,
        )

    more = {"bias": bias, "real": real, "buckets": buckets}
    return _problem(rng, layer, graph, equation, with_edges=with_edges, **more)


def message_passing(rng: np.random.Generator) -> Problem:
    """Any of the local layers, with and without edge features."""
    layer, own = MESSAGES[rng.integers(len(MESSAGES))]
    bipartite = not isinstance(layer, (mp.GCN, mp.GINE)) and bool(rng.random() < 0.3)
    graph = random_structure(rng, bipartite=bipartite)
    weight = None
    if isinstance(layer, mp.GCN) and rng.random() < 0.6:
        weight = (0.1 + rng.random(graph.num_edges)).astype(np.float32)

    def equation(params, senders, receivers, edges, edge_weight):
        more = {} if edge_weight is None else {"edge_weight": edge_weight}
        return own(params, senders, receivers, edges, graph, **more)

    with_edges = bool(rng.random() < 0.6)
    return _problem(rng, layer, graph, equation, with_edges=with_edges, edge_weight=weight)


def global_attention(rng: np.random.Generator) -> Problem:
    """Every node of a batch attends to its whole graph: the graph transformer on all pairs."""
    score, normalizer = (x[rng.integers(5)] for x in (SCORES, NORMALIZERS))
    layer = attention.GlobalAttention(3, 2, score=score, normalizer=normalizer, output=True)
    sizes = rng.integers(0, 5, 3)
    nodes = int(sizes.sum())
    ids = np.repeat(np.arange(3), sizes)
    receivers, senders = np.nonzero(ids[:, None] == ids[None, :])
    graph = Structure(senders, receivers, nodes, None, np.ones(len(senders), bool))
    empty = np.zeros(0, np.int32)
    batch = graphs.batch(
        [
            graphs.from_edge_list(empty, empty, num_nodes=int(n), nodes=_normal(rng, int(n), WIDTH))
            for n in sizes
        ]
    )
    name = type(normalizer).__name__
    iterations = getattr(normalizer, "iterations", 0)

    def equation(inputs):
        out, _ = _equations.graph_transformer(
            inputs["params"],
            inputs["nodes"],
            inputs["nodes"],
            None,
            graph,
            type(score).__name__,
            0,
            lambda logits: _equations.normalize(name, logits, graph, iterations),
        )
        return {"nodes": out}

    def call(inputs, batch, implementation=None):
        own = dataclasses.replace(layer, implementation=implementation)
        rows = np.zeros((len(batch.nodes) - nodes, WIDTH), np.float32)
        all_nodes = jax.numpy.concatenate([inputs["nodes"], rows.astype(inputs["nodes"].dtype)])
        out = own.apply(inputs["params"], batch._replace(nodes=all_nodes)).graph
        return {"nodes": out.nodes[:nodes]}

    padded = graphs.pad(batch, graphs.Budget(16, 4, 5), block_size=4)
    variants = {
        "reference": partial(call, batch=batch, implementation="reference"),
        "blocks": partial(call, batch=graphs.prepare(batch, block_size=4)),
        "padded": partial(call, batch=padded),
        "cpp": partial(call, batch=padded, implementation="cpp"),
    }
    inputs = {"params": _params(rng, layer, WIDTH, None), "nodes": np.asarray(batch.nodes)}
    return Problem(f"{layer!r} sizes {sizes.tolist()}", inputs, equation, variants)


def _params(rng: np.random.Generator, layer: nn.Layer, width: Any, edges: int | None) -> Any:
    """With noise: biases start at zero, which would hide them."""
    params = layer.init(jax.random.key(0), width, edges)
    return jax.tree.map(lambda x: np.asarray(x) + 0.3 * _normal(rng, *x.shape), params)


def _problem(
    rng: np.random.Generator,
    layer: nn.Layer,
    graph: Structure,
    equation: Any,
    *,
    with_edges: bool,
    bias: np.ndarray | None = None,
    edge_weight: np.ndarray | None = None,
    real: np.ndarray | None = None,
    buckets: np.ndarray | None = None,
) -> Problem:
    """`bias`, or the `edge_weight` of GCN, is what `apply` takes per edge beside the graph."""
    bipartite = graph.num_receivers is not None
    width = (SENDER_WIDTH, WIDTH) if bipartite else WIDTH
    inputs: dict[str, Any] = {
        "params": _params(rng, layer, width, EDGE_WIDTH if with_edges else None),
        "receivers": _normal(rng, graph.num_rows, WIDTH),
        "edges": _normal(rng, graph.num_edges, EDGE_WIDTH) if with_edges else None,
        "bias": bias if edge_weight is None else edge_weight,
    }
    extra = None if inputs["bias"] is None else "bias" if edge_weight is None else "edge_weight"
    if bipartite:
        inputs["senders"] = _normal(rng, graph.num_senders, SENDER_WIDTH)

    def exact(inputs):
        ends = inputs.get("senders", inputs["receivers"]), inputs["receivers"]
        nodes, edges = equation(inputs["params"], *ends, inputs["edges"], inputs["bias"])
        return _outputs(layer, graph, nodes, edges)

    def call(inputs, *, given, **changes):
        own = layer
        if changes and buckets is not None:
            own = dataclasses.replace(layer, layer=dataclasses.replace(layer.layer, **changes))
        elif changes:
            own = dataclasses.replace(layer, **changes)
        filled = _fill(given, inputs, real, buckets)
        options = {} if extra is None else {extra: _rows(inputs["bias"], given.senders.shape[0])}
        out = own.apply(inputs["params"], filled, **options).graph
        nodes = out.nodes.receivers if bipartite else out.nodes[: graph.num_rows]
        edges = out.edges.features if isinstance(out.edges, nn.EdgeInputs) else out.edges
        edges = edges[: graph.num_edges] if layer.updates_edges and with_edges else None
        return _outputs(layer, graph, nodes, edges)

    variants = {}
    forms = _forms(graph)
    named = isinstance(layer, (attention.AttentionLayer, attention.RelativeBias))
    first = next(iter(forms.values()))
    reference = {"implementation": "reference"} if named else {}
    variants["reference"] = partial(call, given=first, **reference)
    for form, given in forms.items():
        variants[form] = partial(call, given=given)
    if named:
        last = list(forms.values())[-1]
        for name in ops.IMPLEMENTATIONS:
            if name not in ("triton", "block_dense", "reference"):
                variants[name] = partial(call, given=last, implementation=name)
    parts = [repr(layer), "edges" * with_edges, extra, *_described(graph)]
    return Problem(" ".join(filter(None, parts)), inputs, exact, variants)


def _outputs(layer: nn.Layer, graph: Structure, nodes: Any, edges: Any) -> dict[str, Any]:
    """What masked edges come out as is nobody's business."""
    out = {"nodes": nodes}
    if layer.updates_edges and edges is not None:
        out["edges"] = edges[np.flatnonzero(graph.real)]
    return out


def _forms(graph: Structure) -> dict[str, Any]:
    """The graph in all the ways to hold it, without features."""
    n, e = graph.num_rows, graph.num_edges
    ids = graph.senders, graph.receivers
    if graph.num_receivers is not None:
        rows = np.zeros((graph.num_senders, 1), np.float32), np.zeros((n, 1), np.float32)
        mask = None if graph.real.all() else graph.real
        pair = graphs.bipartite(*ids, sender_nodes=rows[0], receiver_nodes=rows[1], edge_mask=mask)
        return {"bipartite": pair}
    plain = graphs.from_edge_list(*ids, num_nodes=n, nodes=np.zeros((n, 1), np.float32))
    if not graph.real.all():
        masks = np.ones(n, bool), graph.real, np.ones(1, bool)
        return {"masked": graphs._prepare.with_layout(plain, *masks, padded=True)}
    padded = graphs.pad(plain, graphs.Budget(n + 3, e + 5, 3))
    marked = graphs.PaddedGraphsTuple(*padded)
    return {
        "plain": plain,
        "prepared": graphs.prepare(plain),
        "marked": marked,
        "padded": padded,
    }


def _fill(
    given: Any, inputs: dict[str, Any], real: np.ndarray | None, buckets: np.ndarray | None
) -> Any:
    """A form of the graph with features, which it may need more rows of."""
    edges = inputs["edges"]
    if edges is not None:
        edges = _rows(edges, given.senders.shape[0])
    if real is not None or buckets is not None:
        rows = given.senders.shape[0]
        real, buckets = (
            None if x is None else np.pad(x, (0, rows - len(x))) for x in (real, buckets)
        )
        edges = nn.EdgeInputs(edges, real=real, buckets=buckets)
    if "senders" in inputs:
        nodes = graphs.NodePair(inputs["senders"], inputs["receivers"])
    else:
        nodes = _rows(inputs["receivers"], given.nodes.shape[0])
    return given._replace(nodes=nodes, edges=edges)


def _rows(x: Any, rows: int) -> Any:
    more = np.zeros((rows - x.shape[0], *x.shape[1:])).astype(x.dtype)
    return jax.numpy.concatenate([jax.numpy.asarray(x), more])
