import pytest
from _formats import write_heterophilous

import graphattn_jax as ga


def test_unknown_name_lists_the_names():
    with pytest.raises(ValueError, match=r"name must be one of 'digits', 'cora', .*; got 'karate'"):
        ga.data.load("karate")


def test_loads_by_name(tmp_path):
    write_heterophilous(tmp_path / "squirrel_filtered.npz")
    data = ga.data.load("squirrel-filtered", root=tmp_path)
    assert data.name == "squirrel-filtered"
    assert len(data.splits) == 2


def test_docstring_lists_every_name():
    from graphattn_jax.data._load import _LOADERS

    assert len(_LOADERS) == 14
    for name in _LOADERS:
        assert f'"{name}"' in ga.data.load.__doc__
