from pathlib import Path

import pytest
from _formats import write_am, write_heterophilous, write_tu

import graphattn_jax as ga


def test_unknown_name_lists_the_names():
    with pytest.raises(ValueError, match=r"name must be one of 'digits', 'cora', .*; got 'karate'"):
        ga.data.load("karate")


def test_loads_by_name(tmp_path):
    write_heterophilous(tmp_path / "squirrel_filtered.npz")
    data = ga.data.load("squirrel-filtered", root=tmp_path)
    assert data.name == "squirrel-filtered"
    assert len(data.splits) == 2


def test_loads_each_kind_by_name(tmp_path, monkeypatch):
    monkeypatch.delenv("GRAPHATTN_DATA", raising=False)
    write_tu(tmp_path, "NCI1")
    assert type(ga.data.load("nci1", root=tmp_path)) is ga.data.GraphDataset
    assert type(ga.data.load("csl", root=tmp_path)) is ga.data.GraphDataset
    write_am(tmp_path / "am.npz")
    assert type(ga.data.load("amsterdam-museum", root=tmp_path)) is ga.data.TypedNodeDataset
    with pytest.raises(FileNotFoundError, match=r"wordnet30\.npz"):
        ga.data.load("wordnet", root=tmp_path / "elsewhere")


def test_a_set_is_called_what_it_is_loaded_by(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHATTN_DATA", str(tmp_path))
    write_tu(tmp_path, "MUTAG")
    write_am(tmp_path / "am.npz")
    for name in ("mutag", "csl", "digits", "amsterdam-museum"):
        assert ga.data.load(name).name == name


def test_docstring_lists_every_name():
    from graphattn_jax.data._load import _LOADERS

    assert len(_LOADERS) == 30
    for name in _LOADERS:
        assert f'"{name}"' in ga.data.load.__doc__


def test_missing_packages_are_advised_by_names_that_an_index_has():
    for path in Path(ga.__file__).parent.rglob("*.py"):
        assert "graphattn-jax[" not in path.read_text(), path
