import json
import math

import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)
KINDS = (nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph)


@st.composite
def nx_graphs(draw, kind):
    n = draw(st.integers(1, 5))
    graph = kind(score=2.5, name="left out")
    graph.add_nodes_from(("n", i) for i in range(n))
    pairs = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=8))
    graph.add_edges_from((("n", u), ("n", v), {"w": float(k)}) for k, (u, v) in enumerate(pairs))
    for i, node in enumerate(graph):
        graph.nodes[node].update(mass=float(i), position=np.array([i, -i], np.float32))
    return graph


def edges_of(graph):
    key = (lambda u, v: (u, v)) if graph.is_directed() else (lambda u, v: tuple(sorted((u, v))))
    return sorted((key(u, v), float(w)) for u, v, w in graph.edges(data="w"))


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind):
    @given(there=nx_graphs(kind))
    @deterministic
    def check(there):
        graph = ga.graphs.from_networkx(there)
        back = ga.graphs.to_networkx(graph, labels=list(there), directed=there.is_directed())
        assert list(back) == list(there)
        assert back.is_directed() == there.is_directed()
        assert edges_of(back) == edges_of(there)
        for node in there:
            assert back.nodes[node]["mass"] == there.nodes[node]["mass"]
            assert back.nodes[node]["position"] == there.nodes[node]["position"].tolist()
        assert back.graph == {"score": 2.5}
        if not there.is_directed():
            assert ga.graphs.is_undirected(graph)
            assert not ga.graphs.to_networkx(graph).is_directed()

    check()


def test_undirected_edges_come_in_both_directions_and_loops_once():
    there = nx.Graph([("b", "a"), ("a", "c"), ("c", "c")])
    graph = ga.graphs.from_networkx(there)
    assert graph.senders.tolist() == [0, 1, 2, 1, 2]
    assert graph.receivers.tolist() == [1, 2, 2, 0, 1]
    assert graph.nodes is None and graph.edges is None and graph.globals is None


def test_parallel_edges_choose_the_kind():
    graph = ga.graphs.from_edge_list([0, 0], [1, 1])
    assert type(ga.graphs.to_networkx(graph)) is nx.MultiDiGraph
    both = ga.graphs.add_reverse_edges(graph)
    back = ga.graphs.to_networkx(both)
    assert type(back) is nx.MultiGraph and back.number_of_edges() == 2
    assert type(ga.graphs.to_networkx(both, directed=True)) is nx.MultiDiGraph


def test_features_that_differ_by_direction_stay_directed():
    graph = ga.graphs.from_edge_list([0, 1], [1, 0], edges=[1.0, 2.0])
    assert ga.graphs.to_networkx(graph).is_directed()
    equal = graph._replace(edges=np.array([3.0, 3.0]))
    assert dict(ga.graphs.to_networkx(equal).edges) == {(0, 1): {"features": 3.0}}


def test_named_attributes():
    there = nx.path_graph(3)
    nx.set_node_attributes(there, {0: 1, 1: 2, 2: 3}, "kind")
    nx.set_node_attributes(there, {0: "red"}, "color")
    graph = ga.graphs.from_networkx(there, node_attrs="kind")
    assert graph.nodes.tolist() == [1, 2, 3] and graph.nodes.dtype == np.int32
    assert list(ga.graphs.from_networkx(there).nodes) == ["kind"]
    assert ga.graphs.from_networkx(there, node_attrs=()).nodes is None
    with pytest.raises(ValueError, match="attribute 'color' is missing in row 1 of nodes"):
        ga.graphs.from_networkx(there, node_attrs=("kind", "color"))
    nx.set_node_attributes(there, "red", "color")
    with pytest.raises(ValueError, match="color must hold numbers"):
        ga.graphs.from_networkx(there, node_attrs=("color",))


def test_well_known_graph():
    graph = ga.graphs.from_networkx(nx.karate_club_graph())
    assert graph.n_node.tolist() == [34] and graph.n_edge.tolist() == [2 * 78]
    assert list(graph.edges) == ["weight"] and graph.nodes is None  # "club" is a string


def test_empty_graph():
    graph = ga.graphs.from_networkx(nx.DiGraph())
    assert graph.n_node.tolist() == [0]
    assert ga.graphs.to_networkx(graph, directed=True).number_of_nodes() == 0


def test_errors(two_graphs):
    path = ga.graphs.unbatch(two_graphs)[0]
    with pytest.raises(ValueError, match="takes one graph, got a batch of 2"):
        ga.graphs.to_networkx(two_graphs)
    with pytest.raises(ValueError, match="labels must be 3 distinct values"):
        ga.graphs.to_networkx(path, labels=["a", "b", "a"])
    with pytest.raises(ValueError, match="directed=False needs a reverse"):
        ga.graphs.to_networkx(path, directed=False)
    with pytest.raises(ValueError, match="apply to_networkx before pad"):
        ga.graphs.to_networkx(ga.graphs.pad(path, ga.graphs.Budget.for_graph(path)))


@given(
    kinds=st.lists(st.sampled_from(["none", "loop", "pair", "no nodes"]), min_size=1, max_size=5)
)
@deterministic
def test_graphs_without_edges_or_nodes_in_a_batch(kinds):
    """They have no attributes to see, and go with graphs that have some; in any order."""
    graphs = []
    for kind in kinds:
        graph = nx.DiGraph()
        if kind != "no nodes":
            graph.add_nodes_from([0, 1], mass=[1, 2])
        if kind in ("loop", "pair"):
            graph.add_edge(0, 1 if kind == "pair" else 0, w=3, v=[0.5, 1.5])
        graphs.append(ga.graphs.from_networkx(graph))
    batch = ga.graphs.batch(graphs)
    ga.graphs.validate(batch)
    count = sum(kind in ("loop", "pair") for kind in kinds)
    if count:
        assert batch.edges["w"].tolist() == [3] * count and batch.edges["w"].dtype == np.int32
        assert batch.edges["v"].tolist() == [[0.5, 1.5]] * count
    else:
        assert batch.edges is None
    assert [graph.n_edge.tolist() for graph in ga.graphs.unbatch(batch)] == [
        graph.n_edge.tolist() for graph in graphs
    ]


def test_named_attributes_of_no_edges_in_a_batch():
    with_edge, without = nx.DiGraph([(0, 1, {"w": 3})]), nx.empty_graph(2)
    graphs = [ga.graphs.from_networkx(graph, edge_attrs="w") for graph in (without, with_edge)]
    assert ga.graphs.batch(graphs).edges.tolist() == [3]
    assert ga.graphs.batch(graphs[::-1]).edges.dtype == np.int32


def test_names_that_are_no_strings():
    there = nx.path_graph(2)
    nx.set_node_attributes(there, 1.5, "mass")
    nx.set_node_attributes(there, 7, 1)
    nx.set_edge_attributes(there, 2, ("a", 1))
    graph = ga.graphs.from_networkx(there)
    assert sorted(graph.nodes) == ["1", "mass"] and graph.nodes["1"].tolist() == [7, 7]
    assert list(graph.edges) == ["('a', 1)"]
    ga.graphs.pad(ga.graphs.batch([graph, graph]), ga.graphs.Budget(8, 8, 3))
    nx.set_node_attributes(there, 7, "1")
    with pytest.raises(ValueError, match="two attributes are called '1'"):
        ga.graphs.from_networkx(there)


def test_numbers_beyond_int32_are_not_left_out():
    there = nx.path_graph(2)
    nx.set_node_attributes(there, 2**40, "id")
    with pytest.raises(ValueError, match="id holds 1099511627776"):
        ga.graphs.from_networkx(there)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.uint64, bool, jnp.bfloat16])
@pytest.mark.parametrize("shape", [(), (2,), (2, 1)])
def test_json_takes_the_attributes(dtype, shape):
    def rows(n):
        return np.arange(n * math.prod(shape)).reshape(n, *shape).astype(dtype)

    graph = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=rows(3), edges={"w": rows(2)})
    there = ga.graphs.to_networkx(graph._replace(globals=rows(1)))
    back = nx.node_link_graph(json.loads(json.dumps(nx.node_link_data(there))))
    assert [x["features"] for _, x in back.nodes(data=True)] == rows(3).tolist()
    assert [x["w"] for *_, x in back.edges(data=True)] == rows(2).tolist()
    assert back.graph["features"] == rows(1).tolist()[0]
