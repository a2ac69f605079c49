"""networkx multigraphs with types: there and back, names kept, and what is said of those without."""

import networkx as nx
import numpy as np
import pytest

from graphattn_jax import graphs
from graphattn_jax.graphs import from_typed_networkx, to_typed_networkx


def library():
    there = nx.MultiDiGraph()
    there.add_node("ada", type="author")
    there.add_node("notes", type="paper", features=[1.0, 2.0])
    there.add_node("bob", type="author")
    there.add_node("letters", type="paper", features=[3.0, 4.0])
    there.add_edge("ada", "notes", relation="writes", features=[1.0])
    there.add_edge("ada", "notes", relation="reads", features=[2.0])
    there.add_edge("notes", "letters", relation="cites", features=[3.0])
    there.add_edge("ada", "letters", relation="writes", features=[4.0])
    return there


def test_types_relations_and_labels():
    graph, labels = from_typed_networkx(library())
    schema = graphs.schema_of(graph)
    assert labels == {"author": ("ada", "bob"), "paper": ("notes", "letters")}
    assert schema.relations == (
        ("author", "writes", "paper"),
        ("author", "reads", "paper"),
        ("paper", "cites", "paper"),
    )
    assert graph.nodes.widths == (0, 2) and graph.nodes.features[2:].tolist() == [[1, 2], [3, 4]]
    assert graph.edges.features.tolist() == [[1], [4], [2], [3]]
    assert (graph.senders.tolist(), graph.receivers.tolist()) == ([0, 0, 0, 2], [2, 3, 2, 3])


def test_there_and_back(assert_same):
    there = library()
    graph, labels = from_typed_networkx(there)
    back = to_typed_networkx(graph, labels)
    assert dict(back.nodes(data=True)) == dict(there.nodes(data=True))

    def edges(g):
        return sorted((u, v, x["relation"], x["features"]) for u, v, x in g.edges(data=True))

    assert edges(back) == edges(there)
    again, names = from_typed_networkx(back)
    assert names == labels
    assert_same(again, graph)
    numbered = to_typed_networkx(graphs.subgraph(graph, np.array([False, True, True, True])))
    assert list(numbered) == [("author", 1), ("paper", 0), ("paper", 1)]


def test_other_names_of_attributes_and_reverses():
    there = nx.DiGraph([(0, 1, {"predicate": "knows"})])
    nx.set_node_attributes(there, "person", "kind")
    graph, labels = from_typed_networkx(there, node_type="kind", relation="predicate", reverse=True)
    assert graphs.schema_of(graph).reverses == (1, 0) and labels == {"person": (0, 1)}
    assert graph.nodes.features is None and graph.edges.features is None


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda g: g.to_undirected(), "graph must be directed"),
        (lambda g: {}, "graph must be a networkx graph, got dict"),
        (lambda g: g.add_node("eve"), "node 'eve' has no attribute 'type'"),
        (lambda g: g.add_edge("ada", "bob"), "edge 'ada' to 'bob' has no attribute 'relation'"),
        (lambda g: g.add_node("x", type="paper"), "'features' of type 'paper' is missing in row 2"),
        (lambda g: g.add_edge("bob", "notes", relation="reads"),
         "'features' of relation .*reads.* is missing in row 1"),
        (lambda g: g.add_edge("bob", "ada", relation="knows"), "an array for every relation"),
        (lambda g: g.remove_edges_from(list(g.edges)), "graph must have an edge"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(change, message):
    graph = library()
    changed = change(graph)
    with pytest.raises(ValueError, match=message):
        from_typed_networkx(graph if changed is None or isinstance(changed, int) else changed)
    typed, _ = from_typed_networkx(library())
    with pytest.raises(ValueError, match="labels must be different"):
        to_typed_networkx(typed, {"author": "ab", "paper": "ab"})
