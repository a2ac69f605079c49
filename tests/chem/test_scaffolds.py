import pytest

import graphattn_jax as ga

pytest.importorskip("rdkit", reason="rdkit, of the extra 'chem'")


def test_side_chains_go_and_linkers_stay():
    smiles = ["c1ccccc1", "Cc1ccc(O)cc1", "OC1CCCCC1", "c1ccccc1CCCc1ccccc1", "CCO", "[Na+]"]
    scaffolds = ga.chem.murcko_scaffolds(smiles)
    assert scaffolds == ["c1ccccc1", "c1ccccc1", "C1CCCCC1", "c1ccc(CCCc2ccccc2)cc1", "", ""]


def test_chirality_is_kept_on_request():
    mirror = ["C1CC[C@H]2CCCC[C@@H]2C1", "C1CC[C@H]2CCCC[C@H]2C1"]
    assert len(set(ga.chem.murcko_scaffolds(mirror))) == 1
    assert len(set(ga.chem.murcko_scaffolds(mirror, chirality=True))) == 2


def test_what_is_no_molecule_has_no_scaffold():
    assert ga.chem.murcko_scaffolds(["C1C", ""]) == ["", ""]
    assert ga.chem.murcko_scaffolds([]) == []
    with pytest.raises(ValueError, match="smiles must be a sequence"):
        ga.chem.murcko_scaffolds("c1ccccc1")
