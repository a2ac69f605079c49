"""Assertions on layers: functions `layer(params, graph)`, such as `ga.nn.Layer.apply`.

One signature for all of them. The layer returns a graph, a `ga.nn.LayerOutput`, or a graph and its
attention: a `ga.ops.Attention`, or an array with one row per edge; attention in blocks is not looked
at. It runs under `jax.jit` on a prepared graph; what is static goes into fields or a closure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import graphs
from graphattn_jax.graphs import Budget, GraphsTuple, PreparedGraph
from graphattn_jax.nn import LayerOutput
from graphattn_jax.testing._compare import compare, is_inexact, probe
from graphattn_jax.testing._graphs import permutation_within, permute_edges, permute_nodes
from graphattn_jax.typing import Params

Layer = Callable[[Params, GraphsTuple], Any]
"""`layer(params, graph) -> GraphsTuple`, `ga.nn.LayerOutput` or `(GraphsTuple, attention)`."""


def assert_permutation_equivariant(
    layer: Layer,
    params: Params,
    graph: GraphsTuple,
    *,
    seed: int = 0,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> None:
    """Renaming the nodes renames the result, and changes nothing else.

        layer(P graph) = P layer(graph)

    for a random permutation P of the nodes within each graph: node features follow P, the features
    of edges and graphs and the attention stay.

    Args:
      layer: `layer(params, graph)`, such as `apply` of a `ga.nn.Layer`.
      params: its first argument.
      graph: a graph or batch on the host; a prepared one is prepared again, with blocks where it has them.
      seed: of the permutation.
      rtol, atol: `|difference| <= atol + rtol * max|wanted|` in each array.

    Raises:
      AssertionError: with the worst node or edge, by how much it is off, and the usual cause.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.testing.random_graph(0, 5, 8, 3)
      >>> layer = lambda params, graph: graph._replace(nodes=2 * graph.nodes)
      >>> ga.testing.assert_permutation_equivariant(layer, None, graph)
    """
    run = _compiled(layer, graph)
    permutation = permutation_within(np.asarray(graphs.node_graph_ids(graph)), seed)
    compare(
        run(params, permute_nodes(graph, permutation)),
        _reorder(run(params, graph), permutation, ("nodes",)),
        failure="the layer is not permutation equivariant",
        cause="it uses the ids or the order of the nodes, for example as a position",
        rtol=rtol,
        atol=atol,
    )


def assert_edge_order_invariant(
    layer: Layer,
    params: Params,
    graph: GraphsTuple,
    *,
    seed: int = 0,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> None:
    """The order in which edges are listed does not matter.

    Node and graph features stay under a random permutation of the edges within each graph; edge
    features and the rows of the attention follow it.

    Args:
      layer: `layer(params, graph)`, such as `apply` of a `ga.nn.Layer`.
      params: its first argument.
      graph: a graph or batch on the host; a prepared one is prepared again, with blocks where it has them.
      seed: of the permutation.
      rtol, atol: `|difference| <= atol + rtol * max|wanted|` in each array.

    Raises:
      AssertionError: with the worst node or edge, by how much it is off, and the usual cause.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> graph = ga.testing.random_graph(0, 5, 8, 3)
      >>> layer = lambda params, graph: (graph, jnp.ones((8, 1)))
      >>> ga.testing.assert_edge_order_invariant(layer, None, graph)
    """
    run = _compiled(layer, graph)
    permutation = permutation_within(np.asarray(graphs.edge_graph_ids(graph)), seed)
    compare(
        run(params, permute_edges(graph, permutation)),
        _reorder(run(params, graph), permutation, ("edges", "attention")),
        failure="the layer depends on the order of the edges",
        cause=(
            "it assumes edges sorted by receiver, or returns edge features or attention in an "
            "order of its own"
        ),
        rtol=rtol,
        atol=atol,
    )


def assert_padding_invariant(
    layer: Layer,
    params: Params,
    graph: GraphsTuple,
    *,
    budget: Budget | None = None,
    fill: Sequence[float] | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> None:
    """Padding changes neither the real part of the result nor the gradient in the parameters.

    The padding rows hold large random features instead of zeros, so that whatever leaks shows. The
    gradient is that of a random linear function of the real part. The layers of this package pass with
    `fill=(nan, inf, 1e30)` too; one that multiplies padding by a cotangent of 0 does not, as 0 times NaN is NaN.

    Args:
      layer: `layer(params, graph)`, such as `apply` of a `ga.nn.Layer`. Masks are `ga.graphs.node_mask(graph)` and
        the like.
      params: its first argument; differentiated where floating point.
      graph: a graph or batch on the host, without padding.
      budget: the padded size; None = a few nodes, edges and graphs more than there are.
      fill: what the floating-point features of padding hold, in turn; None = large random numbers.
      rtol, atol: `|difference| <= atol + rtol * max|wanted|` in each array.

    Raises:
      AssertionError: with the worst node, edge or parameter, by how much it is off, and the usual
        cause.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.testing.random_graph(0, 5, 8, 3)
      >>> params = ga.nn.init_layer_norm(3)
      >>> def layer(params, graph):
      ...     return graph._replace(nodes=ga.nn.layer_norm(params, graph.nodes))
      >>> ga.testing.assert_padding_invariant(layer, params, graph)
    """
    sizes = _sizes(graph)
    if budget is None:
        budget = Budget(sizes["nodes"] + 7, sizes["edges"] + 13, sizes["globals"] + 2)
    padded = _fill_padding(graphs.pad(graph, budget, block_size=_block_size(graph)), sizes, fill)

    @jax.jit
    def run(params, graph):
        def loss(params):
            real = _between(_outputs(layer(params, graph)), _NO_ROWS, sizes)
            return probe(real), real

        return jax.grad(loss, has_aux=True, allow_int=True)(params)

    gradient, real = run(params, _prepare(graph, graph))
    padded_gradient, padded_real = run(params, padded)
    compare(
        padded_real,
        real,
        failure="padding changes the result of the layer",
        cause="a mean, maximum or norm over all rows; pass ga.graphs.node_mask(graph) as where",
        rtol=rtol,
        atol=atol,
    )
    compare(
        {"params": padded_gradient},
        {"params": gradient},
        failure="padding changes the gradient of the layer",
        cause=(
            "padding rows enter a sum in the backward pass; mask the inputs of that sum, not only "
            "its result"
        ),
        rtol=rtol,
        atol=atol,
    )


def assert_batch_invariant(
    layer: Layer,
    params: Params,
    graph_list: Sequence[GraphsTuple],
    *,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> None:
    """Each graph of a batch gets the result that it gets alone.

    Args:
      layer: `layer(params, graph)`, such as `apply` of a `ga.nn.Layer`.
      params: its first argument.
      graph_list: graphs that `graphs.batch` can join.
      rtol, atol: `|difference| <= atol + rtol * max|wanted|` in each array.

    Raises:
      AssertionError: with the graph, its worst node or edge, by how much it is off, and the usual
        cause.

    Example:
      >>> import graphattn_jax as ga
      >>> graph_list = [ga.testing.random_graph(seed, 5, 8, 3) for seed in range(2)]
      >>> layer = lambda params, graph: graph._replace(nodes=2 * graph.nodes)
      >>> ga.testing.assert_batch_invariant(layer, None, graph_list)
    """
    run = jax.jit(lambda params, graph: _outputs(layer(params, graph)))
    together = run(params, _prepare(graphs.batch(graph_list), *graph_list))
    start = _NO_ROWS
    for i, graph in enumerate(graph_list):
        stop = {name: start[name] + size for name, size in _sizes(graph).items()}
        compare(
            _between(together, start, stop),
            run(params, _prepare(graph, *graph_list)),
            failure=f"graph {i} has another result in the batch than alone",
            cause=(
                "a statistic or normalisation over the whole batch; reduce over each graph with "
                "graphs.node_graph_ids"
            ),
            rtol=rtol,
            atol=atol,
        )
        start = stop


def assert_dtype_preserved(
    layer: Layer,
    params: Params,
    graph: GraphsTuple,
    *,
    dtypes: Sequence[Any] = (jnp.bfloat16, jnp.float16, jnp.float32),
) -> None:
    """The result has the dtype of the features, whatever the parameters have; attention is float32.

    Traces the layer without running it.

    Args:
      layer: `layer(params, graph)`, such as `apply` of a `ga.nn.Layer`.
      params: its first argument, in the dtype in which it is stored.
      graph: a graph or batch on the host; its floating-point features are cast to each dtype.
      dtypes: floating-point dtypes to try.

    Raises:
      AssertionError: with the first array of another dtype, and the usual cause.

    Example:
      >>> import jax
      >>> import graphattn_jax as ga
      >>> def layer(params, graph):
      ...     return graph._replace(nodes=ga.nn.linear(params, graph.nodes))
      >>> params = ga.nn.init_linear(jax.random.key(0), 3, 4)
      >>> ga.testing.assert_dtype_preserved(layer, params, ga.testing.random_graph(0, 5, 8, 3))
    """
    graph = _prepare(graph, graph)
    for dtype in map(jnp.dtype, dtypes):
        cast = _abstract(graph, dtype)
        outputs = jax.eval_shape(lambda *a: _outputs(layer(*a)), params, cast)
        for path, x in jax.tree.leaves_with_path(outputs):
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            wanted = jnp.dtype(jnp.float32) if name == "attention" else dtype
            if is_inexact(x) and x.dtype != wanted:
                raise AssertionError(
                    f"the layer turns {dtype} features into {x.dtype} {name}, wanted {wanted}. "
                    "Usual cause: parameters or constants in float32 that promote; cast the result "
                    "to the dtype of the features."
                )


_NO_ROWS = {"nodes": 0, "edges": 0, "attention": 0, "globals": 0}


def _compiled(layer: Layer, like: GraphsTuple) -> Callable[[Params, GraphsTuple], dict[str, Any]]:
    """The layer on graphs prepared as this one is."""
    run = jax.jit(lambda params, graph: _outputs(layer(params, graph)))
    return lambda params, graph: run(params, _prepare(graph, like))


def _prepare(graph: GraphsTuple, *like: GraphsTuple) -> PreparedGraph:
    """The graph with a layout, and with blocks where any of the graphs `like` has them."""
    return graphs.prepare(graph, block_size=_block_size(*like))


def _block_size(*like: GraphsTuple) -> int | None:
    layouts = [graph.layout for graph in like if isinstance(graph, PreparedGraph)]
    return max((x.blocks.node.shape[1] for x in layouts if x.blocks is not None), default=None)


def _abstract(graph: GraphsTuple, dtype: Any) -> GraphsTuple:
    """Shapes of the graph's arrays, those in floating point as `dtype`."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, dtype if is_inexact(x) else x.dtype), graph
    )


def _outputs(result: Any) -> dict[str, Any]:
    """The features of the result by the kind of their rows, and the attention if there is any."""
    graph, attention = (result, None) if isinstance(result, GraphsTuple) else result
    attention = getattr(attention, "weights", attention)
    if isinstance(result, LayerOutput) and getattr(attention, "ndim", 0) == 4:
        attention = None  # in blocks, without a row per edge
    outputs = {
        "nodes": graph.nodes,
        "edges": graph.edges,
        "globals": graph.globals,
        "attention": attention,
    }
    return {name: features for name, features in outputs.items() if features is not None}


def _sizes(graph: GraphsTuple) -> dict[str, int]:
    num_edges = graphs.num_edges(graph)
    return {
        "nodes": graphs.num_nodes(graph),
        "edges": num_edges,
        "attention": num_edges,
        "globals": graphs.num_graphs(graph),
    }


def _reorder(outputs: dict[str, Any], permutation: np.ndarray, names: Sequence[str]):
    return {
        name: jax.tree.map(lambda x: x[permutation], features) if name in names else features
        for name, features in outputs.items()
    }


def _between(outputs: dict[str, Any], start: dict[str, int], stop: dict[str, int]):
    def part(name: str):
        return jax.tree.map(lambda x: x[start[name] : stop[name]], outputs[name])

    return {name: part(name) for name in outputs}


def _fill_padding(
    graph: GraphsTuple, sizes: dict[str, int], values: Sequence[float] | None
) -> GraphsTuple:
    """The graph with these values, or large random numbers, in the floating-point features of its padding."""
    rng = np.random.default_rng(0)

    def fill(name: str):
        def fill_rows(x):
            if not is_inexact(x):
                return x
            shape = x[sizes[name] :].shape
            garbage = 10 * rng.normal(size=shape) if values is None else np.resize(values, shape)
            return np.concatenate([x[: sizes[name]], garbage.astype(x.dtype)])

        return jax.tree.map(fill_rows, getattr(graph, name))

    return graph._replace(**{name: fill(name) for name in ("nodes", "edges", "globals")})
