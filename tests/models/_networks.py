"""The networks of graphs in one table: how each prepares a graph, and where its predictions lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import attention, graphs, message_passing, models, nn, ops, testing

INPUTS = models.Inputs(nodes=(5, 3), edges=(4,), encoding=3, encoding_width=4)
GLOBAL = attention.GlobalAttention(heads=2, output=True, dropout=0.5)
EXPHORMER = attention.Exphormer(heads=2, dropout=0.5)
SAN = attention.SAN(heads=2, output=True, gamma=0.1, dropout=0.5)
BUDGET = graphs.Budget(
    28, 260, 6
)  # of the batch, of each molecule and of each pair of them, prepared


class Case(NamedTuple):
    """A network, and what makes its graphs of a molecule."""

    network: models.Network
    prepare: Callable[[Any], Any]

    @property
    def of_nodes(self) -> bool:
        return getattr(self.network, "pool", "virtual node") is None


@dataclass(frozen=True, repr=False)
class Mean(nn.Layer):
    """Somebody's own layer: a map of the mean over incoming neighbours, with noise on it in training."""

    features: int | None = None
    noise: float = 0.0

    def init(self, key, in_features, edge_features=None):
        return nn.init_linear(key, in_features, self.features or in_features)

    def apply(self, params, graph, *, training=False, key=None):
        mask = graphs.edge_mask(graph) if isinstance(graph, graphs.PreparedGraph) else None
        rows = jnp.asarray(graph.nodes)[graph.senders]
        mean = ops.segment_mean(rows, graph.receivers, graphs.num_nodes(graph), where=mask)
        if training and self.noise:
            mean = mean + self.noise * jax.random.normal(key, mean.shape)
        return nn.LayerOutput(graph._replace(nodes=nn.linear(params, mean)))


def gps(prepare=lambda graph: graph, **options):
    sizes = {"width": 12, "num_layers": 2, "attention": GLOBAL, "out_features": 2}
    return Case(models.GPS(**{"inputs": INPUTS} | sizes | options), prepare)


def exphormer(num_virtual=1, **options):
    prepare = partial(models.prepare_exphormer, degree=2, num_virtual=num_virtual)
    options = {"attention": EXPHORMER, "pattern": True, "num_virtual": num_virtual} | options
    return gps(prepare, **options)


def san(**options):
    return gps(models.prepare_san, **{"attention": SAN, "pattern": True, "local": None} | options)


def grit(sparse=False, symmetric=False, layer=attention.GRIT(heads=2, dropout=0.2), **options):
    sizes = {"width": 12, "num_layers": 2, "out_features": 2, "walks": 4}
    network = models.GRITNetwork((5, 3), (4,), layer=layer, **sizes | options)
    prepare = partial(models.prepare_grit, walks=4, sparse=sparse, symmetric=symmetric)
    return Case(network, lambda graph: prepare(plain(graph)))


def graphormer(layer=attention.GraphTransformer(heads=2, output=True, dropout=0.1), **options):
    sizes = {"width": 12, "feed_forward": 8, "num_layers": 2, "out_features": 2}
    sizes |= {"max_distance": 3, "max_degree": 3}
    network = models.Graphormer((5, 3), (4,), layer=layer, **sizes | options)
    counted = {"common_neighbours": network.common_neighbours}
    return Case(
        network, lambda graph: models.prepare_graphormer(plain(graph), 3, max_degree=3, **counted)
    )


def plain(graph):
    """Without the encoding, which only GPS takes from outside."""
    return graph._replace(nodes=graph.nodes["features"])


NETWORKS = {
    "gps-zinc": gps(),
    "gps-gated": gps(local=message_passing.GatedGCN(), pool="mean"),
    "gps-gcn-layer-norm": gps(local=message_passing.GCN(), norm="layer", pool="max"),
    "gps-attention-alone": gps(
        local=None, attention=replace(GLOBAL, normalizer=ops.Sinkhorn(), score=attention.Shared())
    ),
    "gps-message-passing-alone": gps(local=message_passing.SAGE(), attention=None),
    "gps-pna": gps(local=message_passing.PNA(log_degree_mean=1.2)),
    "gps-nodes": gps(pool=None),
    "gps-gatv2": gps(attention=attention.GATv2(heads=2, dropout=0.5)),
    "gps-grit": gps(local=None, attention=attention.GRIT(heads=2, dropout=0.5)),
    "gps-gat-beside-gat": gps(local=attention.GAT(heads=2), attention=attention.GAT(heads=3)),
    "gps-own-layers": gps(local=Mean(), attention=Mean(noise=0.5)),
    "exphormer": exphormer(local=message_passing.GatedGCN()),
    "exphormer-nodes": exphormer(2, pool=None, local=None, norm="layer"),
    "exphormer-symmetric": exphormer(
        0, attention=replace(EXPHORMER, score=attention.Shared(), normalizer=ops.Symmetric())
    ),
    "san": san(),
    "san-symmetric": san(
        attention=replace(SAN, score=attention.Symmetrized(), normalizer=ops.Sinkhorn())
    ),
    "grit": grit(),
    "grit-symmetric": grit(
        symmetric=True,
        layer=attention.GRIT(
            heads=2, score=attention.Symmetrized(), normalizer=ops.Symmetric(), dropout=0.2
        ),
    ),
    "grit-sparse-nodes": grit(sparse=True, pool=None, norm="layer"),
    "grit-of-graph-transformers": grit(layer=attention.GraphTransformer(heads=2)),
    "graphormer": graphormer(),
    "graphormer-symmetric": graphormer(
        layer=attention.GraphTransformer(
            heads=2, output=True, score=attention.Shared(), normalizer=ops.Sinkhorn(), dropout=0.1
        ),
        common_neighbours=True,
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
    """`(params, state)`."""
    return noisy(NETWORKS[name].network.init(jax.random.key(0)))


def batched(graphs_):
    """One of several, plain or patterned."""
    if isinstance(graphs_[0], models.Patterned):
        return models.Patterned.batch(graphs_)
    return graphs.batch(graphs_)


def ready(name, molecules, budget: graphs.Budget | None = BUDGET):
    """The molecules as the network takes them: prepared one by one, batched, and padded or not."""
    batch = batched([NETWORKS[name].prepare(m) for m in molecules])
    patterned = isinstance(batch, models.Patterned)
    if budget is None:
        prepare = models.Patterned.prepare if patterned else graphs.prepare
        return prepare(batch, block_size=9)
    pad = models.Patterned.pad if patterned else graphs.pad
    return pad(batch, budget, block_size=9)


def main_graph(graph):
    """That whose nodes have predictions."""
    return graph.graph if isinstance(graph, models.Patterned) else graph


@cache
def compiled(name):
    """The predictions in evaluation."""
    params, state = start(name)
    network = NETWORKS[name].network
    return jax.jit(lambda graph: network.apply(params, state, graph).prediction)


def evaluated(name, molecules):
    """Predictions of the molecules (or of their nodes)."""
    graph = ready(name, molecules)
    y = np.asarray(compiled(name)(graph))
    if not NETWORKS[name].of_nodes:
        return y[: len(molecules)]
    graph = main_graph(graph)
    real, nodes = graphs.node_mask(graph), graph.nodes
    virtual = nodes.virtual if isinstance(nodes, models.NodeInputs) else None
    return y[real if virtual is None else real & (virtual == 0)]


def size(network):
    """The number of parameters."""
    params, _ = jax.eval_shape(network.init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(params))
