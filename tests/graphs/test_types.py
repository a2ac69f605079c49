import pickle

import jax
import jraph
import numpy as np
import pytest

import graphattn_jax as ga


@pytest.fixture
def padded():
    graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=[[1.0], [2.0]])
    return ga.graphs.PaddedGraphsTuple(*jraph.pad_with_graphs(graph, 4, 4, 2))


def test_is_the_type_of_jraph():
    assert ga.graphs.GraphsTuple is jraph.GraphsTuple


def test_padded_type_survives_transformations(padded):
    assert isinstance(padded, ga.graphs.GraphsTuple)
    for result in (
        jax.jit(lambda g: g)(padded),
        jax.tree.map(lambda x: x, padded),
        padded._replace(nodes=None),
        padded._replace(senders=padded.receivers),
        jax.device_put(padded),
        jax.eval_shape(lambda g: g, padded),
        pickle.loads(pickle.dumps(padded)),
    ):
        assert type(result) is ga.graphs.PaddedGraphsTuple


def test_padded_type_has_no_fields_of_its_own(padded):
    assert padded._fields == ga.graphs.GraphsTuple._fields
    with pytest.raises(AttributeError):
        padded.note = 1


def test_padded_and_unpadded_differ_as_pytrees(padded):
    plain = ga.graphs.GraphsTuple(*padded)
    assert jax.tree.structure(plain) != jax.tree.structure(padded)


def test_sizes_are_static_under_jit(padded):
    sizes = []

    @jax.jit
    def f(graph):
        sizes.append(
            (ga.graphs.num_nodes(graph), ga.graphs.num_edges(graph), ga.graphs.num_graphs(graph))
        )
        return graph.nodes

    f(padded)
    assert sizes == [(4, 4, 2)]


def test_num_nodes_without_features():
    graph = ga.graphs.from_edge_list([0], [1], num_nodes=7)
    assert ga.graphs.num_nodes(graph) == 7
    assert ga.graphs.num_nodes(jax.device_put(graph)) == 7
    with pytest.raises(ValueError, match="no node features, so its number of nodes is not static"):
        jax.jit(lambda g: np.ones(ga.graphs.num_nodes(g)))(graph)


def test_host_functions_refuse_traced_graphs_and_other_types():
    graph = ga.graphs.from_edge_list([0], [1])
    with pytest.raises(ValueError, match="validate runs on the host and got a traced graph"):
        jax.jit(ga.graphs.validate)(graph)
    with pytest.raises(ValueError, match="graph must be a GraphsTuple, got dict"):
        ga.graphs.validate({"senders": [0]})


@pytest.mark.parametrize("field", ["senders", "receivers", "n_node", "n_edge"])
def test_ids_beyond_int32_are_not_wrapped(field):
    graph = ga.graphs.from_edge_list([0], [0])
    wide = graph._replace(**{field: getattr(graph, field).astype(np.int64) + 2**32})
    for function in (ga.graphs.validate, ga.graphs.add_self_loops, ga.graphs.prepare):
        with pytest.raises(ValueError, match=f"{field} holds .* which int32 does not hold"):
            function(wide)
    with pytest.raises(ValueError, match=f"{field} of graph 1 holds .* which int32 does not hold"):
        ga.graphs.batch([graph, wide])
