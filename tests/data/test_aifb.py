"""AIFB, and a small file of its form."""

import gzip

import pytest
from _folders import data_folder

import graphattn_jax as ga

FACTS = "<p1> <in> <x> .\n<p2> <in> <x> .\n<p1> <wrote> <y> .\n"


def write(folder, facts=FACTS, people=("p1", "p2")):
    with gzip.open(folder / "aifb_stripped.nt.gz", "wt") as file:
        file.write(facts)
    for name, person, group in zip(("trainingSet", "testSet"), people, ("g2", "g1")):
        text = f"person\tid\tlabel_affiliation\n{person}\t1\t{group}\n"
        (folder / f"{name}.tsv").write_text(text)


def test_reads_facts_and_people(tmp_path):
    write(tmp_path)
    data = ga.data.load("aifb", root=tmp_path)
    assert data.relations == ("<in>", "<wrote>") and data.num_classes == 2
    assert data.labels.tolist() == [1, -1, 0, -1]
    assert data.splits[0].train.tolist() == [True, False, False, False]
    assert data.splits[0].test.tolist() == [False, False, True, False]
    schema = ga.graphs.schema_of(data.typed())
    assert len(schema.relations) == 4 and schema.types == ("0",)


def test_a_corrupted_file_is_said(tmp_path):
    write(tmp_path, facts="<p1> <in> .\n")
    with pytest.raises(ValueError, match="line 1 is not an N-Triple"):
        ga.data.load_aifb(root=tmp_path)
    write(tmp_path, people=("p1", "nobody"))
    with pytest.raises(ValueError, match=r"testSet\.tsv is corrupted.*nobody"):
        ga.data.load_aifb(root=tmp_path)


def test_the_real_set():
    data = ga.data.load_aifb(root=data_folder("typed/aifb/aifb_stripped.nt.gz"))
    assert repr(data) == (
        "TypedNodeDataset('aifb': 8,285 nodes, 29,043 edges, 0 features, 1 node type, 45 relations, "
        "4 classes, 1 split, accuracy)"
    )
    assert [int(mask.sum()) for mask in data.splits[0]] == [140, 0, 36]
