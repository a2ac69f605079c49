import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

pytest.importorskip("rdkit", reason="rdkit, of the extra 'chem'")

ZINC_TYPES = [
    "C",
    "O",
    "N",
    "F",
    "CH1",
    "S",
    "Cl",
    "O-",
    "NH1+",
    "Br",
    "NH3+",
    "NH2+",
    "N+",
    "N-",
    "S-",
    "I",
    "P",
    "OH1+",
    "NH1-",
    "O+",
    "S+",
    "PH1",
    "PH2",
    "CH2-",
    "P+",
    "SH1+",
    "CH1-",
    "PH1+",
]


def slow_ogb(smiles):
    """Node rows, edge rows and ends, atom by atom, in OGB's words."""
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(smiles)
    chirality = ["CHI_UNSPECIFIED", "CHI_TETRAHEDRAL_CW", "CHI_TETRAHEDRAL_CCW", "CHI_OTHER"]
    hybridization = ["SP", "SP2", "SP3", "SP3D", "SP3D2"]
    bond_type = ["SINGLE", "DOUBLE", "TRIPLE", "AROMATIC"]
    stereo = ["STEREONONE", "STEREOZ", "STEREOE", "STEREOCIS", "STEREOTRANS", "STEREOANY"]

    def index(values, value):
        return values.index(value) if value in values else len(values)

    nodes = [
        [
            index(list(range(1, 119)), atom.GetAtomicNum()),
            index(chirality, str(atom.GetChiralTag())),
            index(list(range(11)), atom.GetTotalDegree()),
            index(list(range(-5, 6)), atom.GetFormalCharge()),
            index(list(range(9)), atom.GetTotalNumHs()),
            index(list(range(5)), atom.GetNumRadicalElectrons()),
            index(hybridization, str(atom.GetHybridization())),
            int(atom.GetIsAromatic()),
            int(atom.IsInRing()),
        ]
        for atom in molecule.GetAtoms()
    ]
    edges, ends = [], []
    for bond in molecule.GetBonds():
        row = [
            index(bond_type, str(bond.GetBondType())),
            stereo.index(str(bond.GetStereo())),
            int(bond.GetIsConjugated()),
        ]
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        edges += [row, row]
        ends += [(i, j), (j, i)]
    return nodes, edges, ends


CASES = [
    "C",
    "[Na+].[Cl-]",
    "Cl[C@H](/C=C/C)Br",
    "N[C@@H](C)C(=O)O",
    "c1ccccc1C#N",
    "C/C=C\\C",
    "[CH3]",
    "[O][O]",
    "FS(F)(F)(F)(F)F",
    "F[P-](F)(F)(F)(F)F",
    "CC=NO",
    "C[n+]1ccccc1.[I-]",
    "[U]",
    "[Fe+3]",
    "*C",
    "F[Pt@SP1](Cl)(Br)I",
    "C1CC1.O",
    "N->[Cu]",
    "[2H]C",
]


@pytest.mark.parametrize("smiles", CASES)
def test_ogb_features_are_the_slow_ones(smiles):
    graph = ga.chem.from_smiles(smiles)
    nodes, edges, ends = slow_ogb(smiles)
    np.testing.assert_array_equal(graph.nodes, nodes)
    np.testing.assert_array_equal(graph.edges, np.reshape(edges, (-1, 3)))
    np.testing.assert_array_equal(
        np.stack([graph.senders, graph.receivers], axis=1), np.reshape(ends, (-1, 2))
    )
    ga.graphs.validate(graph)
    assert graph.nodes.dtype == graph.edges.dtype == np.int32
    for columns, sizes in ((graph.nodes, "ATOM_SIZES"), (graph.edges, "BOND_SIZES")):
        sizes = getattr(ga.chem, sizes)["ogb"]
        assert columns.shape[1] == len(sizes)
        assert (columns >= 0).all() and (columns < sizes).all()


def test_ogb_values_stated_by_its_authors():
    graph = ga.chem.from_smiles("Cl[C@H](/C=C/C)Br")
    assert graph.nodes[1].tolist() == [5, 2, 4, 5, 1, 0, 2, 0, 0]
    assert graph.edges[4].tolist() == graph.edges[5].tolist() == [1, 2, 0]


def test_a_list_is_the_batch_of_its_molecules():
    got = ga.chem.from_smiles_list(CASES)
    want = ga.graphs.batch([ga.chem.from_smiles(smiles) for smiles in CASES])
    for field in ga.graphs.GraphsTuple._fields:
        np.testing.assert_equal(getattr(got.graphs, field), getattr(want, field))
    assert got.rows.tolist() == list(range(len(CASES))) and got.skipped.tolist() == []


def test_atoms_without_bonds_and_an_empty_list():
    graph = ga.chem.from_smiles("[Na+]")
    assert (graph.n_node.tolist(), graph.n_edge.tolist()) == ([1], [0])
    assert graph.edges.shape == (0, 3)
    nothing = ga.chem.from_smiles_list([]).graphs
    assert nothing.nodes.shape == (0, 9) and nothing.n_node.shape == (0,)


def test_graph_does_not_depend_on_how_the_text_starts():
    one, other = ga.chem.from_smiles("OCC(=O)N"), ga.chem.from_smiles("NC(=O)CO")
    order = [4, 3, 1, 2, 0]  # of the second in the first: O C C O N
    np.testing.assert_array_equal(one.nodes, other.nodes[order])
    place = np.argsort(order)
    pairs = {tuple(e) for e in np.stack([one.senders, one.receivers], 1).tolist()}
    moved = np.stack([place[other.senders], place[other.receivers]], 1).tolist()
    assert pairs == {tuple(e) for e in moved}


@pytest.mark.parametrize(
    ("smiles", "types"),
    [
        ("CC(=O)N", "C C O N"),
        ("c1cc[nH]c1", "C C C N C"),
        ("C[NH3+]", "C NH3+"),
        ("C[C@H](F)Cl", "C CH1 F Cl"),
        ("F[C@](Cl)(Br)I", "F C Cl Br I"),
        ("C[N+](=O)[O-]", "C N+ O O-"),
        ("C[NH+](C)C", "C NH1+ C C"),
        ("C[NH2+]C", "C NH2+ C"),
        ("CP(C)C", "C P C C"),
        ("CPC", "C PH1 C"),
        ("CP", "C PH2"),
        ("C[S-]", "C S-"),
        ("[CH3][CH3]", "C C"),
        ("C[NH-]", "C NH1-"),
        ("C[SH+]C", "C SH1+ C"),
        ("C[PH+](C)C", "C PH1+ C C"),
        ("C[OH+]C", "C OH1+ C"),
        ("C[CH-]C", "C CH1- C"),
        ("C[CH2-]", "C CH2-"),
        ("[N-]=[N+]=N", "N- N+ N"),
        ("C[O+](C)C", "C O+ C C"),
        ("C[S+](C)C", "C S+ C C"),
        ("C[P+](C)(C)C", "C P+ C C C"),
    ],
)
def test_zinc_atom_types(smiles, types):
    graph = ga.chem.from_smiles(smiles, features="zinc")
    assert [ZINC_TYPES[i] for i in graph.nodes[:, 0]] == types.split()


def test_zinc_bonds_alternate_in_aromatic_rings():
    graph = ga.chem.from_smiles("c1ccccc1C#N", features="zinc")
    kinds = graph.edges[::2, 0]
    assert np.bincount(kinds).tolist() == [0, 4, 3, 1]
    ring = kinds[[0, 1, 2, 3, 4, 7]]  # the bond that closes the ring is written last
    assert sorted(ring.tolist()) == [1, 1, 1, 2, 2, 2]
    assert ga.chem.ATOM_SIZES["zinc"] == (28,) and ga.chem.BOND_SIZES["zinc"] == (4,)
    assert len(ZINC_TYPES) == 28


def test_what_cannot_be_read_is_listed_or_skipped(capfd):
    smiles = ["CO", "C1C", "", "N", "not a molecule"]
    with pytest.raises(ValueError, match=r"3 of 5 smiles cannot be read, by position: 1: 'C1C' "):
        ga.chem.from_smiles_list(smiles)
    graphs, rows, skipped = ga.chem.from_smiles_list(smiles, on_error="skip")
    assert rows.tolist() == [0, 3] and skipped.tolist() == [1, 2, 4]
    assert graphs.n_node.tolist() == [2, 1]
    with pytest.raises(ValueError, match="and 2 more"):
        ga.chem.from_smiles_list(["("] * 12)
    assert capfd.readouterr().err == ""


def test_atoms_and_bonds_outside_of_zinc():
    smiles = ["C[Si]", "CC", "N->[Cu]", "[Na+].[Cl-]", "CO"]
    message = re.escape("0: 'C[Si]' (has an atom or bond outside of 'zinc')")
    with pytest.raises(ValueError, match=message):
        ga.chem.from_smiles_list(smiles, features="zinc")
    graphs, rows, skipped = ga.chem.from_smiles_list(smiles, features="zinc", on_error="skip")
    assert rows.tolist() == [1, 4] and skipped.tolist() == [0, 2, 3]
    assert graphs.nodes[:, 0].tolist() == [0, 0, 0, 1]
    assert graphs.senders.tolist() == [0, 1, 2, 3]


def test_unusual_valence_is_taken_on_request():
    smiles = "CC(=O)O[AlH3](O)O"
    with pytest.raises(ValueError, match=r"strict_valence=False takes unusual valences"):
        ga.chem.from_smiles(smiles)
    graph = ga.chem.from_smiles(smiles, strict_valence=False)
    assert (graph.n_node.tolist(), graph.n_edge.tolist()) == ([7], [12])
    assert graph.nodes[4, :5].tolist() == [12, 0, 6, 5, 3]  # Al, no stereo, 6 bonds, neutral, 3 H
    with pytest.raises(ValueError, match="no molecule"):
        ga.chem.from_smiles("C1C", strict_valence=False)
    normal = ga.chem.from_smiles("c1ccccc1O", strict_valence=False)
    np.testing.assert_array_equal(normal.nodes, ga.chem.from_smiles("c1ccccc1O").nodes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("CO",), "smiles must be a sequence of strings, got str"),
        ((["CO", 3],), "smiles must be strings, got 3 at position 1"),
        ((np.array(["CO", b"CO"], object),), "smiles must be strings, got b'CO' at position 1"),
        ((np.array([["CO"]]),), r"smiles must be a sequence of strings, got .* of shape \(1, 1\)"),
        (({"CO": 1},), "smiles must be a sequence of strings, got dict"),
        (
            (["CO", None, float("nan")],),
            "2 of 3 smiles cannot be read, by position: 1: missing; 2: m",
        ),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ga.chem.from_smiles_list(*arguments)


class NAType:
    """As that of pandas, which answers no question about itself."""

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")

    __eq__ = __ne__ = lambda self, other: self
    __hash__ = None


class Column:
    """What a column of a data frame shows: rows with labels of their own."""

    def __init__(self, values):
        self.values, self.shape = values, (len(values),)

    def __array__(self, *_, **__):
        return np.array(self.values, object)

    def __len__(self):
        return len(self.values)

    def __iter__(self):
        return iter(self.values)

    def __getitem__(self, label):
        raise KeyError(label)


@pytest.mark.parametrize("kind", [list, lambda x: np.array(x, object), Column])
def test_columns_of_tables(kind):
    rows = ["CO", None, "CC", float("nan"), NAType(), np.float32("nan"), "C1C"]
    smiles = kind(rows)
    graphs, read, skipped = ga.chem.from_smiles_list(smiles, on_error="skip")
    assert graphs.n_node.tolist() == [2, 2]
    assert read.tolist() == [0, 2] and skipped.tolist() == [1, 3, 4, 5, 6]
    message = re.escape("1: missing; 3: missing; 4: missing; 5: missing; 6: 'C1C' (no molecule)")
    with pytest.raises(ValueError, match=message):
        ga.chem.from_smiles_list(smiles)
    with pytest.raises(
        ValueError, match=r"4 of 7 smiles are missing, by position: 1, 3, 4, 5\. Fix"
    ):
        ga.chem.murcko_scaffolds(smiles)
    assert ga.chem.murcko_scaffolds(kind(["CO", "c1ccccc1C"])) == ["", "c1ccccc1"]
    counts = ga.chem.predict(lambda graph: graph.n_node[:, None], smiles, on_error="skip")
    np.testing.assert_array_equal(counts[:, 0], [2, np.nan, 2, *[np.nan] * 4])


@given(rows=st.lists(st.sampled_from(["CO", "C", "C1C", None, float("nan"), NAType()]), max_size=6))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_what_is_skipped_is_what_cannot_be_read(rows):
    graphs, read, skipped = ga.chem.from_smiles_list(Column(rows), on_error="skip")
    good = [i for i, row in enumerate(rows) if isinstance(row, str) and row != "C1C"]
    assert read.tolist() == good
    assert skipped.tolist() == [i for i in range(len(rows)) if i not in good]
    assert graphs.n_node.tolist() == [len(rows[i]) for i in good]


def test_arrays_of_strings():
    assert ga.chem.from_smiles_list(np.array(["CO", "CCC"])).graphs.n_node.tolist() == [2, 3]


def test_wrong_options():
    with pytest.raises(ValueError, match="features must be one of 'ogb', 'zinc'; got 'rdkit'"):
        ga.chem.from_smiles("CO", features="rdkit")
    with pytest.raises(ValueError, match="on_error must be one of 'raise', 'skip'"):
        ga.chem.from_smiles_list(["CO"], on_error="ignore")
    with pytest.raises(ValueError, match="smiles must be a string, got list"):
        ga.chem.from_smiles(["CO"])


def test_without_rdkit_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rdkit", None)
    with pytest.raises(ImportError, match=r"pip install rdkit"):
        ga.chem.from_smiles("CO")
