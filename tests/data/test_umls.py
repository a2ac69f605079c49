"""UMLS, and small files of its form."""

import gzip

import numpy as np
import pytest
from _folders import data_folder

import graphattn_jax as ga

PARTS = {
    "train": "a\tis\tb\nb\tis\tc\na\thas\tc\n",
    "valid": "a\tis\tc\n",
    "test": "d\thas\tb\n",
}


def write(folder, **parts):
    (folder / "umls").mkdir(exist_ok=True)
    for name, text in (PARTS | parts).items():
        if name == "test":
            (folder / "umls" / f"{name}.txt").write_text(text)
        else:
            (folder / "umls" / f"{name}.txt.gz").write_bytes(gzip.compress(text.encode()))


def test_reads_links(tmp_path, monkeypatch):
    monkeypatch.delenv("GRAPHATTN_DATA", raising=False)
    write(tmp_path)
    data = ga.data.load("umls", root=tmp_path)
    assert repr(data) == "LinkDataset('umls': 4 nodes, 2 relations, 3 + 1 + 1 links)"
    assert data.node_names == ("a", "b", "c", "d")
    assert [x.tolist() for x in data.test] == [[3], [1], [1]]
    names = [name for _, name, _ in ga.graphs.schema_of(data.graph).relations]
    assert names == ["is", "has", "rev_is", "rev_has"]
    assert data.graph.senders.tolist() == [0, 1, 0, 1, 2, 2]
    index = ga.links.index_links(data.graph)
    assert ga.links.is_known(index, data.train).all()
    assert not ga.links.is_known(index, data.test).any()


def test_a_corrupted_file_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv("GRAPHATTN_DATA", raising=False)
    write(tmp_path, valid="a\tis\n")
    with pytest.raises(ValueError, match=r"valid\.txt\.gz is corrupted.*line 1 is not head"):
        ga.data.load_umls(root=tmp_path)
    write(tmp_path, valid="a\tlikes\tb\n")
    with pytest.raises(ValueError, match=r"train\.txt\.gz is corrupted.*relation likes is in"):
        ga.data.load_umls(root=tmp_path)


@pytest.mark.data
def test_the_real_set():
    data = ga.data.load_umls(root=data_folder("typed/umls/train.txt.gz"))
    assert repr(data) == "LinkDataset('umls': 135 nodes, 46 relations, 5,216 + 652 + 661 links)"
    index = ga.links.index_links(data.graph)
    assert not ga.links.is_known(index, data.val).any()
    assert not ga.links.is_known(index, data.test).any()
    assert len(np.unique(np.stack(data.train), axis=1).T) == 5216
