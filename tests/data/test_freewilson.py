import jax
import numpy as np
import optax
import pytest

import graphattn_jax as ga
from graphattn_jax.data._freewilson import _read

pytest.importorskip("rdkit", reason="rdkit, of the extra 'chem'")


def write(
    folder, molecules="CCO a\nCN b\n" + "C c\n" * 8, activities="Name,Act\nb,2.5\na,1.5\nc,0\n"
):
    (folder / "CHEMBL2321810.smi").write_text(molecules)
    (folder / "CHEMBL2321810_act.csv").write_text(activities)


def test_activities_are_found_by_name(tmp_path):
    write(tmp_path)
    data = _read(tmp_path, num_splits=2, seed=0)
    assert data.labels[:3].tolist() == [1.5, 2.5, 0.0]
    assert data.graphs.n_node[:2].tolist() == [3, 2]
    assert [len(ids) for ids in data.splits[1]] == [8, 1, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"molecules": "CCO\n"}, r"CHEMBL2321810.smi .*a molecule and its name"),
        ({"molecules": "CCO d\n"}, r"CHEMBL2321810_act.csv .*lacks the activity of d"),
        ({"activities": "Name,IC50\na,1\n"}, r"CHEMBL2321810_act.csv .*it lacks Act"),
        ({"activities": "Name,Act\na,high\n"}, r"CHEMBL2321810_act.csv .*column Act"),
    ],
)
def test_wrong_content_names_the_file(tmp_path, changes, message):
    write(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        _read(tmp_path, num_splits=1, seed=0)


def test_rdkit_without_its_contrib_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"CHEMBL2321810.smi does not exist"):
        _read(tmp_path, num_splits=1, seed=0)


@pytest.fixture(scope="module")
def data():
    """The set itself; a second to read."""
    return ga.data.load_freewilson()


def test_the_set_that_comes_with_rdkit(data):
    assert (len(data.labels), len(data.splits), data.metric) == (1017, 5, "rmse")
    assert data.labels.min() > 0 and data.labels.max() < 15
    for split in data.splits:
        np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(1017))
    assert (data.splits[0].test != data.splits[1].test).any()
    again = ga.data.load_freewilson(num_splits=1)
    np.testing.assert_array_equal(again.splits[0].test, data.splits[0].test)


def test_a_small_network_learns_from_it_and_predicts_from_text(data):
    train = data.splits[0].train[::20]
    mean, std = data.labels[train].mean(), data.labels[train].std()
    batch = data.take(train)
    graph = ga.graphs.pad(batch, ga.graphs.Budget.for_graph(batch))
    layer = ga.message_passing.GINE(16, edge_map=False)
    keys = jax.random.split(jax.random.key(0), 4)
    params = (
        ga.nn.init_embedding(keys[0], ga.chem.ATOM_SIZES["ogb"], 16),
        ga.nn.init_embedding(keys[1], ga.chem.BOND_SIZES["ogb"], 16),
        layer.init(keys[2], 16, 16),
        ga.nn.init_linear(keys[3], 16, 1),
    )

    def network(params, graph):
        atoms, bonds, gine, output = params
        graph = graph._replace(
            nodes=ga.nn.embedding(atoms, graph.nodes), edges=ga.nn.embedding(bonds, graph.edges)
        )
        graph = layer.apply(gine, graph).graph
        return mean + std * ga.nn.linear(output, ga.models.pool(graph, "mean"))

    def loss(params, graph, dropout_key):
        predictions = network(params, graph)[:, 0]
        return ga.losses.l2_loss(predictions, graph.globals, where=ga.graphs.graph_mask(graph))

    optimizer = optax.adam(2e-2)
    step = ga.training.make_train_step(loss, optimizer)
    state = ga.training.init_train_state(params, optimizer, jax.random.key(1))
    for _ in range(60):
        state, metrics = step(state, graph)
    assert metrics["loss"] < 0.75 * std**2

    def model(graph):
        return network(state.params, graph)

    predicted = ga.chem.predict(model, [data.smiles[i] for i in train])
    np.testing.assert_allclose(predicted, jax.jit(model)(graph)[: len(train)], atol=1e-4)
