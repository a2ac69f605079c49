"""Our side of every case."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import graphattn_jax as ga
from experiments.benchmarks import worker
from experiments.benchmarks.cases import (
    OPERANDS,
    Case,
    Copy,
    GATTraining,
    GPSTraining,
    Operator,
    Preprocessing,
    Sampling,
    SegmentSum,
    TransformerTraining,
    TypedTraining,
)
from experiments.cpu import prepare_cpu


def build(case: Case, arrays: dict[str, jax.Array], variant: str = "default") -> worker.Step:
    """The jitted step of a case; `variant` is an implementation of `ga.ops.edge_attention`."""
    implementation = None if variant == "default" else variant
    if isinstance(case, Operator):
        return _operator(case, arrays, implementation)
    if isinstance(case, GATTraining):
        return _gat_training(case, arrays, implementation)
    if isinstance(case, TypedTraining):
        return _typed_training(case, arrays)
    if isinstance(case, GPSTraining):
        return _gps_training(case, arrays)
    if isinstance(case, Preprocessing):
        return _preprocessing(case, arrays)
    if isinstance(case, Sampling):
        return _sampling(case, arrays)
    if isinstance(case, SegmentSum):
        return _segment_sum(case, arrays)
    if isinstance(case, Copy):
        return _copy(case)
    return _transformer_training(case, arrays, implementation)


def _operator(case: Operator, arrays: dict[str, Any], implementation: str | None) -> worker.Step:
    operands = tuple(arrays[name].astype(case.dtype) for name in OPERANDS[case.score])
    edges = ga.ops.Edges(
        np.asarray(arrays["senders"]),
        np.asarray(arrays["receivers"]),
        num_senders=arrays["value"].shape[0],
        mask=arrays.get("edge_mask"),
    )
    edges = ga.ops.prepare_edges(edges, degree_blocks=implementation == "block_dense")
    edges = jax.device_put(edges)
    cotangent = arrays["cotangent"].astype(case.dtype)
    arguments = _ARGUMENTS[case.score]

    def forward(operands, edges):
        query, key, value, score = arguments(*operands)
        return ga.ops.edge_attention(
            query, key, value, edges, score=score, implementation=implementation
        ).out

    def forward_backward(operands, edges, cotangent):
        out, pullback = jax.vjp(lambda operands: forward(operands, edges), operands)
        return out, *pullback(cotangent)[0]

    if case.gradient:
        step = jax.jit(forward_backward)
        return lambda: step(operands, edges, cotangent)
    step = jax.jit(forward)
    return lambda: (step(operands, edges),)


def _additive(value, receiver_vector, sender_vector):
    query, key = (jnp.einsum("nhc,hc->nh", value, a) for a in (receiver_vector, sender_vector))
    return query, key, value, ga.ops.AdditiveScore()


def _segment_sum(case: SegmentSum, arrays: dict[str, Any]) -> worker.Step:
    def segment_sum(values, segments):
        return ga.ops.segment_sum(values, segments, case.num_segments)

    step = jax.jit(segment_sum)
    return lambda: (step(arrays["values"], arrays["receivers"]),)


def _copy(case: Copy) -> worker.Step:
    """In place: fresh pages would be measured too, otherwise."""
    x = jnp.zeros(case.num_bytes // 4, jnp.float32)
    add = jax.jit(lambda x: x + 1, donate_argnums=0)

    def step():
        nonlocal x
        x = add(x)
        return (x[:1],)

    return step


_ARGUMENTS: dict[str, Callable[..., tuple]] = {
    "dot": lambda query, key, value: (query, key, value, ga.ops.DotScore()),
    "additive": _additive,
    "gatv2": lambda query, value, vector: (query, value, value, ga.ops.GATv2Score(vector)),
}
"""From the operands of a case to (query, key, value, score)."""


def _gat_training(
    case: GATTraining, arrays: dict[str, Any], implementation: str | None
) -> worker.Step:
    options = {"dropout": case.dropout, "implementation": implementation}
    layers = (
        ga.attention.GAT(case.channels, case.heads, **options),
        ga.attention.GAT(case.num_classes, **options),
    )
    network = ga.models.PlainNetwork(case.num_features, layers, dropout=case.dropout)
    params, _ = network.init(jax.random.key(0))

    def apply(params, graph, key):
        return network.apply(params, None, graph, training=True, key=key).prediction

    optimizer = ga.training.make_optimizer(case.learning_rate, weight_decay=case.weight_decay)
    nodes = arrays["nodes"]
    if case.sparse:
        nodes = ga.ops.SparseFeatures.from_dense(np.asarray(nodes))
    return _training(apply, params, optimizer, {**arrays, "nodes": nodes})


def _transformer_training(
    case: TransformerTraining, arrays: dict[str, Any], implementation: str | None
) -> worker.Step:
    layer = ga.attention.GraphTransformer(
        case.channels, case.heads, separate=True, implementation=implementation
    )
    first, second, last = jax.random.split(jax.random.key(0), 3)
    width = case.heads * case.channels
    layers = layer.init(first, case.num_features), layer.init(second, width)
    params = (layers, ga.nn.init_linear(last, width, case.num_classes))

    def apply(params, graph, key):
        layers, classifier = params
        for layer_params in layers:
            graph = layer.apply(layer_params, graph).graph
            graph = graph._replace(nodes=jax.nn.elu(graph.nodes))
        return ga.nn.linear(classifier, graph.nodes)

    optimizer = ga.training.make_optimizer(case.learning_rate)
    return _training(apply, params, optimizer, arrays)


def _typed_training(case: TypedTraining, arrays: dict[str, Any]) -> worker.Step:
    nodes = np.split(np.asarray(arrays["nodes"]), case.num_types)
    ends = zip(np.asarray(arrays["senders"]), np.asarray(arrays["receivers"]), strict=True)
    graph = ga.graphs.from_types(
        dict(zip(case.types, nodes, strict=True)), dict(zip(case.relations, ends, strict=True))
    )
    schema, width = ga.graphs.schema_of(graph), case.num_features
    if case.layer == "hgt":
        layer = ga.attention.HGT(heads=case.heads, schema=schema)
    else:
        layer = ga.message_passing.RGCN(schema=schema)
    first, second, last = jax.random.split(jax.random.key(0), 3)
    layers = layer.init(first, width), layer.init(second, width)
    params = (layers, ga.nn.init_linear(last, width, case.num_classes))
    batch = jax.device_put((ga.graphs.prepare(graph), arrays["labels"]))

    def loss_fn(params, batch, key):
        (layers, classifier), (graph, labels) = params, batch
        for layer_params in layers:
            graph = layer.apply(layer_params, graph).graph
        y = ga.nn.linear(classifier, graph.nodes.features)
        return ga.losses.softmax_cross_entropy(y, labels)

    return _steps(loss_fn, params, ga.training.make_optimizer(case.learning_rate), batch)


def _preprocessing(case: Preprocessing, arrays: dict[str, Any]) -> worker.Step:
    smiles = arrays["smiles"].tolist()

    def step():
        graphs = ga.chem.from_smiles_list(smiles).graphs
        nodes = {"features": graphs.nodes, "walks": ga.encodings.rwse(graphs, case.walks)}
        graphs = graphs._replace(nodes=nodes)
        block_size = -(-int(graphs.n_node.max()) // 8) * 8
        batches = ga.training.GraphBatches(graphs, case.batch_size, seed=0, block_size=block_size)
        for _ in range(len(batches)):
            next(batches)
        return np.array([len(nodes["walks"]), len(graphs.senders)]), nodes["walks"].mean(axis=0)

    return step


def _sampling(case: Sampling, arrays: dict[str, Any]) -> worker.Step:
    """Epochs, one after the other; each returns the sum of the features of its seeds."""
    senders, receivers, nodes = (np.asarray(arrays[x]) for x in ("senders", "receivers", "nodes"))
    graph = ga.graphs.from_edge_list(senders, receivers, nodes=nodes)
    seeds = np.arange(min(case.batches * case.batch_size, len(nodes)))
    sampler = ga.sampling.Sampler(
        graph, ga.sampling.Neighbours(case.fanouts), seeds, case.batch_size
    )
    epochs = itertools.count()

    def step():
        epoch, total = next(epochs), np.zeros(nodes.shape[1], np.float64)
        for index in range(len(sampler)):
            sample = sampler(0, epoch, index)
            total += sample.graph.nodes[sample.seeds[sample.seed_mask]].sum(axis=0)
        return (total,)

    return step


def _gps_training(case: GPSTraining, arrays: dict[str, Any]) -> worker.Step:
    """Epochs, one after the other; each returns its mean loss."""
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    graphs = ga.graphs.GraphsTuple(
        nodes={"features": arrays["atoms"], "encoding": arrays["walks"]},
        edges=arrays["bonds"],
        senders=arrays["senders"],
        receivers=arrays["receivers"],
        n_node=arrays["n_node"],
        n_edge=arrays["n_edge"],
        globals=arrays["targets"],
    )
    network = ga.models.GPS(
        ga.models.Inputs((case.atoms,), (case.bonds,), case.walks, case.walk_width),
        width=case.width,
        num_layers=case.num_layers,
        attention=ga.attention.GlobalAttention(heads=case.heads, output=True),
    )
    block_size = -(-int(graphs.n_node.max()) // 8) * 8
    batches = ga.training.GraphBatches(graphs, case.batch_size, seed=0, block_size=block_size)

    def loss_fn(params, model_state, graph, key):
        out = network.apply(params, model_state, graph, training=True)
        where = ga.graphs.graph_mask(graph)
        return ga.losses.l1_loss(out.prediction[:, 0], graph.globals, where=where), {}, out.state

    optimizer = ga.training.make_optimizer(
        case.learning_rate, weight_decay=case.weight_decay, decoupled=True
    )
    train_step = ga.training.make_train_step(loss_fn, optimizer)
    params, model_state = network.init(jax.random.key(0))
    state = ga.training.init_train_state(
        params, optimizer, jax.random.key(1), model_state=model_state
    )

    def epoch():
        nonlocal state
        losses = []
        for _ in range(len(batches)):
            state, metrics = train_step(state, next(batches))
            losses.append(metrics["loss"])
        return (np.mean(jax.device_get(losses)),)

    return epoch


def _training(apply, params, optimizer, arrays: dict[str, Any]) -> worker.Step:
    """Full-graph training steps, one after the other; each returns its loss."""
    graph = ga.graphs.from_edge_list(
        *(np.asarray(arrays[name]) for name in ("senders", "receivers")), nodes=arrays["nodes"]
    )
    batch = jax.device_put((ga.graphs.prepare(graph), arrays["labels"], arrays["train"]))

    def loss_fn(params, batch, key):
        graph, labels, train = batch
        return ga.losses.softmax_cross_entropy(apply(params, graph, key), labels, where=train)

    return _steps(loss_fn, params, optimizer, batch)


def _steps(loss_fn, params, optimizer, batch) -> worker.Step:
    """Training steps, one after the other; each returns its loss."""
    train_step = ga.training.make_train_step(loss_fn, optimizer)
    state = ga.training.init_train_state(params, optimizer, jax.random.key(1))

    def step():
        nonlocal state
        state, metrics = train_step(state, batch)
        return (metrics["loss"],)

    return step


def prepare(device: str, case: Case) -> worker.Side:
    """The process before its first array."""
    if device == "cpu":
        # What users are told to call, and nothing else.
        prepare_cpu(one_pool=not isinstance(case, GPSTraining))
    jax.config.update("jax_platforms", "cpu" if device == "cpu" else "cuda")
    jax.config.update("jax_enable_compilation_cache", False)  # the first call compiles
    versions = {"graphattn_jax": ga.__version__, **worker.installed("jax", "jaxlib", "numpy")}
    memory = worker.HOST
    if device == "gpu":
        jax.config.update("jax_default_matmul_precision", "float32")  # as torch, not TF32
        versions["device"] = jax.devices()[0].device_kind
        memory = worker.Memory(_device_bytes("bytes_in_use"), _device_bytes("peak_bytes_in_use"))
    return worker.Side(
        jnp.asarray, _to_host, build, versions, memory, jax.block_until_ready, device == "gpu"
    )


def _device_bytes(name: str) -> Callable[[], int]:
    return lambda: jax.devices()[0].memory_stats()[name]


def _to_host(result: Any) -> np.ndarray:
    return np.asarray(result, np.float32)


if __name__ == "__main__":
    worker.main(prepare)
