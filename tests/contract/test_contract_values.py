"""Every layer computes its equation, in every implementation, compiled or not, in every precision."""

import dataclasses
import json
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _table import (
    EDGE_WIDTH,
    HEADS,
    WIDTH,
    directed_graph,
    each_case,
    each_layer,
    each_layer_and_normalizer,
    on_features,
)
from jax.test_util import check_grads

from graphattn_jax import graphs, ops, testing, values

pytestmark = pytest.mark.oldest

GRAPH = directed_graph(0)
PREPARED = graphs.prepare(GRAPH)


def new_features(case, graph=PREPARED, **changes):
    """`f(params, nodes, edges) -> (new nodes, new edges)`."""

    def features(params, graph):
        out = case.apply(params, graph, **changes).graph
        return out.nodes, out.edges

    return on_features(features, graph)


@each_case
@jax.disable_jit()
def test_equals_the_dense_reference_in_values_and_gradients(case):
    """None takes "xla" on the CPU for so few channels."""
    testing.assert_implementations_agree(
        {
            "dense": on_features(case.dense, GRAPH),
            "None": new_features(case),
            "cpp": new_features(case, implementation=_cpp()),
            "reference": new_features(case, implementation="reference"),
            "plain graph": new_features(case, GRAPH),
        },
        case.init(),
        GRAPH.nodes,
        GRAPH.edges,
        rtol=2e-5,
        atol=2e-6,
    )


def _cpp():
    try:
        ops.build_cpp()
    except RuntimeError:  # no compiler
        return None
    return "cpp"


@each_layer_and_normalizer
@jax.disable_jit()
def test_a_named_implementation_binds_or_raises(case):
    wanted = new_features(case, implementation="reference")
    arguments = case.init(), GRAPH.nodes, GRAPH.edges
    got = new_features(case, implementation="xla")(*arguments)
    chex.assert_trees_all_close(got, wanted(*arguments), rtol=2e-5, atol=2e-6)
    if not isinstance(case.normalizer, ops.Softmax):
        with pytest.raises(NotImplementedError, match="Fix: implementation=None"):
            new_features(case, implementation="triton")(*arguments)


@each_layer_and_normalizer
def test_one_compilation_serves_a_bucket_and_equals_eager(case):
    def loss(params, graph):
        out = case.apply(params, graph)
        where = graphs.node_mask(graph)[:, None]
        square = jnp.sum(jnp.square(out.graph.nodes), where=where)
        return square, (out.graph.nodes, out.graph.edges, out.attention)

    eager = jax.value_and_grad(loss, has_aux=True)
    chex.clear_trace_counter()
    compiled = jax.jit(jax.value_and_grad(chex.assert_max_traces(loss, n=1), has_aux=True))
    budget = graphs.Budget(n_node=12, n_edge=32, n_graph=2)
    params = case.init()
    for seed, num_edges in ((1, 16), (2, 21)):
        padded = graphs.pad(directed_graph(seed, num_edges=num_edges), budget)
        with jax.disable_jit():
            expected = eager(params, padded)
        chex.assert_trees_all_close(compiled(params, padded), expected, rtol=1e-4, atol=1e-5)


@each_layer
def test_a_layer_may_be_a_static_argument(case):
    """One that is equal does not trace again, another one does."""
    params, graph, traces = case.init(), case.inputs(PREPARED), []

    @partial(jax.jit, static_argnames="layer")
    def run(layer, params, graph):
        traces.append(layer)
        return layer.apply(params, graph)

    want = jax.jit(case.layer.apply)(params.layer, graph)
    for layer in (case.layer, dataclasses.replace(case.layer)):
        chex.assert_trees_all_close(run(layer, params.layer, graph), want)
    assert len(traces) == 1
    run(dataclasses.replace(case.layer, dropout=0.5), params.layer, graph)
    assert len(traces) == 2


@each_layer_and_normalizer
@jax.disable_jit()
def test_gradients_in_float64(case):
    with jax.enable_x64(True):
        inputs = jax.tree.map(
            lambda x: jnp.asarray(x, jnp.float64), (case.init(), GRAPH.nodes, GRAPH.edges)
        )
        # Small steps: LeakyReLU has a kink.
        check_grads(new_features(case), inputs, order=1, modes=["rev"], eps=1e-6)


@each_layer_and_normalizer
@jax.disable_jit()
def test_second_derivatives_are_finite(case):
    def norm_of_gradient(*inputs):
        out, pull = jax.vjp(new_features(case), *inputs)
        gradient = pull(jax.tree.map(jnp.ones_like, out))
        return sum(jnp.sum(jnp.square(x)) for x in jax.tree.leaves(gradient))

    second = jax.grad(norm_of_gradient, argnums=(0, 1))(case.init(), GRAPH.nodes, GRAPH.edges)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(second))


@each_layer_and_normalizer
@jax.disable_jit()
def test_bfloat16_errs_at_most_twice_as_much_as_the_plain_computation(case):
    graph = directed_graph(0, 40, 200)  # the largest error of a few entries would be chance
    testing.assert_low_precision_error(
        new_features(case, graphs.prepare(graph)),
        on_features(case.dense, graph),
        case.init(),
        graph.nodes,
        graph.edges,
        gradients=False,
    )


@each_layer_and_normalizer
def test_keeps_the_dtype_of_the_features(case):
    testing.assert_dtype_preserved(case.apply, case.init(), GRAPH)


@each_case
@jax.disable_jit()
def test_attention_has_a_row_per_edge(case):
    attention = case.apply(case.init(), PREPARED).attention
    assert attention.weights.shape == attention.logits.shape == (len(GRAPH.senders), HEADS)
    if isinstance(case.normalizer, ops.Sinkhorn):
        assert attention.residual.shape == (len(GRAPH.nodes), HEADS)
    else:
        assert attention.residual is None


@each_case
def test_a_layer_is_a_value(case):
    again = values.from_json(json.loads(json.dumps(values.to_json(case.layer))))
    assert again == case.layer and hash(again) == hash(case.layer)
    width = EDGE_WIDTH if case.edges else None

    def shapes(layer):
        return jax.eval_shape(lambda key: layer.init(key, WIDTH, width), jax.random.key(0))

    assert shapes(again) == shapes(case.layer)
