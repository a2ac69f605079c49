"""The layers under contract. A new layer adds its dense reference and its rows.

A compilation costs a hundred times the arithmetic of these graphs. So most properties run op by op, under
`jax.disable_jit`, and one of them ties the compiled layer to that.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import _dense
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import attention, graphs, ops, testing

WIDTH, EDGE_WIDTH, HEADS, CHANNELS = 4, 3, 2, 3


def san_by_sign(params, graph, **options):
    """SAN where an edge with a positive first feature is a real one."""
    real = jnp.asarray(graph.edges)[:, 0] > 0
    return attention.san(params, graph, real=real, gamma=0.5, **options)


def dense_san_by_sign(params, graph, bias, **options):
    real = _dense.pairs(graph, graph.edges)[0] > 0
    return _dense.san(params, graph, bias, real=real, gamma=0.5, **options)


LAYERS = {
    "gat": (attention.init_gat, attention.gat, _dense.gat),
    "gatv2": (attention.init_gatv2, attention.gatv2, _dense.gatv2),
    "graph_transformer": (
        attention.init_graph_transformer,
        attention.graph_transformer,
        _dense.graph_transformer,
    ),
    "exphormer": (
        partial(attention.init_exphormer, bias=True),
        attention.exphormer,
        _dense.exphormer,
    ),
    "san": (partial(attention.init_san, bias=True), san_by_sign, dense_san_by_sign),
    "grit": (attention.init_grit, attention.grit, _dense.grit),
}

NORMALIZERS = {
    "softmax": ops.Softmax(),
    "sigmoid": ops.Sigmoid(),
    "post_hoc": ops.PostHoc(),
    "symmetric": ops.Symmetric(),
    "sinkhorn": ops.Sinkhorn(iterations=4),
    "sinkhorn_implicit": ops.Sinkhorn(iterations=20, gradient="implicit"),
}


class Params(NamedTuple):
    """Of a layer, and `[D_e, H]` of a logit bias made from the edge features, or None."""

    layer: Any
    bias: Any


class Case(NamedTuple):
    """A row: a layer with its choices at the seams.

    init() gives its parameters; apply(params, graph, layout, **options) a graph and its attention;
    dense(params, graph) the new nodes and edges. supports_xla is False if that implementation refuses it.
    """

    name: str
    init: Callable[[], Params]
    apply: Callable[..., tuple[graphs.GraphsTuple, attention.Attention]]
    dense: Callable[[Params, graphs.GraphsTuple], tuple[jax.Array, jax.Array]]
    normalizer: ops.Normalizer
    supports_xla: bool


def case(
    layer: str,
    score: str = "standard",
    normalizer: str = "softmax",
    *,
    edges: bool = False,
    bias: bool = False,
    **sizes: Any,
) -> Case:
    init_layer, apply_layer, dense_layer = LAYERS[layer]
    parts = {"edges": edges, "bias": bias, **sizes}
    name = "-".join([layer, score, normalizer, *(part for part, is_on in parts.items() if is_on)])
    choices = {"score": score, "normalizer": NORMALIZERS[normalizer]}

    def init() -> Params:
        width = EDGE_WIDTH if edges else None
        key, bias_key, noise_key = jax.random.split(jax.random.key(0), 3)
        params = Params(
            init_layer(key, WIDTH, CHANNELS, HEADS, score=score, edge_features=width, **sizes),
            jax.random.normal(bias_key, (EDGE_WIDTH, HEADS), jnp.float32) if bias else None,
        )
        # Biases start at zero and pairwise coefficients at the identity, which would hide them.
        leaves, structure = jax.tree.flatten(params)
        noise = [
            x + 0.3 * jax.random.normal(jax.random.fold_in(noise_key, i), x.shape, x.dtype)
            for i, x in enumerate(leaves)
        ]
        return jax.tree.unflatten(structure, noise)

    def apply(params, graph, layout, **options):
        edge_bias = None
        if params.bias is not None:
            edge_bias = jnp.asarray(graph.edges).astype(params.bias.dtype) @ params.bias
        return apply_layer(
            params.layer,
            graph,
            layout=layout,
            bias=edge_bias,
            return_attention=True,
            **choices,
            **options,
        )

    def dense(params, graph):
        edge_bias = 0 if params.bias is None else _dense.pairs(graph, graph.edges @ params.bias)
        out = dense_layer(params.layer, graph, edge_bias, **choices)
        return out if isinstance(out, tuple) else (out, graph.edges)

    supports_xla = not (layer in ("gatv2", "exphormer", "san") and edges)
    return Case(name, init, apply, dense, choices["normalizer"], supports_xla)


# Every layer with every score and every normalizer, in rotated pairs; then edge features and the rest.
CASES = (
    case("gat", "standard", "softmax"),
    case("gat", "shared", "sinkhorn"),
    case("gat", "symmetrized", "sigmoid"),
    case("gat", "cosine", "post_hoc"),
    case("gat", "pairwise", "symmetric"),
    case("gat", "standard", "softmax", edges=True),
    case("gat", "shared", "symmetric", bias=True),
    case("gatv2", "standard", "softmax"),
    case("gatv2", "shared", "symmetric"),
    case("gatv2", "symmetrized", "sinkhorn"),
    case("gatv2", "cosine", "sigmoid"),
    case("gatv2", "pairwise", "post_hoc"),
    case("gatv2", "symmetrized", "softmax", edges=True),
    case("graph_transformer", "standard", "softmax"),
    case("graph_transformer", "shared", "post_hoc"),
    case("graph_transformer", "symmetrized", "symmetric"),
    case("graph_transformer", "cosine", "sinkhorn_implicit"),
    case("graph_transformer", "pairwise", "sigmoid"),
    case("graph_transformer", "standard", "sinkhorn", edges=True),
    case("graph_transformer", "shared", "softmax", edges=True, bias=True),
    case("graph_transformer", "standard", "softmax", separate=True, out_features=5),
    case("exphormer", "standard", "softmax", edges=True),
    case("exphormer", "shared", "sigmoid", edges=True),
    case("exphormer", "symmetrized", "post_hoc", edges=True),
    case("exphormer", "cosine", "symmetric", edges=True, bias=True),
    case("exphormer", "pairwise", "sinkhorn", edges=True, out_features=5),
    case("san", "standard", "softmax", edges=True, out_features=5),
    case("san", "shared", "symmetric", edges=True),
    case("san", "symmetrized", "sinkhorn", edges=True),
    case("san", "cosine", "sigmoid", edges=True),
    case("san", "pairwise", "post_hoc", edges=True, bias=True),
    case("grit", "standard", "softmax", edges=True),
    case("grit", "shared", "symmetric", edges=True, bias=True),
    case("grit", "symmetrized", "sigmoid", edges=True),
    case("grit", "cosine", "sinkhorn", edges=True),
    case("grit", "pairwise", "post_hoc", edges=True),
)

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)

ONE_PER_LAYER = tuple(next(c for c in CASES if c.name.startswith(f"{layer}-")) for layer in LAYERS)


def directed_graph(seed: int, num_nodes: int = 7, num_edges: int = 18) -> graphs.GraphsTuple:
    """Edges with and without a reverse, self-loops, and one isolated node, the last."""
    graph = testing.random_graph(
        seed, num_nodes, num_edges, WIDTH, edge_width=EDGE_WIDTH, self_loops=True
    )
    alone = np.random.default_rng(seed).normal(size=(1, WIDTH)).astype(np.float32)
    return graph._replace(
        nodes=np.concatenate([graph.nodes, alone]), n_node=np.array([num_nodes + 1], np.int32)
    )


def symmetric_graph(seed: int) -> graphs.GraphsTuple:
    """Every edge has a reverse with the same features; self-loops."""
    return testing.random_graph(
        seed, 7, 18, WIDTH, undirected=True, self_loops=True, edge_width=EDGE_WIDTH
    )


def on_features(layer: Callable[..., Any], graph: graphs.GraphsTuple) -> Callable[..., Any]:
    """A layer as a function of parameters, node and edge features: what has a gradient."""

    def run(params, nodes, edges):
        return layer(params, graph._replace(nodes=nodes, edges=edges))

    return run
