import numpy as np
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


def test_the_set_that_comes_with_rdkit():
    data = ga.data.load_freewilson()
    assert (len(data.labels), len(data.splits), data.metric) == (1017, 5, "rmse")
    assert data.labels.min() > 0 and data.labels.max() < 15
    for split in data.splits:
        np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(1017))
    assert (data.splits[0].test != data.splits[1].test).any()
    again = ga.data.load_freewilson(num_splits=1)
    np.testing.assert_array_equal(again.splits[0].test, data.splits[0].test)
