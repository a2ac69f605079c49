"""Fusions of relations: their limits, what is local to a node, the balance of routing."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import nn
from graphattn_jax.attention import HAN
from graphattn_jax.message_passing import RGCN

COUNTS = {"author": 3, "paper": 5, "venue": 2}
RELATIONS = (("author", "writes", "paper"), ("paper", "cites", "paper"), ("paper", "at", "venue"))


def typed_graph(seed, density=0.5):
    rng = np.random.default_rng(seed)
    nodes = {t: rng.normal(size=(n, 4)).astype(np.float32) for t, n in COUNTS.items()}
    edges = {
        r: np.argwhere(rng.random((COUNTS[r[0]], COUNTS[r[2]])) < density).T for r in RELATIONS
    }
    return ga.graphs.from_types(nodes, edges, reverse=True)


GRAPH = ga.graphs.prepare(typed_graph(0))
SCHEMA = ga.graphs.schema_of(GRAPH)
ENDS = ga.graphs.relation_ends(GRAPH, "receiver")
KEY = jax.random.key(0)


def test_routing_with_one_weight_per_relation_is_the_attention_of_han():
    """Where every node hears all relations of its type, as it does here."""
    full = ga.graphs.prepare(typed_graph(0, density=1.0))
    semantic = HAN(3, 2, schema=SCHEMA)
    params = semantic.init(KEY, 4)
    want = semantic.apply(params, full)
    ends = ga.graphs.relation_ends(full, "receiver")
    beta = np.zeros(len(SCHEMA.relations))
    beta[np.asarray(ends.relations.ids)] = want.attention.shares.weights
    routed = replace(semantic, fusion=nn.Routing(temperature=0.7))
    own = routed.init(KEY, 4).fusion
    own = own._replace(
        vector=jnp.zeros_like(own.vector), relation=jnp.asarray(0.7 * np.log(beta), jnp.float32)
    )
    got = routed.apply(params._replace(fusion=own), full)
    np.testing.assert_allclose(
        got.graph.nodes.features, want.graph.nodes.features, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        got.attention.shares.weights, want.attention.shares.weights, rtol=1e-5
    )


def test_uniform_routing_is_the_sum_of_rgcn_over_the_number_of_relations():
    plain = RGCN(3, schema=SCHEMA, root=False, use_bias=False)
    params = plain.init(KEY, 4)
    routed = replace(plain, fusion=nn.Routing())
    own = routed.init(KEY, 4).fusion
    got = routed.apply(params._replace(fusion=own._replace(vector=jnp.zeros(64))), GRAPH)
    number = np.bincount(ENDS.node, minlength=10)[:, None]
    want = plain.apply(params, GRAPH).graph.nodes.features
    np.testing.assert_allclose(
        number * np.asarray(got.graph.nodes.features), want, rtol=1e-5, atol=1e-6
    )


def test_many_relations_chosen_are_all_and_one_is_the_best():
    fusion = nn.Routing()
    params = fusion.init(KEY, SCHEMA, 4, 6)
    z = jax.random.normal(KEY, (len(ENDS.node), 6))
    soft = fusion.apply(params, GRAPH, z)
    whole = replace(fusion, top=9).apply(params, GRAPH, z)
    np.testing.assert_allclose(whole.nodes, soft.nodes, rtol=1e-6)
    one = replace(fusion, top=1).apply(params, GRAPH, z)
    weights = np.asarray(soft.shares.weights)
    for i in set(ENDS.node.tolist()):
        own = np.flatnonzero(ENDS.node == i)
        np.testing.assert_allclose(weights[own].sum(), 1, rtol=1e-6)
        best = own[np.argmax(weights[own])]
        np.testing.assert_allclose(one.nodes[i], z[best], rtol=1e-5)
    np.testing.assert_array_equal(one.shares.probabilities, soft.shares.probabilities)


def test_the_gradient_of_a_choice_is_that_of_the_weights():
    """Straight-through: with the same vectors, parameters hear the same of soft and of chosen weights."""
    z = jax.random.normal(KEY, (len(ENDS.node), 6))
    params = nn.Routing().init(KEY, SCHEMA, 4, 6)

    def gradient(fusion):
        return jax.grad(
            lambda p: jnp.sum(jnp.sin(jnp.arange(60.0)) * fusion.apply(p, GRAPH, z).nodes.ravel())
        )(params)

    soft, hard = gradient(nn.Routing()), gradient(nn.Routing(top=1))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), soft, hard)
    assert any(np.abs(leaf).max() > 1e-3 for leaf in jax.tree.leaves(soft))


def test_balance_is_one_for_equal_choices_and_the_number_of_relations_for_one():
    nodes, relations = {"n": np.zeros((4, 2), np.float32)}, [("n", f"r{i}", "n") for i in range(4)]
    everyone = ([0, 1, 2, 3], [0, 1, 2, 3])
    graph = ga.graphs.prepare(ga.graphs.from_types(nodes, dict.fromkeys(relations, everyone)))
    ends = ga.graphs.relation_ends(graph, "receiver")
    node, relation = np.asarray(ends.node), np.asarray(ends.relations.ids)

    def balance(probabilities):
        shares = nn.Shares(jnp.asarray(probabilities), jnp.asarray(probabilities))
        attention = ga.ops.Attention(lambda: ga.ops.Weights(0, 0, 0, shares=shares))
        total, count = jax.jit(nn.load_balance)(attention, graph)
        assert count == 4
        return total / count

    assert balance((node == relation).astype(np.float32)) == 1
    assert balance((relation == 2).astype(np.float32)) == 4
    uneven = np.where(node == relation, 0.7, 0.1).astype(np.float32)
    np.testing.assert_allclose(balance(uneven), 1, rtol=1e-6)


def test_balance_does_not_count_padding_and_batches_add_up():
    layer = HAN(3, 2, schema=SCHEMA, fusion=nn.Routing(top=1))
    params = layer.init(KEY, 4)

    @jax.jit
    def run(graph):
        return nn.load_balance(layer.apply(params, graph).attention, graph)

    plain = run(GRAPH)
    padded = run(ga.graphs.pad(typed_graph(0), ga.graphs.Budget(16, 80, 3)))
    np.testing.assert_allclose(plain, padded, rtol=1e-5)
    assert plain[1] == len(set(ENDS.node.tolist()))
    other = ga.attention.RGAT(3, schema=SCHEMA)
    attention = other.apply(other.init(KEY, 4), GRAPH).attention
    with pytest.raises(ValueError, match="attention must have weights over relations"):
        nn.load_balance(attention, GRAPH)


def test_a_gate_of_zero_leaves_tokens_as_they_are():
    fusion = nn.TransformerFusion(heads=2)
    params = fusion.init(KEY, SCHEMA, 4, 8)
    z = jax.random.normal(KEY, (len(ENDS.node), 8))
    relation = np.asarray(ENDS.relations.ids)
    want = np.zeros((10, 8))
    np.add.at(want, np.asarray(ENDS.node), np.einsum("uw,uwf->uf", z, params.output[relation]))
    out = fusion.apply(params, GRAPH, z)
    np.testing.assert_allclose(out.nodes, want, rtol=1e-4, atol=1e-5)
    total = np.bincount(np.asarray(ENDS.node), np.asarray(out.shares.weights), minlength=10)
    np.testing.assert_allclose(total[total > 0], 1, rtol=1e-5)


def test_semantic_weights_of_relations_to_one_type_sum_to_one():
    layer = HAN(3, 2, schema=SCHEMA)
    shares = np.asarray(layer.apply(layer.init(KEY, 4), GRAPH).attention.shares.weights)
    relation = np.asarray(ENDS.relations.ids)
    for kind in range(len(SCHEMA.types)):
        own = [shares[relation == r] for r, t in enumerate(SCHEMA.targets) if t == kind]
        assert all(np.ptp(x) < 1e-6 for x in own)
        np.testing.assert_allclose(sum(x[0] for x in own), 1, rtol=1e-5)
