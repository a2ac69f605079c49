import numpy as np
import pytest

import graphattn_jax as ga

pytest.importorskip("rdkit", reason="rdkit, of the extra 'chem'")

BENZENE, CYCLOHEXANE, PYRIDINE = "c1ccccc1", "C1CCCCC1", "c1ccncc1"


def parts(smiles, fractions):
    return [ids.tolist() for ids in ga.data.scaffold_split(smiles, fractions=fractions)]


def test_a_scaffold_is_on_one_side(rng):
    rings = [BENZENE, CYCLOHEXANE, PYRIDINE, "C1CC1", "C1CCC1", "C1CCCC1", ""]
    smiles = ["C" * int(rng.integers(1, 4)) + rng.choice(rings) for _ in range(60)]
    split = ga.data.scaffold_split(smiles)
    np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(60))
    scaffolds = np.array(ga.chem.murcko_scaffolds(smiles))
    train, val, test = (set(scaffolds[ids]) for ids in split)
    assert not (train & val or train & test or val & test)
    assert {ids.dtype for ids in split} == {np.dtype(np.int32)}


def test_the_largest_scaffold_goes_first_wherever_it_is():
    smiles = [PYRIDINE, CYCLOHEXANE, BENZENE, "C" + CYCLOHEXANE, "CC" + CYCLOHEXANE]
    assert parts(smiles, (0.6, 0.2, 0.2)) == [[1, 3, 4], [2], [0]]


def test_a_group_that_does_not_fit_goes_on_and_smaller_ones_fill_the_gap():
    smiles = [BENZENE, "C" + BENZENE, CYCLOHEXANE, "C" + CYCLOHEXANE, PYRIDINE]
    assert parts(smiles, (0.6, 0.4, 0.0)) == [[2, 3, 4], [0, 1], []]


def test_molecules_without_rings_are_one_scaffold():
    assert parts(["C", "CC", BENZENE, "CCC"], (0.75, 0.25, 0.0)) == [[0, 1, 3], [2], []]


def test_no_molecules_and_wrong_fractions():
    assert parts([], (0.8, 0.1, 0.1)) == [[], [], []]
    with pytest.raises(ValueError, match="fractions must be"):
        ga.data.scaffold_split(["C"], fractions=(0.8, 0.1))
    with pytest.raises(ValueError, match="smiles must be a sequence"):
        ga.data.scaffold_split("CCO")
