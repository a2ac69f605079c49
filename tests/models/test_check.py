"""Categories, buckets and types out of range: refused on the host, NaN under jit, never another category."""

import re
from dataclasses import replace

import jax
import numpy as np
import pytest
from _networks import MOLECULES, NETWORKS, main_graph, ready

import graphattn_jax as ga
from graphattn_jax import attention, graphs, models, nn

SIZES, BONDS = (5, 3), (4,)
NETWORK = models.GPS(models.Inputs(nodes=SIZES, edges=BONDS), width=4, num_layers=1, pool=None)
GRAPH = ga.testing.random_graph(0, 6, 12, 1)._replace(
    nodes=np.zeros((6, 2), np.int32), edges=np.zeros((12, 1), np.int32)
)
PADDED = graphs.pad(GRAPH, graphs.Budget(8, 16, 3))
CALLS = 200


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_network_is_made_for_passes(name):
    network = NETWORKS[name].network
    network.check(ready(name, MOLECULES, None))
    network.check(ready(name, MOLECULES))


@pytest.mark.parametrize("name", ["gps-zinc", "exphormer", "grit", "graphormer"])
def test_atoms_and_bonds_by_name_in_every_network(name):
    network, graph = NETWORKS[name].network, ready(name, MOLECULES)
    wrong = np.full_like(MOLECULES[0].nodes["features"], 3)
    with pytest.raises(ValueError, match=r"column 1 of graph.nodes.* must lie in \[0, 3\)"):
        network.check(ready(name, [with_atoms(MOLECULES[0], wrong)]))
    bonds = MOLECULES[0]._replace(edges=np.full_like(MOLECULES[0].edges, 4))
    with pytest.raises(ValueError, match=r"column 0 of graph.edges.* must lie in \[0, 4\)"):
        network.check(ready(name, [bonds]))
    padding = ~np.asarray(graphs.node_mask(main_graph(graph)))
    network.check(jax.tree.map(lambda x: spoiled(x, padding), graph))


def with_atoms(molecule, features):
    return molecule._replace(nodes=molecule.nodes | {"features": features})


def spoiled(x, rows):
    """Integers of padding nodes far out of range."""
    is_ids = getattr(x, "shape", ())[:1] == rows.shape and x.ndim == 2 and x.dtype == np.int32
    return np.where(rows[:, None], 99, x) if is_ids else x


def test_any_category_out_of_range_is_refused_on_the_host_and_nan_under_jit():
    rng = np.random.default_rng(0)
    params, state = NETWORK.init(jax.random.key(0))
    run = jax.jit(lambda graph: NETWORK.apply(params, state, graph).prediction)
    columns = [("nodes", 0, 5, 6), ("nodes", 1, 3, 6), ("edges", 0, 4, 12)]
    for _ in range(CALLS):
        field, column, size, rows = columns[rng.integers(3)]
        # real rows come first, padding last
        row = int(rng.integers(0, len(getattr(PADDED, field))))
        value = int(rng.choice([rng.integers(0, size), size, -1, -size, 2**31 - 1, -(2**31)]))
        x = np.array(getattr(PADDED, field))
        x[row, column] = value
        graph = PADDED._replace(**{field: x})
        fine = 0 <= value < size or row >= rows
        assert np.isfinite(run(graph)[:6]).all() == fine
        if fine:
            NETWORK.check(graph)
            continue
        message = f"column {column} of graph.{field} must lie in [0, {size}) for {size} categories"
        for call in (NETWORK.check, lambda g: NETWORK.apply(params, state, g)):
            with pytest.raises(ValueError, match=re.escape(message)) as caught:
                call(graph)
            assert f"got {value} at position {row}" in str(caught.value)


def test_a_whole_data_set_at_once():
    data = graphs.batch([GRAPH] * 3)
    NETWORK.check(data)
    wrong = np.array(data.nodes)
    wrong[13, 1] = 3
    with pytest.raises(ValueError, match="got 3 at position 13"):
        NETWORK.check(data._replace(nodes=wrong))


def test_buckets_of_the_layers_inside():
    layer = attention.RelativeBias(attention.GATv2(4), num_buckets=3)
    network = models.PlainNetwork(2, (attention.GATv2(4), layer))
    graph = ga.testing.random_graph(0, 4, 5, 2)
    fine, wrong = (
        graph._replace(edges=nn.EdgeInputs(buckets=np.array([0, 1, 2, x, 0]))) for x in (2, 3)
    )
    network.check(fine)
    padded = graphs.pad(fine, graphs.Budget(6, 8, 2))
    buckets = np.where(graphs.edge_mask(padded), padded.edges.buckets, 7)
    network.check(padded._replace(edges=nn.EdgeInputs(buckets=buckets)))
    with pytest.raises(ValueError, match=r"buckets must lie in \[0, 3\) .* got 3 at position 3"):
        network.check(wrong)
    params, state = network.init(jax.random.key(0))
    run = jax.jit(lambda graph: network.apply(params, state, graph).prediction)
    assert np.isfinite(run(fine)).all() and np.isnan(run(wrong)).any()


def test_parts_that_check_something_else_are_left_alone():
    graph = ga.testing.random_graph(0, 4, 5, 2)
    network = models.LinkNetwork(
        models.PlainNetwork(2, (attention.GATv2(4),)), ga.links.DotProduct(), 4
    )
    network.check(graph)


def test_nodes_of_a_typed_graph_without_a_vector():
    graph = graphs.from_types({"page": 3}, {("page", "links", "page"): ([0, 1], [1, 2])})
    schema = graphs.schema_of(graph)
    layer = attention.HGT(heads=2, schema=schema)
    network = models.TypedNetwork(models.TypedInputs.of(graph), (layer,), width=4)
    network.check(graph)
    more = graph._replace(nodes=replace(graph.nodes, index=np.array([0, 1, 3])))
    arrays = network.init(jax.random.key(0))
    for call in (network.check, lambda g: network.apply(*arrays, g)):
        with pytest.raises(ValueError, match=r"index must lie in \[0, 3\) for 3 nodes of type"):
            call(more)


@pytest.mark.parametrize(
    "rows",
    [
        lambda ids: nn.table_rows(np.ones((7, 2), np.float32), ids),
        lambda ids: nn.table_rows(np.ones((7, 7, 2), np.float32), ids, ids),
        lambda ids: nn.embedding(nn.EmbeddingParams((np.ones((7, 2), np.float32),)), ids),
        lambda ids: attention.relative_bias(np.ones((7, 2), np.float32), ids),
        lambda ids: ga.encodings.graphormer_bias(
            ga.encodings.init_graphormer_bias(jax.random.key(0), 3, 2), ids
        ),
        lambda ids: ga.encodings.centrality(
            ga.encodings.init_centrality(jax.random.key(0), 5, 2), ids, ids
        ),
        lambda ids: ga.encodings.type_bias(
            ga.encodings.init_type_bias(jax.random.key(0), 7, 2),
            ids,
            np.arange(400),
            np.arange(400),
        ),
        lambda ids: ga.encodings.type_distance_bias(
            ga.encodings.init_type_distance_bias(jax.random.key(0), 1, 7, 2),
            np.zeros(400, int),
            np.arange(400),
            np.arange(400),
            ids,
        ),
        lambda ids: ga.losses.softmax_cross_entropy(np.ones((400, 7), np.float32), ids)[0],
    ],
)
def test_no_vocabulary_takes_an_id_for_another(rows):
    """400 ids at once; a loss, which is one number, has a bad one alone."""
    ids = np.random.default_rng(0).integers(-3, 11, 400).astype(np.int32)
    outside = (ids < 0) | (ids >= 7)
    found = np.asarray(jax.jit(rows)(ids))
    if found.ndim:
        np.testing.assert_array_equal(np.isnan(found).any(axis=1), outside)
    else:
        assert np.isnan(found) and np.isfinite(jax.jit(rows)(np.where(outside, 0, ids)))
    if "table_rows" not in rows.__code__.co_names:  # which leaves this to its callers
        with pytest.raises(ValueError, match=r"must lie in \[0, 7\)"):
            rows(ids)
