import copy
import dataclasses
import pickle

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga
from graphattn_jax.graphs import PreparedGraph
from graphattn_jax.graphs._types import prepared

deterministic = settings(max_examples=25, deadline=None, derandomize=True)
BUDGET = ga.graphs.Budget(9, 12, 4)
STRUCTURE = ("senders", "receivers", "n_node", "n_edge")


@pytest.fixture
def padded(two_graphs):
    return ga.graphs.pad(two_graphs, BUDGET, block_size=3)


@pytest.fixture
def relation(rng):
    """Seven senders, four receivers, ten edges of which three are no edges."""
    senders, receivers = rng.integers(0, 7, 10), rng.integers(0, 4, 10)
    return ga.graphs.bipartite(
        senders,
        receivers,
        sender_nodes=rng.normal(size=(7, 3)).astype(np.float32),
        receiver_nodes=rng.normal(size=(4, 2)).astype(np.float32),
        edge_mask=np.arange(10) % 3 != 1,
    )


def attend(x, edges):
    return ga.ops.edge_attention(x, x, x, edges).out


# What a layout is.


@given(data=st.data())
@deterministic
def test_reverse_edges_are_those_of_the_ops(data, batch_strategy):
    graph = ga.graphs.batch(data.draw(batch_strategy))
    want = ga.ops.reverse_edges(graph.senders, graph.receivers)
    np.testing.assert_array_equal(ga.graphs.prepare(graph).layout.reverse, want)
    budget = ga.graphs.Budget(31, 51, 7)
    reverse = ga.graphs.pad(graph, budget).layout.reverse
    np.testing.assert_array_equal(reverse[: len(want)], want)
    assert (reverse[len(want) :] == -1).all()


def test_what_pad_gives_is_what_prepare_gives_of_it(padded, assert_same):
    marked = ga.graphs.PaddedGraphsTuple(*padded)
    assert_same(ga.graphs.prepare(marked, block_size=3), padded)
    theirs = jraph.pad_with_graphs(ga.graphs.unpad(padded), 9, 12, 4)
    layout = ga.graphs.prepare(ga.graphs.PaddedGraphsTuple(*theirs)).layout
    assert layout.padded and layout.edge_mask.tolist() == padded.layout.edge_mask.tolist()


def test_prepared_twice(two_graphs, padded, relation, assert_same):
    for graph in (ga.graphs.prepare(two_graphs), relation):
        assert_same(ga.graphs.prepare(graph), graph)
    assert_same(ga.graphs.prepare(padded, block_size=3), padded)
    assert ga.graphs.prepare(padded).layout.blocks is None
    moved = two_graphs._replace(senders=two_graphs.receivers, receivers=two_graphs.senders)
    swapped = dict(senders=moved.senders, receivers=moved.receivers)
    assert_same(
        ga.graphs.prepare(ga.graphs.prepare(two_graphs)._replace(**swapped)),
        ga.graphs.prepare(moved),
    )


def test_patterns_of_plain_and_prepared_graphs_attend_alike(two_graphs, padded, rng):
    x = rng.normal(size=(9, 2, 4)).astype(np.float32)
    plain, prepared = (
        ga.graphs.pattern(two_graphs),
        ga.graphs.pattern(ga.graphs.prepare(two_graphs)),
    )
    assert plain.layout is None and plain.mask is None and plain.num_senders == 5
    assert prepared.layout is not None and prepared.mask is None and not prepared.is_bipartite
    want = attend(x[:5], plain)
    np.testing.assert_allclose(attend(x[:5], prepared), want, rtol=1e-6, atol=1e-6)
    for graph in (padded, ga.graphs.PaddedGraphsTuple(*padded)):
        edges = ga.graphs.pattern(graph)
        assert edges.mask.tolist() == [True] * 5 + [False] * 7
        got = attend(x, edges)
        np.testing.assert_allclose(got[:5], want, rtol=1e-6, atol=1e-6)
        assert not got[5:].any()


def test_under_jit_without_node_features(padded, two_graphs):
    bare = padded._replace(nodes=None)
    sizes = jax.jit(lambda g: jnp.zeros((ga.graphs.pattern(g).num_senders, ga.graphs.num_nodes(g))))
    assert sizes(bare).shape == (9, 9)
    np.testing.assert_array_equal(
        jax.jit(ga.graphs.in_degree)(bare), ga.graphs.in_degree(padded), strict=False
    )
    with pytest.raises(ValueError, match=r"no node features.*ga\.graphs\.prepare\(graph\)"):
        jax.jit(lambda g: ga.graphs.pattern(g).receivers)(two_graphs._replace(nodes=None))


def test_no_edges_and_no_nodes():
    for n in (0, 3):
        graph = ga.graphs.prepare(ga.graphs.from_edge_list([], [], num_nodes=n))
        assert graph.layout.node_mask.shape == (n,) and graph.layout.reverse.shape == (0,)
        assert ga.graphs.pattern(graph).num_rows == n
    nothing = jax.tree.map(lambda x: x[:0], ga.graphs.from_edge_list([0], [0]))
    assert not ga.graphs.pad(nothing, BUDGET, block_size=2).layout.node_mask.any()


# It travels with the graph.


def transformations(graph):
    return {
        "jit": jax.jit(lambda g: g)(graph),
        "tree.map": jax.tree.map(lambda x: x, graph),
        "device_put": jax.device_put(graph),
        "donation": jax.jit(lambda g: g._replace(nodes=jax.tree.map(lambda x: 1 * x, g.nodes)), donate_argnums=0)(
            jax.device_put(graph)
        ),
        "scan": jax.lax.scan(lambda g, _: (g, None), jax.device_put(graph), length=2)[0],
        "pickle": pickle.loads(pickle.dumps(graph)),
        "copy": copy.copy(graph),
        "deepcopy": copy.deepcopy(graph),
        "flattened": jax.tree.unflatten(jax.tree.structure(graph), jax.tree.leaves(graph)),
    }  # fmt: skip


@pytest.mark.parametrize("which", ["padded", "unpadded", "bipartite"])
def test_survives(which, two_graphs, padded, relation):
    graph = {"padded": padded, "unpadded": ga.graphs.prepare(two_graphs), "bipartite": relation}[
        which
    ]
    for name, result in transformations(graph).items():
        assert type(result) is PreparedGraph, name
        assert jax.tree.structure(result) == jax.tree.structure(graph), name
        jax.tree.map(np.testing.assert_array_equal, result, graph)
        ga.graphs.validate(result)
    shapes = jax.eval_shape(lambda g: g, graph)
    assert ga.graphs.num_nodes(shapes) == ga.graphs.num_nodes(graph)


def test_vmap_over_stacked_batches(two_graphs):
    parts = [two_graphs, *ga.graphs.unbatch(two_graphs)]
    batches = [ga.graphs.pad(part, BUDGET, block_size=3) for part in parts]
    stacked = jax.tree.map(lambda *x: np.stack(x), *batches)

    def f(graph):
        x = graph.nodes[:, None]
        return attend(x, ga.graphs.pattern(graph)), ga.graphs.edge_mask(graph), graph.layout.blocks

    got = jax.vmap(f)(stacked)
    want = jax.tree.map(lambda *x: np.stack(x), *map(f, batches))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, want)


def test_gradients_pass_through_the_features(two_graphs):
    graph = ga.graphs.prepare(two_graphs)
    gradient = jax.grad(lambda g: (g.nodes[g.senders] ** 2).sum(), allow_int=True)(graph)
    assert type(gradient) is PreparedGraph
    want = jax.grad(lambda x: (x[two_graphs.senders] ** 2).sum())(two_graphs.nodes)
    np.testing.assert_array_equal(gradient.nodes, want)


def test_leaves_are_called_by_their_fields(padded):
    names = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(padded)]
    assert names[:7] == [f".{name}" for name in padded._fields]
    assert ".layout.node_mask" in names


def test_one_budget_is_one_compilation(rng):
    graphs = [
        ga.testing.random_graph(seed, 2 + seed % 7, 2, 3, edge_width=1, undirected=True)
        for seed in range(20)
    ]
    budget = ga.graphs.estimate_budget(graphs, 4)
    batches = list(ga.graphs.batches_to_budget(graphs, budget, block_size=8))
    assert len(batches) > 2
    assert len({jax.tree.structure(batch) for batch in batches}) == 1
    assert len({tuple(np.shape(x) for x in jax.tree.leaves(batch)) for batch in batches}) == 1
    traces = []

    @jax.jit
    def f(graph):
        traces.append(None)
        return attend(graph.nodes[:, None], ga.graphs.pattern(graph))

    for batch in batches:
        f(batch)
    assert len(traces) == 1
    with pytest.raises(ValueError, match="block_size must be at least 8"):
        list(ga.graphs.batches_to_budget(graphs, budget, block_size=5))


# jraph takes it as any other graph.


def test_jraph_functions_take_it(two_graphs, padded):
    graph = ga.graphs.prepare(two_graphs)
    assert type(jraph.batch([graph, graph])) is ga.graphs.GraphsTuple
    assert [len(g.nodes) for g in jraph.unbatch(graph)] == [3, 2]
    jax.tree.map(np.testing.assert_array_equal, jraph.unpad_with_graphs(padded), two_graphs)
    np.testing.assert_array_equal(jraph.get_node_padding_mask(padded), padded.layout.node_mask)
    network = jraph.GraphNetwork(
        update_edge_fn=lambda edges, senders, receivers, _: edges + senders - receivers,
        update_node_fn=lambda nodes, sent, received, _: nodes + sent + received,
        update_global_fn=lambda nodes, edges, g: nodes + edges + g,
    )
    want = network(two_graphs)
    for result in (network(graph), jax.jit(network)(graph)):
        assert type(result) is ga.graphs.GraphsTuple
        jax.tree.map(np.testing.assert_array_equal, result, want)
    embedded = jraph.GraphMapFeatures(embed_node_fn=lambda nodes: 2 * nodes)(padded)
    assert type(embedded) is PreparedGraph and embedded.layout is padded.layout


# New features keep it, another structure drops it.


@pytest.mark.parametrize("field", ["nodes", "edges", "globals"])
def test_features_keep_the_layout(padded, field):
    for value in (None, {"x": getattr(padded, field)}):
        new = padded._replace(**{field: value})
        assert type(new) is PreparedGraph and new.layout is padded.layout
        assert getattr(new, field) is value
    assert padded._replace(senders=padded.senders).layout is padded.layout


@pytest.mark.parametrize("field", STRUCTURE)
def test_structure_drops_the_layout(two_graphs, padded, field):
    for graph, kind in (
        (ga.graphs.prepare(two_graphs), ga.graphs.GraphsTuple),
        (padded, ga.graphs.PaddedGraphsTuple),
    ):
        value = getattr(graph, field).copy()
        new = graph._replace(**{field: value, "nodes": None})
        assert type(new) is kind
        assert getattr(new, field) is value and new.nodes is None


def test_unknown_fields_and_other_ways_to_a_wrong_layout(padded):
    with pytest.raises(ValueError, match=r"no fields \['layout', 'node'\], only nodes, edges"):
        padded._replace(node=1, layout=padded.layout)
    for make in (PreparedGraph._make, lambda fields: PreparedGraph(*fields)):
        with pytest.raises(ValueError, match=r"not made from fields.*ga\.graphs\.prepare"):
            make(padded)
    assert padded.__replace__(nodes=None).layout is padded.layout
    with pytest.raises(AttributeError, match="immutable, got a new layout"):
        padded.layout = None


READERS = {
    "pattern": ga.graphs.pattern,
    "num_nodes": ga.graphs.num_nodes,
    "node_mask": ga.graphs.node_mask,
    "edge_mask": ga.graphs.edge_mask,
    "graph_mask": ga.graphs.graph_mask,
    "node_graph_ids": ga.graphs.node_graph_ids,
    "in_degree": ga.graphs.in_degree,
    "validate": ga.graphs.validate,
}


def wrong_layouts(graph):
    fewer_nodes = ga.graphs.prepare(ga.graphs.from_edge_list([0] * 5, [1] * 5, num_nodes=4))
    fewer_edges = ga.graphs.prepare(ga.graphs.from_edge_list([0] * 4, [1] * 4, num_nodes=5))
    one_graph = ga.graphs.prepare(ga.graphs.from_edge_list([0] * 5, [1] * 5, num_nodes=5))
    layout = graph.layout
    yield from (other.layout for other in (fewer_nodes, fewer_edges, one_graph))
    yield dataclasses.replace(layout, edges=fewer_nodes.layout.edges)
    yield dataclasses.replace(layout, edge_mask=fewer_edges.layout.edge_mask)
    yield dataclasses.replace(layout, node_mask=fewer_nodes.layout.node_mask)
    yield dataclasses.replace(layout, graph_mask=one_graph.layout.graph_mask)
    yield dataclasses.replace(layout, node_graph_ids=fewer_nodes.layout.node_graph_ids)
    yield dataclasses.replace(layout, reverse=fewer_edges.layout.reverse)
    yield dataclasses.replace(layout, reverse=None)
    yield dataclasses.replace(layout, blocks=ga.ops.prepare_blocks(np.zeros(4, int), 1, 4))


@pytest.mark.parametrize(
    ("reader", "traced"),
    [(name, traced) for name in READERS for traced in (False, True) if (name, traced) != ("validate", True)],
)  # fmt: skip
def test_a_layout_of_other_sizes_is_refused(two_graphs, reader, traced):
    read = READERS[reader]
    graph = ga.graphs.prepare(two_graphs)
    for layout in wrong_layouts(graph):
        wrong = prepared(two_graphs, layout)
        with pytest.raises(ValueError, match=r"the layout of another one, with .* edges from"):
            jax.eval_shape(lambda g: read(g) and None, wrong) if traced else read(wrong)
    by_hand = tuple.__new__(PreparedGraph, tuple(graph._replace(nodes=np.zeros((6, 1)))))
    by_hand.__dict__["layout"] = graph.layout
    with pytest.raises(ValueError, match=r"the layout of another one|nodes must have 5 rows"):
        read(by_hand)


def test_new_nodes_of_another_number_are_refused(padded):
    with pytest.raises(ValueError, match="the layout of another one"):
        ga.graphs.pattern(padded._replace(nodes=padded.nodes[:5]))


# What is refused.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_node": np.array([2, 2])}, "nodes must have 4 rows, the sum of n_node"),
        ({"n_node": np.array([6, -1])}, "n_node must not be negative"),
        ({"n_edge": np.array([3, 3])}, "senders has 5 ids, but n_edge adds up to 6"),
        ({"n_edge": np.array([5])}, r"n_edge must have shape \[2\]"),
        ({"receivers": np.zeros(4, int)}, "receivers has 4 ids"),
        ({"senders": np.zeros(5)}, "senders must be integer ids"),
        ({"senders": np.full(5, 5)}, r"senders must lie in \[0, 5\)"),
        ({"globals": np.zeros((3, 1))}, "globals must have 2 rows"),
    ],
)
def test_sizes_that_do_not_fit(two_graphs, change, message):
    with pytest.raises(ValueError, match=message):
        ga.graphs.prepare(two_graphs._replace(**change))


def test_other_errors(two_graphs, padded, relation):
    with pytest.raises(ValueError, match="prepare runs on the host and got a traced graph"):
        jax.jit(ga.graphs.prepare)(two_graphs)
    with pytest.raises(ValueError, match="graph must be a GraphsTuple, got dict"):
        ga.graphs.prepare({})
    with pytest.raises(ValueError, match=r"block_size must be at least 3, .* got 2"):
        ga.graphs.prepare(two_graphs, block_size=2)
    with pytest.raises(ValueError, match="block_size must be a positive integer"):
        ga.graphs.prepare(two_graphs, block_size=0)
    with pytest.raises(ValueError, match="one set of nodes, got a NodePair"):
        ga.graphs.prepare(relation, block_size=20)
    with pytest.raises(ValueError, match="degree_blocks follow from the degrees"):
        ga.graphs.prepare(padded, degree_blocks=True)
    assert ga.graphs.prepare(two_graphs, degree_blocks=True).layout.edges.degree_blocks is not None


def test_blocks_hold_every_real_node_once(padded):
    blocks = padded.layout.blocks
    assert blocks.node.shape == (4, 3)
    filled = blocks.node[blocks.node < 9]
    assert sorted(filled) == np.flatnonzero(padded.layout.node_mask).tolist()
    for i, row in enumerate(blocks.node):
        assert (padded.layout.node_graph_ids[row[row < 9]] == i).all()


# Bipartite graphs.


def test_masked_edges_take_no_part(relation, rng):
    real = relation.layout.edge_mask
    alone = ga.graphs.bipartite(
        relation.senders[real],
        relation.receivers[real],
        sender_nodes=relation.nodes.senders,
        receiver_nodes=relation.nodes.receivers,
    )
    query, key = (rng.normal(size=(n, 2, 3)).astype(np.float32) for n in (4, 7))
    attention = jax.jit(lambda g: ga.ops.edge_attention(query, key, key, ga.graphs.pattern(g)))
    got, want = attention(relation), attention(alone)
    np.testing.assert_allclose(got.out, want.out, rtol=1e-6, atol=1e-6)
    assert not got.attention.weights[~real].any()
    np.testing.assert_allclose(got.attention.weights[real], want.attention.weights, rtol=1e-6)
    for degree in (ga.graphs.in_degree, ga.graphs.out_degree):
        for run in (degree, jax.jit(degree)):
            np.testing.assert_array_equal(run(relation), degree(alone))
    edges = ga.graphs.pattern(relation)
    assert edges.is_bipartite and (edges.num_senders, edges.num_rows) == (7, 4)
    plain = ga.graphs.pattern(ga.graphs.GraphsTuple(*alone))
    assert plain.is_bipartite and (plain.num_senders, plain.num_rows) == (7, 4)


def test_rows_are_those_of_the_receivers(relation):
    assert ga.graphs.num_nodes(relation) == 4
    assert ga.graphs.node_mask(relation).tolist() == [True] * 4
    assert ga.graphs.node_graph_ids(relation).tolist() == [0] * 4
    assert ga.graphs.graph_mask(relation).tolist() == [True]
    assert ga.graphs.edge_mask(relation).sum() == 7


def test_blocks_of_one_size_share_a_compilation(rng):
    graphs = [
        ga.graphs.bipartite(
            rng.integers(0, 6, 8),
            rng.integers(0, high, 8),
            sender_nodes=np.zeros((6, 1)),
            receiver_nodes=np.zeros((3, 1)),
            edge_mask=np.arange(8) < real,
        )
        for high, real in ((3, 8), (1, 3), (2, 0))
    ]
    assert len({jax.tree.structure(graph) for graph in graphs}) == 1
    assert len({tuple(map(np.shape, jax.tree.leaves(graph))) for graph in graphs}) == 1


def test_bipartite_takes_what_from_edge_list_takes():
    graph = ga.graphs.bipartite(
        [0, 2], [1, 1], sender_nodes=[[1.0]] * 3, receiver_nodes={"x": [[1, 2]] * 2}, edges=[[1.5], [2.5]]
    )  # fmt: skip
    assert graph.nodes.receivers["x"].dtype == graph.senders.dtype == np.int32
    assert graph.edges.dtype == np.float32
    empty = ga.graphs.bipartite(
        [], [], sender_nodes=np.ones((2, 1)), receiver_nodes=np.ones((0, 1))
    )
    assert ga.graphs.pattern(empty).num_senders == 2 and ga.graphs.num_nodes(empty) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"senders": [0, 3]}, r"senders must lie in \[0, 3\) for 3 nodes, got 3"),
        ({"receivers": [2, 0]}, r"receivers must lie in \[0, 2\) for 2 nodes, got 2"),
        ({"receivers": [0]}, "receivers has 1 ids, but n_edge adds up to 2"),
        ({"senders": [0.5, 1.0]}, "senders must be integer ids"),
        ({"edges": np.ones((3, 1))}, "edges must have 2 rows"),
        ({"sender_nodes": {"a": np.ones((3, 1)), "b": np.ones((2, 1))}}, "nodes.senders.* 3 rows"),
        ({"sender_nodes": None}, "nodes.senders must be features with a row per node"),
        ({"receiver_nodes": None}, "receiver_nodes must be features with a row per node"),
        ({"edge_mask": np.array([1, 0])}, "edge_mask must be boolean"),
        ({"edge_mask": np.array([True])}, r"edge_mask must have shape \[2\]"),
    ],
)
def test_bipartite_errors(change, message):
    arguments = {
        "senders": [0, 2],
        "receivers": [1, 1],
        "sender_nodes": np.ones((3, 1)),
        "receiver_nodes": np.ones((2, 1)),
    } | change
    with pytest.raises(ValueError, match=message):
        ga.graphs.bipartite(
            arguments.pop("senders"), arguments.pop("receivers"), **arguments
        )  # fmt: skip


def test_the_mask_of_a_bipartite_graph_is_not_lost(relation):
    with pytest.raises(ValueError, match="says which edges are real, and does not fit others"):
        relation._replace(senders=relation.senders.copy())
    with pytest.raises(ValueError, match="the nodes of a bipartite graph are a NodePair"):
        relation._replace(nodes=relation.nodes.receivers)
    graph = ga.graphs.prepare(ga.graphs.from_edge_list([0], [1], nodes=np.ones((2, 1))))
    with pytest.raises(ValueError, match="the nodes of a bipartite graph are a NodePair"):
        graph._replace(nodes=ga.graphs.NodePair(graph.nodes, graph.nodes))
    for field in ("edges", "globals"):
        assert relation._replace(**{field: None}).layout is relation.layout
    new = relation._replace(nodes=relation.nodes._replace(receivers=np.ones((4, 9))))
    assert new.layout is relation.layout


# Every function of the package, with prepared and with bipartite graphs.

FUNCTIONS = {
    "add_expander": lambda g: ga.graphs.add_expander(g, 2),
    "add_reverse_edges": ga.graphs.add_reverse_edges,
    "add_self_loops": ga.graphs.add_self_loops,
    "add_virtual_node": ga.graphs.add_virtual_node,
    "all_pairs": ga.graphs.all_pairs,
    "batch": lambda g: ga.graphs.batch([g, g]),
    "batches_to_budget": lambda g: list(ga.graphs.batches_to_budget([g], BUDGET)),
    "coalesce": ga.graphs.coalesce,
    "edge_graph_ids": ga.graphs.edge_graph_ids,
    "edge_mask": ga.graphs.edge_mask,
    "estimate_budget": lambda g: ga.graphs.estimate_budget([g], 2),
    "exphormer_pattern": ga.graphs.exphormer_pattern,
    "fill_ratio": ga.graphs.fill_ratio,
    "graph_mask": ga.graphs.graph_mask,
    "has_self_loops": ga.graphs.has_self_loops,
    "in_degree": ga.graphs.in_degree,
    "is_undirected": ga.graphs.is_undirected,
    "node_graph_ids": ga.graphs.node_graph_ids,
    "node_mask": ga.graphs.node_mask,
    "is_padded": ga.graphs.is_padded,
    "num_edges": ga.graphs.num_edges,
    "num_graphs": ga.graphs.num_graphs,
    "num_nodes": ga.graphs.num_nodes,
    "out_degree": ga.graphs.out_degree,
    "pad": lambda g: ga.graphs.pad(g, BUDGET),
    "prepare": ga.graphs.prepare,
    "remove_self_loops": ga.graphs.remove_self_loops,
    "edge_subgraph": lambda g: ga.graphs.edge_subgraph(g, np.ones(ga.graphs.num_edges(g), bool)),
    "subgraph": lambda g: ga.graphs.subgraph(g, np.ones(ga.graphs.num_nodes(g), bool)),
    "take": lambda g: ga.graphs.take(g, [0]),
    "to_dense": ga.graphs.to_dense,
    "to_networkx": lambda g: nx_data(ga.graphs.to_networkx(g)),
    "to_pyg_data": ga.graphs.to_pyg_data,
    "to_scipy_sparse": lambda g: ga.graphs.to_scipy_sparse(g).toarray(),
    "transpose": ga.graphs.transpose,
    "unbatch": ga.graphs.unbatch,
}
# their results carry the layout
THEMSELVES = {"blocks", "clusters_of", "pattern", "to_host", "unpad", "validate", "with_clusters"}
OTHERS = {
    "bipartite",
    "bucket",
    "check_schema",
    "fit_columns",
    "number_triples",
    "parse_ntriples",
}  # no graph goes in
TYPED = {
    *("cells", "node_groups", "relation_ends", "schema_of"),  # see test_typed.py
    *("metapath_features", "metapath_labels", "metapath_positives", "metapath_walks", "metapaths"),
    *("sample_metapaths", "schema_metapaths", "to_pyg_hetero", "to_typed_networkx"),
}
SHARDED = {"halo_rows", "is_shard", "shard", "with_halo"}  # see test_shards.py
BIPARTITE = {
    "coalesce", "edge_graph_ids", "edge_mask", "graph_mask", "in_degree", "is_padded", "node_graph_ids", "node_mask",
    "num_edges", "num_graphs", "num_nodes", "out_degree", "prepare", "to_dense", "to_scipy_sparse",
}  # fmt: skip


def nx_data(graph):
    return sorted((u, v, float(x["features"][0])) for u, v, x in graph.edges(data=True))


def test_the_table_has_every_function():
    functions = {
        name
        for name in ga.graphs.__all__
        if callable(getattr(ga.graphs, name)) and name[0].islower() and not name.startswith("from_")
    }
    assert functions == set(FUNCTIONS) | THEMSELVES | OTHERS | TYPED | SHARDED


@pytest.mark.parametrize("name", FUNCTIONS)
def test_prepared_graphs_give_what_plain_ones_give(name, two_graphs, assert_same):
    graph = ga.graphs.unbatch(two_graphs)[0] if name == "to_networkx" else two_graphs
    f = FUNCTIONS[name]
    assert_same(f(ga.graphs.prepare(graph)), f(graph))
    assert_same(f(jax.device_put(ga.graphs.prepare(graph, block_size=3))), f(jax.device_put(graph)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bipartite_graphs_are_taken_or_refused(name, relation):
    """Those with as many senders as receivers too, which would run through as graphs of one set."""
    square = ga.graphs.bipartite(
        [0, 2, 2], [1, 1, 2], sender_nodes=np.ones((3, 1)), receiver_nodes=np.ones((3, 1))
    )
    for graph in (square, ga.graphs.GraphsTuple(*square)):
        if name in BIPARTITE:
            FUNCTIONS[name](graph)
            continue
        with pytest.raises(
            ValueError, match=r"one set of nodes, got a bipartite one \(a NodePair\)"
        ):
            FUNCTIONS[name](graph)
    if name in ("coalesce", "to_dense", "to_scipy_sparse"):
        with pytest.raises(ValueError, match=f"{name} got a padded graph"):
            FUNCTIONS[name](relation)


def test_matrices_and_merged_edges_of_a_bipartite_graph(relation):
    graph = ga.graphs.bipartite(
        [6, 0, 6, 6], [0, 3, 0, 1], sender_nodes=np.ones((7, 1)), receiver_nodes=np.ones((4, 1)),
        edges=np.arange(4.0),
    )  # fmt: skip
    want = np.zeros((4, 7), np.float32)
    np.add.at(want, (graph.receivers, graph.senders), 1)
    np.testing.assert_array_equal(ga.graphs.to_dense(graph), want)
    np.testing.assert_array_equal(ga.graphs.to_scipy_sparse(graph).toarray(), want)
    merged = ga.graphs.coalesce(graph)
    assert merged.senders.tolist() == [6, 0, 6] and merged.receivers.tolist() == [0, 3, 1]
    assert merged.edges.tolist() == [2, 1, 3]
    assert ga.graphs.prepare(merged).layout.is_bipartite
    for good in (graph, merged, relation):
        assert ga.graphs.validate(good) is good
    with pytest.raises(ValueError, match=r"senders must lie in \[0, 7\)"):
        ga.graphs.validate(graph._replace(senders=graph.senders + 1))
