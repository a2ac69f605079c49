import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga

pytest.importorskip("rdkit", reason="rdkit, of the extra 'chem'")

SMILES = ["CCO", "C", "[Na+].[Cl-]", "c1ccccc1", "CC(=O)O"]
ATOMS = [3, 1, 2, 6, 4]
BONDS = [2, 0, 0, 6, 3]


def count(graph):
    """Atoms by way of the nodes and the layout, bonds by way of the graph."""
    layout = graph.layout
    atoms = jax.ops.segment_sum(
        layout.node_mask.astype(jnp.int32), layout.node_graph_ids, graph.n_node.shape[0]
    )
    return jnp.stack([atoms, graph.n_edge // 2], axis=1)


@pytest.mark.parametrize("batch_size", [1, 2, 256])
def test_rows_come_in_the_order_of_the_list(batch_size):
    got = ga.chem.predict(count, SMILES, batch_size=batch_size)
    assert got.dtype == np.float32 and isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, np.stack([ATOMS, BONDS], axis=1))


def test_one_string_is_a_list_of_one():
    np.testing.assert_array_equal(ga.chem.predict(count, "CCO"), [[3, 2]])


def test_what_cannot_be_read_is_a_row_of_nan_or_an_error():
    smiles = ["C1C", "CCO", "no molecule", "C", ""]
    got = ga.chem.predict(count, smiles, on_error="skip")
    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(got, [nan, [3, 2], nan, [1, 0], nan])
    with pytest.raises(ValueError, match=r"3 of 5 smiles cannot be read, by position: 0: 'C1C'"):
        ga.chem.predict(count, smiles)
    with pytest.raises(ValueError, match="0: 'C1C'"):
        ga.chem.predict(count, "C1C")


def test_nothing_to_predict():
    assert ga.chem.predict(count, []).shape == (0, 2)
    got = ga.chem.predict(count, ["C1C"], on_error="skip")
    np.testing.assert_array_equal(got, [[np.nan, np.nan]])


def test_batches_and_similar_calls_share_a_compilation():
    traces = []

    def traced(graph):
        traces.append(graph.n_node.shape)
        return count(graph)

    got = ga.chem.predict(traced, ["CCCO", "CCCN"] * 50, batch_size=16)
    np.testing.assert_array_equal(got, [[4, 3]] * 100)
    ga.chem.predict(traced, ["CCCO"] * 28 + ["CCO"] * 4, batch_size=16)
    assert len(traces) == 1


def test_encode_adds_what_the_model_needs():
    def encode(graphs):
        walks = ga.encodings.rwse(graphs, 3)
        return graphs._replace(nodes={"atoms": graphs.nodes, "walks": walks})

    def model(graph):
        x = graph.nodes["walks"] + graph.nodes["atoms"][:, :1].astype(jnp.float32)
        return ga.models.pool(graph._replace(nodes=x), "sum")

    def alone(smiles):
        graph = ga.chem.from_smiles(smiles)
        return (ga.encodings.rwse(graph, 3) + graph.nodes[:, :1]).sum(axis=0)

    got = ga.chem.predict(model, SMILES, encode=encode, batch_size=2)
    np.testing.assert_allclose(got, np.stack([alone(s) for s in SMILES]), rtol=1e-5)
    assert ga.chem.predict(model, [], encode=encode).shape == (0, 3)


def test_a_model_of_embeddings_layers_and_pooling():
    keys = jax.random.split(jax.random.key(0), 3)
    layer, pool = ga.attention.GATv2(4, 2), ga.models.AttentionPool(heads=2)
    params = (
        ga.nn.init_embedding(keys[0], ga.chem.ATOM_SIZES["zinc"], 8),
        layer.init(keys[1], 8),
        pool.init(keys[2], 8),
    )

    def model(graph):
        graph = graph._replace(nodes=ga.nn.embedding(params[0], graph.nodes))
        return pool.apply(params[2], layer.apply(params[1], graph).graph).features

    smiles = ["CC(=O)N", "C", "c1cc[nH]c1"]
    together = ga.chem.predict(model, smiles, features="zinc")
    alone = np.concatenate([ga.chem.predict(model, s, features="zinc") for s in smiles])
    assert (alone[[0, 2]] != 0).all() and (alone[1] == 0).all()  # nothing attends to methane
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_global_attention_takes_one_block_per_molecule():
    embedding = ga.nn.init_embedding(jax.random.key(0), ga.chem.ATOM_SIZES["ogb"], 8)
    layer = ga.attention.GlobalAttention(4, 2)
    params = layer.init(jax.random.key(1), 8)
    shapes = []

    def model(graph):
        shapes.append((graph.layout.graph_mask.shape[0], graph.layout.blocks.node.shape))
        graph = graph._replace(nodes=ga.nn.embedding(embedding, graph.nodes))
        graph = layer.apply(params, graph).graph
        return ga.models.pool(graph, "sum")

    smiles = ["CCO", "C", "[Na+].[Cl-]", "c1ccc(cc1)CCO"]
    together = ga.chem.predict(model, smiles)
    (num_graphs, blocks), *_ = shapes
    assert blocks == (num_graphs, 16)  # phenylethanol has 9 atoms
    alone = np.concatenate([ga.chem.predict(model, s) for s in smiles])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_wrong_results_and_arguments():
    with pytest.raises(ValueError, match=r"the result of fn must have shape \[\d, T\], got"):
        ga.chem.predict(lambda graph: graph.n_node, SMILES)
    with pytest.raises(ValueError, match=r"the result of fn must have shape"):
        ga.chem.predict(lambda graph: graph.nodes, SMILES)
    with pytest.raises(ValueError, match="batch_size must be a positive integer"):
        ga.chem.predict(count, SMILES, batch_size=0)
    with pytest.raises(ValueError, match="1 of 2 smiles cannot be read, by position: 1: missing"):
        ga.chem.predict(count, ["C", None])
