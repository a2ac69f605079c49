import numpy as np
import pytest
from _folders import data_folder
from _formats import write_csv, write_splits

import graphattn_jax as ga

pytest.importorskip("rdkit", reason="rdkit, of the extra 'chem'")

SMILES = ["C", "CC", "CO ", "c1ccccc1", "[Na+].[Cl-]", "CN", "C#N", "CF", "OO", "CC(=O)O[AlH3](O)O"]
RANDOM = ("random122", "random123", "random124")
TOX21 = (
    "NR-AR NR-AR-LBD NR-AhR NR-Aromatase NR-ER NR-ER-LBD NR-PPAR-gamma SR-ARE SR-ATAD5 SR-HSE "
    "SR-MMP SR-p53"
)


def write(root, folder, header, cells, names, **changes):
    rows = [(text, *cell) for text, cell in zip(SMILES, cells, strict=True)]
    write_csv(root / folder / f"{folder}.csv.gz", ("smiles", *header), *rows)
    write_splits(root / folder / "splits.npz", names, **changes)


def write_bbbp(root, labels=(0, 1) * 5, **changes):
    write(root, "BBBP", ("p_np",), [(label,) for label in labels], ("scaffold122",), **changes)


def test_regression(tmp_path):
    write(tmp_path, "FreeSolv", ("expt",), [(i / 2,) for i in range(10)], RANDOM)
    data = ga.data.load_moleculenet("freesolv", root=tmp_path)
    assert (data.task, data.metric, data.num_outputs) == ("regression", "rmse", 1)
    np.testing.assert_array_equal(data.labels, np.arange(10, dtype=np.float32) / 2)
    assert len(data.splits) == 3
    assert [ids.tolist() for ids in data.splits[2]] == [[0, 1, 2, 3, 4, 5], [6, 7], [9, 8]]
    assert data.smiles[2] == "CO"
    assert data.graphs.n_node.tolist() == [1, 2, 2, 6, 2, 2, 2, 2, 2, 7]
    assert data.graphs.nodes.shape == (28, 9) and data.graphs.edges.shape[1] == 3


def test_one_task_of_two_classes(tmp_path):
    write_bbbp(tmp_path)
    data = ga.data.load_moleculenet("bbbp", root=tmp_path)
    assert (data.task, data.metric, data.num_outputs) == ("multilabel", "roc_auc", 1)
    np.testing.assert_array_equal(data.labels, [[0], [1]] * 5)
    assert len(data.splits) == 1


def test_many_tasks_with_missing_labels(tmp_path):
    cells = [["0.0", "1.0", ""] * 4 for _ in SMILES]
    write(tmp_path, "Tox21", TOX21.split(), cells, RANDOM)
    data = ga.data.load_moleculenet("tox21", root=tmp_path)
    assert (data.num_outputs, data.labels.shape) == (12, (10, 12))
    np.testing.assert_array_equal(data.labels[0, :4], [0, 1, np.nan, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": (0, 1) * 4 + (0, 2)}, r"BBBP.csv.gz .*p_np must be 0, 1 or empty"),
        ({"labels": (0, 1) * 4 + (0, "yes")}, r"BBBP.csv.gz .*column p_np: could not convert"),
        (
            {"scaffold122_test": np.array([9, 10])},
            r"test ids of .*BBBP/splits.npz must lie in \[0, 10\)",
        ),
        ({"scaffold122_test": np.array([9, 0])}, r"a split of .*BBBP/splits.npz has a graph twice"),
        ({"scaffold122_test": np.array([9.0])}, "test ids of .*must be integer ids"),
    ],
)
def test_wrong_content_names_the_file(tmp_path, arguments, message):
    write_bbbp(tmp_path, **arguments)
    with pytest.raises(ValueError, match=message):
        ga.data.load_moleculenet("bbbp", root=tmp_path)


def test_absent_files_say_what_to_provide(tmp_path, monkeypatch):
    monkeypatch.delenv("GRAPHATTN_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"HIV/HIV.csv.gz .*columns smiles, HIV_active"):
        ga.data.load_moleculenet("hiv", root=tmp_path)
    write_bbbp(tmp_path)
    (tmp_path / "BBBP/splits.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"BBBP/splits.npz .*holds scaffold122_train, "):
        ga.data.load_moleculenet("bbbp", root=tmp_path)
    with pytest.raises(ValueError, match=r"name must be one of 'esol', .*; got 'qm9'"):
        ga.data.load_moleculenet("qm9")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "folder", "num_graphs", "shape", "sizes"),
    [
        ("esol", "ESOL", 1128, (1128,), [902, 113, 113]),
        ("freesolv", "FreeSolv", 642, (642,), [513, 64, 65]),
        ("bbbp", "BBBP", 2039, (2039, 1), [1631, 204, 204]),
        ("tox21", "Tox21", 7831, (7831, 12), [6264, 783, 784]),
        pytest.param(
            "hiv", "HIV", 41_127, (41_127, 1), [32_901, 4113, 4113], marks=pytest.mark.slow
        ),
    ],
)
def test_real_sets(name, folder, num_graphs, shape, sizes):
    data = ga.data.load_moleculenet(name, root=data_folder(f"graph/moleculenet/{folder}"))
    assert len(data.smiles) == len(data.graphs.n_node) == num_graphs
    assert data.labels.shape == shape
    assert [len(ids) for ids in data.splits[0]] == sizes
    assert np.isnan(data.labels).any() == (name == "tox21")
    assert (data.graphs.nodes < ga.chem.ATOM_SIZES["ogb"]).all()
    assert (data.graphs.edges < ga.chem.BOND_SIZES["ogb"]).all()
    if name in ("bbbp", "hiv"):
        for ours, published in zip(ga.data.scaffold_split(data.smiles), data.splits[0]):
            np.testing.assert_array_equal(ours, np.sort(published))
