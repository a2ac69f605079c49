"""Typed graphs from triples and N-Triples."""

import numpy as np
import pytest

from graphattn_jax import graphs

DOCUMENT = """
# people
<http://a> <http://knows> <http://b> .
<http://b>\t<http://knows>\t<http://a> . # mutual
_:x <http://name> "say \\"hi\\" . twice"@en .
_:x <http://age> "3"^^<http://int> .
"""


def test_lines_of_an_n_triples_document():
    triples = graphs.parse_ntriples(DOCUMENT.splitlines())
    assert triples.subjects.tolist() == [0, 1, 2, 2]
    assert triples.objects.tolist() == [1, 0, 3, 4]
    assert triples.relation_names == ("<http://knows>", "<http://name>", "<http://age>")
    assert triples.node_names[3] == '"say \\"hi\\" . twice"@en'
    with pytest.raises(ValueError, match=r"line 2 is not an N-Triple: '<a> <b> .'"):
        graphs.parse_ntriples(["<a> <b> <c> .", "<a> <b> ."])
    with pytest.raises(ValueError, match="triple 0 must be"):
        graphs.number_triples(["abc"])


@pytest.mark.parametrize("reverse", [True, False])
def test_a_relation_between_several_types_is_several_relations(reverse):
    triples = ([0, 1, 2], [0, 0, 1], [1, 2, 0])
    graph = graphs.from_triples(
        triples,
        node_types=[1, 0, 1],
        type_names=("plant", "animal"),
        relation_names=("eats", "sees"),
        nodes=np.eye(3, dtype=np.float32),
        reverse=reverse,
    )
    schema = graphs.schema_of(graph)
    assert schema.relations[:3] == (
        ("plant", "eats", "animal"),
        ("animal", "eats", "plant"),
        ("animal", "sees", "animal"),
    )
    assert len(schema.relations) == (6 if reverse else 3)
    assert graph.edges.relation[:3].tolist() == [1, 0, 2]
    assert graph.senders[:3].tolist() == [0, 1, 2]
    assert graph.nodes.index.tolist() == [0, 0, 1] and graph.nodes.counts == (1, 2)
    graphs.prepare(graph)  # checks that edges fit their relations
    if reverse:
        assert graph.senders[3:].tolist() == [1, 2, 0]
        assert schema.reverses == (3, 4, 5, 0, 1, 2)


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match=r"objects must lie in \[0, 2\)"):
        graphs.from_triples(([0], [0], [2]), num_nodes=2)
    with pytest.raises(ValueError, match="relations must have shape"):
        graphs.from_triples(([0, 1], [0], [0, 1]))
    with pytest.raises(ValueError, match=r"ids of relation_names must lie in \[0, 1\)"):
        graphs.from_triples(([0], [1], [0]), relation_names=("only",))
