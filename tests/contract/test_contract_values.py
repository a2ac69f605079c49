"""Every layer computes its equation, in every implementation, compiled or not, in every precision."""

import chex
import jax
import jax.numpy as jnp
import pytest
from _table import HEADS, directed_graph, each_case, on_features
from jax.test_util import check_grads

from graphattn_jax import graphs, ops, testing

GRAPH = directed_graph(0)


def new_features(case, graph=GRAPH, *, with_layout=True, **options):
    """`f(params, nodes, edges) -> (new nodes, new edges)`."""
    layout = graphs.layout(graph) if with_layout else None

    def features(params, graph):
        out, _ = case.apply(params, graph, layout, **options)
        return out.nodes, out.edges

    return on_features(features, graph)


@each_case
@jax.disable_jit()
def test_equals_the_dense_reference_in_values_and_gradients(case):
    """None takes "cpp" where there is a compiler; see also the next test."""
    testing.assert_implementations_agree(
        {
            "dense": on_features(case.dense, GRAPH),
            "None": new_features(case),
            "reference": new_features(case, implementation="reference"),
            "without layout": new_features(case, with_layout=False),
        },
        case.init(),
        GRAPH.nodes,
        GRAPH.edges,
        rtol=2e-5,
        atol=2e-6,
    )


@each_case
@jax.disable_jit()
def test_xla_runs_or_says_what_to_do(case):
    run = new_features(case, implementation="xla")
    arguments = case.init(), GRAPH.nodes, GRAPH.edges
    if case.supports_xla:
        reference = new_features(case, implementation="reference")(*arguments)
        chex.assert_trees_all_close(run(*arguments), reference, rtol=2e-5, atol=2e-6)
    else:
        with pytest.raises(NotImplementedError, match="Fix: implementation=None"):
            run(*arguments)


@each_case
def test_one_compilation_serves_a_bucket_and_equals_eager(case):
    def loss(params, graph, layout):
        out, attention = case.apply(params, graph, layout)
        square = jnp.sum(jnp.square(out.nodes), where=layout.node_mask[:, None])
        return square, (out.nodes, out.edges, attention)

    eager = jax.value_and_grad(loss, has_aux=True)
    chex.clear_trace_counter()
    compiled = jax.jit(jax.value_and_grad(chex.assert_max_traces(loss, n=1), has_aux=True))
    budget = graphs.Budget(n_node=12, n_edge=32, n_graph=2)
    params = case.init()
    for seed, num_edges in ((1, 16), (2, 21)):
        padded = graphs.pad(directed_graph(seed, num_edges=num_edges), budget)
        layout = graphs.layout(padded)
        with jax.disable_jit():
            expected = eager(params, padded, layout)
        chex.assert_trees_all_close(
            compiled(params, padded, layout), expected, rtol=1e-4, atol=1e-5
        )


@each_case
@jax.disable_jit()
def test_gradients_in_float64(case):
    with jax.enable_x64(True):
        inputs = jax.tree.map(
            lambda x: jnp.asarray(x, jnp.float64), (case.init(), GRAPH.nodes, GRAPH.edges)
        )
        # Small steps: LeakyReLU has a kink.
        check_grads(new_features(case), inputs, order=1, modes=["rev"], eps=1e-6)


@each_case
@jax.disable_jit()
def test_bfloat16_errs_at_most_twice_as_much_as_the_plain_computation(case):
    graph = directed_graph(0, 40, 200)  # the largest error of a few entries would be chance
    testing.assert_low_precision_error(
        new_features(case, graph),
        on_features(case.dense, graph),
        case.init(),
        graph.nodes,
        graph.edges,
        gradients=False,
    )


@each_case
def test_keeps_the_dtype_of_the_features(case):
    testing.assert_dtype_preserved(case.apply, case.init(), GRAPH)


@each_case
@jax.disable_jit()
def test_attention_has_a_row_per_edge(case):
    _, attention = case.apply(case.init(), GRAPH, graphs.layout(GRAPH))
    rows = (len(GRAPH.senders), HEADS)
    assert attention.weights.shape == attention.logits.shape == rows
    if isinstance(case.normalizer, ops.Sinkhorn):
        assert attention.residual.shape == (len(GRAPH.nodes), HEADS)
    else:
        assert attention.residual is None
