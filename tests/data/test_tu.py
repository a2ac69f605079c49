import numpy as np
import pytest
from _folders import data_folder
from _formats import TU_TEXT, write_tu

import graphattn_jax as ga
from graphattn_jax.data._sources import SOURCES


@pytest.mark.parametrize("packed", [False, True])
def test_reads_graphs_tags_labels_and_folds(tmp_path, packed):
    write_tu(tmp_path, packed=packed)
    data = ga.data.load_tu("mutag", root=tmp_path)
    path, edge, single = ga.graphs.unbatch(data.graphs)
    np.testing.assert_array_equal(path.nodes, [[1, 0, 0], [0, 1, 0], [1, 0, 0]])
    np.testing.assert_array_equal(edge.nodes, [[0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(single.nodes, [[1, 0, 0]])
    np.testing.assert_array_equal(ga.graphs.to_dense(path), [[0, 1, 1], [1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(ga.graphs.to_dense(edge), [[0, 1], [1, 0]])
    assert (single.n_node.tolist(), single.n_edge.tolist()) == ([1], [0])
    assert data.labels.tolist() == [1, 0, 1] and data.num_outputs == 2  # of -1 and 1
    assert len(data.splits) == 10
    assert [ids.tolist() for ids in data.splits[0]] == [[0, 2], [], [1]]
    assert [ids.tolist() for ids in data.splits[2]] == [[1, 2], [], [0]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("3\n3 1", "4\n3 1", "graph 3 must begin with a line"),
        ("3\n3 1", "2\n3 1", "2 graphs end at line 8 of 10"),
        ("3\n3 1", "3 1\n3 1", "first line must be the number of its graphs"),
        ("3 1\n5 2", "2 1\n5 2", "graph 1 must begin with a line"),
        ("3 1\n5 2", "4 1\n5 2", "must begin with|must be 'tag degree'|graphs end"),
        ("5 2 1 2", "5 3 1 2", "must be 'tag degree' and as many neighbours"),
        ("5 0\n", "5\n", "must be 'tag degree' and as many neighbours"),
        ("5 2 1 2", "5 2 1 3", "a neighbour is not a node of its graph"),
        ("5 2 1 2", "5 2 1 -1", "a neighbour is not a node of its graph"),
        ("7 1 0", "x 1 0", "invalid literal"),
        (TU_TEXT, "", "first line must be"),
        ("3\n3 1", "-3\n3 1", "first line must be"),
        ("3\n3 1", "999999999999\n3 1", "first line must be"),
    ],
)
def test_wrong_content_names_the_file(tmp_path, old, new, message):
    write_tu(tmp_path, text=TU_TEXT.replace(old, new, 1))
    with pytest.raises(ValueError, match=message) as caught:
        ga.data.load_tu("mutag", root=tmp_path)
    assert "MUTAG.txt" in str(caught.value)


def test_damaged_archive_and_fold(tmp_path):
    write_tu(tmp_path, packed=True)
    path = tmp_path / "MUTAG" / "MUTAG.txt.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(ValueError, match=r"MUTAG.txt.gz is corrupted, truncated"):
        ga.data.load_tu("mutag", root=tmp_path)
    path.write_bytes(whole)
    (tmp_path / "MUTAG/10fold_idx/test_idx-4.txt").write_text("3\n")
    with pytest.raises(ValueError, match=r"test ids of .*MUTAG/10fold_idx must lie in \[0, 3\)"):
        ga.data.load_tu("mutag", root=tmp_path)


def test_unknown_name_and_public_homes():
    with pytest.raises(ValueError, match="name must be one of 'mutag', 'proteins', 'nci1'"):
        ga.data.load_tu("enzymes")
    for name in ("MUTAG", "PROTEINS", "NCI1"):
        for file in (f"{name}/{name}.txt", f"{name}/10fold_idx/test_idx-10.txt"):
            assert SOURCES[file].url.endswith(f"/data/{file}")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "num_graphs", "num_tags", "mean_nodes", "mean_edges", "counts"),
    [  # the statistics that Morris et al. publish
        ("mutag", 188, 7, 17.93, 19.79, [63, 125]),
        ("proteins", 1113, 3, 39.06, 72.82, [663, 450]),
        ("nci1", 4110, 37, 29.87, 32.30, [2053, 2057]),
    ],
)
def test_real_sets(name, num_graphs, num_tags, mean_nodes, mean_edges, counts):
    folder = data_folder(f"graph/tu/{name.upper()}")
    data = ga.data.load_tu(name, root=folder)
    assert np.bincount(data.labels).tolist() == counts
    assert data.graphs.nodes.shape[1] == num_tags
    assert round(float(data.graphs.n_node.mean()), 2) == mean_nodes
    assert round(float(data.graphs.n_edge.mean()) / 2, 2) == mean_edges
    assert ga.graphs.is_undirected(data.graphs) and not ga.graphs.has_self_loops(data.graphs)
    tested = np.concatenate([split.test for split in data.splits])
    assert len(np.unique(tested)) == len(tested) == num_graphs - num_graphs % 10
    file = folder / f"graph/tu/{name.upper()}/10fold_idx/train_idx-3.txt"
    np.testing.assert_array_equal(data.splits[2].train, np.sort(np.loadtxt(file, int)))
