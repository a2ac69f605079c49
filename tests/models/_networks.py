"""The networks of graphs in one table: how each prepares a graph, starts and runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np

from graphattn_jax import graphs, models, testing

SPEC = models.InputSpec(nodes=(5, 3), edges=(4,), encoding=3, encoding_width=4)
BUDGET = graphs.Budget(
    28, 260, 6
)  # of the batch, of each molecule and of each pair of them, prepared


class Network(NamedTuple):
    """`init(key) -> (params, state)`, `apply(params, state, graph, **options) -> (y, state)`."""

    config: Any
    prepare: Callable[[Any], Any]
    init: Callable[[Any], Any]
    apply: Callable[..., Any]
    readout: str = "graph"
    patterned: bool = False


def gps(readout="graph", **options):
    sizes = {"inputs": SPEC, "width": 12, "num_layers": 2, "heads": 2, "out_features": 2}
    config = models.GPSConfig(**sizes | options)
    init = partial(models.init_gps_network, config=config)
    return Network(config, lambda graph: graph, init, models.gps_network, readout)


def exphormer(num_virtual=1, readout="graph", **options):
    network = gps(readout, attention="exphormer", num_virtual=num_virtual, **options)
    prepare = partial(models.prepare_exphormer, degree=2, num_virtual=num_virtual)
    return network._replace(prepare=prepare, patterned=True)


def san(**options):
    network = gps(attention="san", local=None, gamma=0.1, **options)
    return network._replace(prepare=models.prepare_san, patterned=True)


def grit(sparse=False, symmetric=False, readout="graph", **options):
    sizes = {"width": 12, "num_layers": 2, "heads": 2, "out_features": 2, "walks": 4}
    config = models.GRITConfig((5, 3), (4,), **sizes | options)
    prepare = partial(models.prepare_grit, walks=4, sparse=sparse, symmetric=symmetric)
    init = partial(models.init_grit_network, config=config)
    return Network(config, lambda g: prepare(plain(g)), init, models.grit_network, readout)


def graphormer(**options):
    sizes = {"width": 12, "feed_forward": 8, "num_layers": 2, "heads": 2, "out_features": 2}
    config = models.GraphormerConfig((5, 3), (4,), max_distance=3, max_degree=3, **sizes | options)

    def prepare(graph):
        return models.prepare_graphormer(
            plain(graph), 3, max_degree=3, common_neighbours=config.common_neighbours
        )

    def init(key):
        return models.init_graphormer_network(key, config), None

    def apply(params, state, graph, **options):
        return models.graphormer_network(params, graph, **options), state

    return Network(config, prepare, init, apply)


def plain(graph):
    """Without the encoding, which only GPS takes from outside."""
    return graph._replace(nodes=graph.nodes["features"])


NETWORKS = {
    "gps-zinc": gps(),
    "gps-gated": gps(local="gated_gcn", pool="mean"),
    "gps-gcn-layer-norm": gps(local="gcn", norm="layer", pool="max"),
    "gps-attention-alone": gps(local=None, normalizer="sinkhorn", score="shared"),
    "gps-message-passing-alone": gps(local="sage", attention=None),
    "gps-pna": gps(local="pna", log_degree_mean=1.2),
    "gps-nodes": gps(readout="node", pool=None),
    "exphormer": exphormer(local="gated_gcn"),
    "exphormer-nodes": exphormer(2, readout="node", pool=None, local=None, norm="layer"),
    "exphormer-symmetric": exphormer(0, score="shared", normalizer="symmetric"),
    "san": san(),
    "san-symmetric": san(score="symmetrized", normalizer="sinkhorn"),
    "grit": grit(),
    "grit-symmetric": grit(symmetric=True, score="symmetrized", normalizer="symmetric"),
    "grit-sparse-nodes": grit(sparse=True, readout="node", pool=None, norm="layer"),
    "graphormer": graphormer(),
    "graphormer-symmetric": graphormer(
        common_neighbours=True, score="shared", normalizer="sinkhorn"
    ),
}


def molecule(seed, num_nodes=6):
    rng = np.random.default_rng(seed)
    graph = testing.random_graph(seed, num_nodes, 2 * (num_nodes - 1), 1, undirected=True)
    nodes = {
        "features": rng.integers(3, size=(num_nodes, 2)).astype(np.int32),
        "encoding": rng.normal(size=(num_nodes, 3)).astype(np.float32),
    }
    edges = np.asarray(graph.senders + graph.receivers).astype(np.int32)[:, None] % 4
    return graph._replace(nodes=nodes, edges=edges)


MOLECULES = [molecule(seed, n) for seed, n in enumerate((6, 4, 7))]


def renamed(graph, order):
    """Node order[i] becomes node i; the edges keep their order."""
    place = np.argsort(order).astype(np.int32)
    return graph._replace(
        nodes=jax.tree.map(lambda x: x[order], graph.nodes),
        senders=place[graph.senders],
        receivers=place[graph.receivers],
    )


def noisy(tree):
    """Biases start at zero and running statistics at those of nothing, which would hide them."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noise = [x + 0.3 * jax.random.uniform(k, x.shape) for k, x in zip(keys, leaves)]
    return jax.tree.unflatten(structure, noise)


@cache
def start(name):
    return noisy(NETWORKS[name].init(jax.random.key(0)))


def ready(name, molecules, budget: graphs.Budget | None = BUDGET):
    """`(graph, options)` of molecules, prepared one by one, batched and padded; the options are layout and pattern."""
    prepared = [NETWORKS[name].prepare(m) for m in molecules]
    streams = zip(*prepared) if NETWORKS[name].patterned else [prepared]
    batches = [graphs.batch(list(stream)) for stream in streams]
    if budget is not None:
        batches = [graphs.pad(batch, budget) for batch in batches]
    options = {"layout": graphs.layout(batches[0], block_size=9)}
    if NETWORKS[name].patterned:
        options |= {"pattern": batches[1], "pattern_layout": graphs.layout(batches[1])}
    return batches[0], options


@cache
def compiled(name):
    """The network in evaluation."""
    params, state = start(name)
    run = partial(NETWORKS[name].apply, params, state, config=NETWORKS[name].config)
    return jax.jit(lambda graph, options: run(graph, **options)[0])


def evaluated(name, molecules):
    """Predictions of the molecules (or of their nodes)."""
    graph, options = ready(name, molecules)
    y = np.asarray(compiled(name)(graph, options))
    if NETWORKS[name].readout == "graph":
        return y[: len(molecules)]
    real = graphs.node_mask(graph)
    return y[real & (graph.nodes["virtual"] == 0) if "virtual" in graph.nodes else real]
