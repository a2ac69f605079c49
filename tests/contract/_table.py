"""The layers under contract. A new layer adds its dense reference and its rows.

A compilation costs a hundred times the arithmetic of these graphs. So most properties run op by op, under
`jax.disable_jit`, and one of them ties the compiled layer to that.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import _dense
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import attention, graphs, nn, ops, testing
from graphattn_jax.attention import Cosine, Pairwise, Shared, Standard, Symmetrized
from graphattn_jax.ops import PostHoc, Sigmoid, Sinkhorn, Softmax, Symmetric

WIDTH, EDGE_WIDTH, HEADS, CHANNELS = 4, 3, 2, 3


def is_real(graph):
    """SAN's edges of the graph: those with a positive first feature."""
    return jnp.asarray(graph.edges)[:, 0] > 0


def dense_san(params, graph, bias, **options):
    real = _dense.pairs(graph, graph.edges)[0] > 0
    return _dense.san(params, graph, bias, real=real, gamma=0.5, **options)


DENSE = {
    attention.GAT: _dense.gat,
    attention.GATv2: _dense.gatv2,
    attention.GraphTransformer: _dense.graph_transformer,
    attention.Exphormer: _dense.exphormer,
    attention.SAN: dense_san,
    attention.GRIT: _dense.grit,
}


class Params(NamedTuple):
    """Of a layer, and `[D_e, H]` of a logit bias made from the edge features, or None."""

    layer: Any
    bias: Any


@dataclasses.dataclass(frozen=True)
class Case:
    """A row: a layer with its choices at the seams, with edge features or a bias of the logits made from them."""

    layer: attention.AttentionLayer
    edges: bool = False
    bias: bool = False

    @property
    def name(self) -> str:
        layer, parts = self.layer, {"edges": self.edges, "bias": self.bias}
        names = [type(x).__name__ for x in (layer, layer.score, layer.normalizer)]
        if isinstance(layer.normalizer, Sinkhorn) and layer.normalizer.gradient == "implicit":
            names.append("implicit")
        parts |= {name: getattr(layer, name, False) for name in ("separate", "output")}
        return "-".join([*names, *(part for part, is_on in parts.items() if is_on)])

    @property
    def normalizer(self) -> ops.Normalizer:
        return self.layer.normalizer

    @functools.cache  # noqa: B019
    def init(self) -> Params:
        width = EDGE_WIDTH if self.edges else None
        key, bias_key, noise_key = jax.random.split(jax.random.key(0), 3)
        with jax.disable_jit(False):
            params = Params(
                self.layer.init(key, WIDTH, width),
                jax.random.normal(bias_key, (EDGE_WIDTH, HEADS)) if self.bias else None,
            )
            # Biases start at zero and pairwise coefficients at the identity, which would hide them.
            leaves, structure = jax.tree.flatten(params)
            noise = [
                x + 0.3 * jax.random.normal(jax.random.fold_in(noise_key, i), x.shape, x.dtype)
                for i, x in enumerate(leaves)
            ]
            return jax.tree.unflatten(structure, noise)

    def inputs(self, graph: Any) -> Any:
        """What the layer itself takes for this graph."""
        if not isinstance(self.layer, attention.SAN):
            return graph
        return graph._replace(edges=nn.EdgeInputs(graph.edges, real=is_real(graph)))

    def apply(
        self, params: Params, graph: Any, *, key: Any = None, **changes: Any
    ) -> nn.LayerOutput:
        """`changes` are fields of the layer; a key means training."""
        layer, bias = dataclasses.replace(self.layer, **changes), None
        if params.bias is not None:
            edges = jnp.where(graphs.edge_mask(graph)[:, None], jnp.asarray(graph.edges), 0)
            bias = edges.astype(params.bias.dtype) @ params.bias
        given = self.inputs(graph)
        out = layer.apply(params.layer, given, bias=bias, training=key is not None, key=key)
        if isinstance(layer, attention.SAN):
            out = out._replace(graph=out.graph._replace(edges=graph.edges))
        return out

    def dense(self, params: Params, graph: graphs.GraphsTuple) -> tuple[jax.Array, jax.Array]:
        """The new nodes and edges by explicit matrices."""
        bias = 0 if params.bias is None else _dense.pairs(graph, graph.edges @ params.bias)
        score = type(self.layer.score).__name__.lower()
        dense = DENSE[type(self.layer)]
        out = dense(params.layer, graph, bias, score=score, normalizer=self.normalizer)
        return out if isinstance(out, tuple) else (out, graph.edges)


def case(
    layer: Callable[..., Any],
    score: attention.Score,
    normalizer: Any,
    *,
    edges: bool = False,
    bias: bool = False,
    **fields: Any,
) -> Case:
    fields |= {"score": score, "normalizer": normalizer, "use_bias": True}
    return Case(layer(CHANNELS, HEADS, **fields), edges, bias)


GAT, GATv2, GT = attention.GAT, attention.GATv2, attention.GraphTransformer
Exphormer, SAN, GRIT = attention.Exphormer, attention.SAN, attention.GRIT
WILD = (np.nan, np.inf, -np.inf, 1e30)
"""What padding may hold."""
FEW, IMPLICIT = Sinkhorn(iterations=4), Sinkhorn(iterations=20, gradient="implicit")

# Every layer with every score and every normalizer, in rotated pairs; then edge features and the rest.
CASES = (
    case(GAT, Standard(), Softmax()),
    case(GAT, Shared(), FEW),
    case(GAT, Symmetrized(), Sigmoid()),
    case(GAT, Cosine(), PostHoc()),
    case(GAT, Pairwise(), Symmetric()),
    case(GAT, Standard(), Softmax(), edges=True),
    case(GAT, Shared(), Symmetric(), bias=True),
    case(GATv2, Standard(), Softmax()),
    case(GATv2, Shared(), Symmetric()),
    case(GATv2, Symmetrized(), FEW),
    case(GATv2, Cosine(), Sigmoid()),
    case(GATv2, Pairwise(), PostHoc()),
    case(GATv2, Symmetrized(), Softmax(), edges=True),
    case(GT, Standard(), Softmax()),
    case(GT, Shared(), PostHoc()),
    case(GT, Symmetrized(), Symmetric()),
    case(GT, Cosine(), IMPLICIT),
    case(GT, Pairwise(), Sigmoid()),
    case(GT, Standard(), FEW, edges=True),
    case(GT, Shared(), Softmax(), edges=True, bias=True),
    case(GT, Standard(), Softmax(), separate=True, output=5),
    case(Exphormer, Standard(), Softmax(), edges=True),
    case(Exphormer, Shared(), Sigmoid(), edges=True),
    case(Exphormer, Symmetrized(), PostHoc(), edges=True),
    case(Exphormer, Cosine(), Symmetric(), edges=True, bias=True),
    case(Exphormer, Pairwise(), FEW, edges=True, output=5),
    case(SAN, Standard(), Softmax(), edges=True, output=5, gamma=0.5),
    case(SAN, Shared(), Symmetric(), edges=True, gamma=0.5),
    case(SAN, Symmetrized(), FEW, edges=True, gamma=0.5),
    case(SAN, Cosine(), Sigmoid(), edges=True, gamma=0.5),
    case(SAN, Pairwise(), PostHoc(), edges=True, bias=True, gamma=0.5),
    case(GRIT, Standard(), Softmax(), edges=True),
    case(GRIT, Shared(), Symmetric(), edges=True, bias=True),
    case(GRIT, Symmetrized(), Sigmoid(), edges=True),
    case(GRIT, Cosine(), FEW, edges=True),
    case(GRIT, Pairwise(), PostHoc(), edges=True),
)

ONE_PER_LAYER = tuple(next(c for c in CASES if isinstance(c.layer, kind)) for kind in DENSE)
# What does not depend on score and normalizer together: every layer, every score and every normalizer, once.
ONE_PER_NORMALIZER = tuple(
    next(c for c in CASES[7:] if c.normalizer == n)
    for n in (Sigmoid(), PostHoc(), Symmetric(), FEW, IMPLICIT)
)


def rows(cases):
    """A test for each; those of one row share what was compiled, so one worker takes them."""
    return pytest.mark.parametrize(
        "case",
        [pytest.param(c, id=c.name, marks=pytest.mark.xdist_group(c.name)) for c in cases],
    )


each_case = rows(CASES)
each_layer = rows(ONE_PER_LAYER)
each_layer_and_normalizer = rows(tuple(dict.fromkeys(ONE_PER_LAYER + ONE_PER_NORMALIZER)))


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
