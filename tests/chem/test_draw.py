import re
import xml.etree.ElementTree

import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.chem import _draw

pytest.importorskip("rdkit", reason="rdkit, of the extra 'chem'")

ACID = "CC(=O)O"  # atoms 0-1, 1=2, 1-3


def edges(pairs, num_atoms=4):
    senders, receivers = np.array(pairs, np.int32).reshape(-1, 2).T
    return ga.ops.Edges(senders, receivers, num_senders=num_atoms)


def draw(weights, pairs, smiles=ACID, **options):
    return ga.chem.draw_attention(smiles, np.array(weights, np.float32), edges(pairs), **options)


def ellipses(svg):
    """Fill colour per highlighted atom."""
    found = re.findall(r"<ellipse[^>]*class='atom-(\d+)'[^>]*fill:#(\w+)", svg)
    return {int(atom): colour for atom, colour in found}


def num_lines(svg):
    """Segments of arcs: the lines that belong to no atom and no bond."""
    return len(re.findall(r"<path d='M [^']*'[^>]*stroke-width:3", svg))


def test_an_atom_has_the_sum_of_what_it_sends_or_receives():
    # 0 sends 0.25 + 0.75 = 1, the largest; 1 sends 0.5; 2 and 3 nothing.
    weights, pairs = [0.25, 0.75, 0.5], [(0, 1), (0, 2), (1, 2)]
    svg = draw(weights, pairs, num_pairs=0)
    assert "atoms 0 to 1, " in svg
    colours = ellipses(svg)
    assert set(colours) == {0, 1}
    full = [int(colours[0][i : i + 2], 16) / 255 for i in (0, 2, 4)]
    np.testing.assert_allclose(full, _draw._ORANGE, atol=1 / 255)
    assert colours[1] != colours[0]
    received = draw(weights, pairs, num_pairs=0, atoms="receiver")
    assert "atoms 0 to 1.25, " in received
    assert set(ellipses(received)) == {1, 2}


def test_a_pair_has_the_mean_of_both_directions_and_duplicates_add_up():
    assert "pairs 0 to 0.4<" in draw([0.3, 0.5], [(0, 1), (1, 0)])
    assert "pairs 0 to 0.15<" in draw([0.3], [(0, 1)])
    assert "pairs 0 to 0.3<" in draw([0.3, 0.3], [(0, 1), (0, 1)])
    assert "pairs 0 to 0<" in draw([0.3], [(0, 0)])  # of an atom with itself: no pair


def test_heads():
    weights, pairs = [[0.2, 0.6], [0.4, 0.8]], [(0, 1), (1, 0)]
    for head, top in ((None, "0.5"), (0, "0.3"), (1, "0.7"), (-1, None), (2, None)):
        if top is None:
            with pytest.raises(ValueError, match="head must be"):
                draw(weights, pairs, head=head)
        else:
            assert f"pairs 0 to {top}<" in draw(weights, pairs, head=head)


def test_the_strongest_pairs_without_a_bond_are_arcs():
    pairs = [(0, 1), (0, 2), (3, 0), (2, 3), (2, 0)]
    weights = [0.9, 0.2, 0.8, 0.1, 0.4]
    between = np.zeros((4, 4))
    for (i, j), value in {(0, 1): 0.45, (0, 2): 0.3, (0, 3): 0.4, (2, 3): 0.05}.items():
        between[i, j] = between[j, i] = value
    bonds = np.array([[0, 1], [2, 1], [1, 3]])
    for count, want in ((0, []), (1, [[0, 3]]), (2, [[0, 2], [0, 3]])):
        assert _draw._strongest_others(between, bonds, count).tolist() == want
        assert num_lines(draw(weights, pairs, num_pairs=count)) == 24 * count
    assert len(_draw._strongest_others(between, bonds, 99)) == 3
    assert num_lines(draw(weights, pairs, num_pairs=99)) == 24 * 3


def test_the_scale_goes_from_white_to_full_in_equal_steps_of_lightness():
    for full in (_draw._ORANGE, _draw._BLUE):
        colours = np.array(_draw._colours(np.linspace(0, 2, 9), 2.0, full))
        np.testing.assert_allclose(colours[0], 1, atol=1e-6)
        np.testing.assert_allclose(colours[-1], full, atol=1e-6)
        linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
        lightness = np.cbrt(linear @ _draw._CONES.T) @ [0.2104542553, 0.7936177850, -0.0040720468]
        steps = np.diff(lightness)
        assert (steps < -0.02).all()
        np.testing.assert_allclose(steps, steps[0], atol=1e-4)
    np.testing.assert_allclose(_draw._colours(np.zeros(2), 0.0, _draw._BLUE), 1, atol=1e-6)


def test_renaming_the_atoms_moves_the_colours():
    from rdkit import Chem

    weights, pairs = [0.25, 0.75, 0.5], [(0, 1), (0, 2), (1, 3)]
    order = [3, 1, 0, 2]  # new atom i is old atom order[i]
    moved = Chem.RenumberAtoms(Chem.MolFromSmiles(ACID), order)
    place = np.argsort(order)
    got = ellipses(draw(weights, [tuple(place[list(pair)]) for pair in pairs], moved, num_pairs=0))
    want = ellipses(draw(weights, pairs, num_pairs=0))
    assert got == {place[atom]: colour for atom, colour in want.items()}


@pytest.mark.parametrize(
    "smiles", ["C", "[Na+].[Cl-]", "CN(C)C", "c1ccccc1C#N", "CC(=O)O[AlH3](O)O"]
)
def test_molecules_without_and_with_edges(smiles):
    graph = ga.chem.from_smiles(smiles, strict_valence=False)
    weights = np.ones((len(graph.senders), 2), np.float32)
    svg = ga.chem.draw_attention(smiles, weights, ga.graphs.pattern(graph), size=(300, 240))
    root = xml.etree.ElementTree.fromstring(svg.encode("latin-1"))
    assert (root.get("width"), root.get("height")) == ("300px", "240px")
    svg = ga.chem.draw_attention(
        smiles, np.zeros(0, np.float32), edges([], ga.graphs.num_nodes(graph))
    )
    assert "atoms 0 to 0, " in svg and ellipses(svg) == {}


def test_png():
    png = draw([0.3], [(0, 1)], image="png", size=(200, 160))
    assert png.startswith(b"\x89PNG")
    assert [int.from_bytes(png[i : i + 4], "big") for i in (16, 20)] == [200, 160]
    assert png != draw([0.3], [(1, 3)], image="png", size=(200, 160))


def test_weights_of_a_layer_and_of_another_molecule():
    import jax

    graph = ga.chem.from_smiles(ACID)
    graph = graph._replace(nodes=np.eye(4, 3, dtype=np.float32), edges=None)
    layer = ga.attention.GAT(2, 2)
    attention = layer.apply(layer.init(jax.random.key(0), 3), graph).attention
    svg = ga.chem.draw_attention(ACID, attention.weights, ga.graphs.pattern(graph))
    assert set(ellipses(svg)) == {0, 1, 2, 3}
    with pytest.raises(
        ValueError, match="edges must connect the 2 atoms of the molecule, got those of 4 nodes"
    ):
        ga.chem.draw_attention("CC", attention.weights, ga.graphs.pattern(graph))
    padded = ga.graphs.pattern(ga.graphs.prepare(graph))
    padded = padded.where(np.arange(len(graph.senders)) > 0)
    assert ga.chem.draw_attention(ACID, attention.weights, padded) != svg


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"smiles": "C1C"}, "molecule must be a SMILES or an RDKit molecule, got 'C1C'"),
        ({"smiles": 3}, "molecule must be a SMILES or an RDKit molecule, got 3"),
        ({"weights": [0.1, 0.2]}, r"weights must have shape \[1\], got \(2,\)"),
        ({"weights": [-0.1]}, "weights must be finite and not negative"),
        ({"weights": [np.nan]}, "weights must be finite and not negative"),
        ({"atoms": "both"}, "atoms must be one of 'sender', 'receiver'"),
        ({"image": "jpg"}, "image must be one of 'svg', 'png'"),
        ({"num_pairs": -1}, "num_pairs must be an integer of at least 0, got -1"),
        ({"size": (10, 10)}, "size must be"),
    ],
)
def test_errors(changes, message):
    arguments = {"weights": [0.3], "pairs": [(0, 1)]} | changes
    with pytest.raises(ValueError, match=message):
        draw(**arguments)
    with pytest.raises(ValueError, match=r"edges must be a pattern, ga\.ops\.Edges, got ndarray"):
        ga.chem.draw_attention(ACID, np.ones(1, np.float32), np.zeros((2, 1), int))


def test_without_rdkit_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rdkit", None)
    with pytest.raises(ImportError, match=r"draw_attention needs RDKit.*pip install rdkit"):
        draw([0.3], [(0, 1)])
