import numpy as np
import pytest
from _folders import data_folder
from _formats import write_csv

import graphattn_jax as ga

pytest.importorskip("rdkit", reason="rdkit, of the extra 'chem'")

HEADER = ("split", "smiles", "num_atoms", "y")
ROWS = (
    ("test", "CCO", 3, 0.5),
    ("train_sub", "c1cc[nH]c1", 5, -1.25),
    ("val", "C[NH3+]", 2, 2.0),
    ("train_sub", "C[C@H](F)Cl", 4, 1.0),
)


def test_reads_molecules_targets_and_parts(tmp_path):
    write_csv(tmp_path / "graph/zinc/zinc12k_rebuilt.csv.gz", HEADER, *ROWS)
    data = ga.data.load_zinc(root=tmp_path)
    assert data.labels.tolist() == [0.5, -1.25, 2.0, 1.0]
    assert (data.task, data.metric, data.num_outputs) == ("regression", "mae", 1)
    assert [ids.tolist() for ids in data.splits[0]] == [[1, 3], [2], [0]]
    assert data.smiles == ("CCO", "c1cc[nH]c1", "C[NH3+]", "C[C@H](F)Cl")
    assert data.graphs.n_node.tolist() == [3, 5, 2, 4]
    assert data.graphs.n_edge.tolist() == [4, 10, 2, 6]
    assert ga.graphs.take(data.graphs, [3]).nodes[:, 0].tolist() == [0, 4, 3, 6]
    assert data.graphs.edges.shape == (22, 1)


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (HEADER, ("dev", "CC", 2, 0.0), "row 4 has split 'dev'"),
        (HEADER, ("val", "CC", 2, "many"), "column y: could not convert"),
        (HEADER, ("val", "C1C", 2, 0.0), r"1 of 5 smiles cannot be read, by position: 4: 'C1C'"),
        (HEADER, ("val", "C[Si]", 2, 0.0), "outside of 'zinc'"),
        (HEADER, ("val", "CC"), "row 4 has 2 cells for 4 columns"),
        (("split", "text", "n", "y"), ROWS[0], "it lacks smiles and has split, text, n, y"),
    ],
)
def test_wrong_content_names_the_file(tmp_path, header, row, message):
    write_csv(tmp_path / "zinc12k_rebuilt.csv.gz", header, *ROWS, row)
    with pytest.raises(ValueError, match=message) as caught:
        ga.data.load_zinc(root=tmp_path)
    assert "zinc12k_rebuilt.csv.gz" in str(caught.value)


def test_damaged_file_is_named(tmp_path):
    path = tmp_path / "zinc12k_rebuilt.csv.gz"
    write_csv(path, HEADER, *ROWS)
    content = path.read_bytes()
    for damaged in (b"", content[:20], content[:-4], b"no archive", content[:-6] + b"123456"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"zinc12k_rebuilt\.csv\.gz is corrupted"):
            ga.data.load_zinc(root=tmp_path)


def test_absent_file_says_what_to_provide(tmp_path, monkeypatch):
    monkeypatch.delenv("GRAPHATTN_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"columns split \(train_sub, .*GRAPHATTN_DATA"):
        ga.data.load_zinc(root=tmp_path)


@pytest.mark.data
def test_real_set():
    data = ga.data.load_zinc(root=data_folder("graph/zinc/zinc12k_rebuilt.csv.gz"))
    assert [len(ids) for ids in data.splits[0]] == [10_000, 1000, 1000]
    assert data.graphs.n_node.shape == (12_000,)
    assert ga.graphs.num_nodes(data.graphs) == 277_754
    assert np.isfinite(data.labels).all() and abs(data.labels.mean()) < 0.05
    assert np.bincount(data.graphs.edges[:, 0]).argmax() == 1
    assert data.graphs.nodes.max() == 16  # the rarer types of the whole pool are not in it
