"""Attention drawn on a molecule."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.chem._rdkit import import_chem, parse
from graphattn_jax.ops import Edges
from graphattn_jax.typing import ArrayLike

_ORANGE, _BLUE = np.array([[0.90, 0.45, 0.10], [0.05, 0.40, 0.90]])
"""sRGB colours of the largest weights, of atoms and of pairs; the ways to white stay inside sRGB."""

_LEGEND = 36
"""Height in pixels of the strip with the colour bars."""

# Linear sRGB to the responses of the eye's three cones; Oklab is linear in their cube roots.
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)


def draw_attention(
    molecule: Any,
    weights: ArrayLike,
    edges: Edges,
    *,
    head: int | None = None,
    atoms: Literal["sender", "receiver"] = "sender",
    num_pairs: int = 5,
    image: Literal["svg", "png"] = "svg",
    size: tuple[int, int] = (480, 400),
) -> Any:
    """A picture of a molecule with attention weights as colours.

    With A[i, j] the weight of the edge j → i (duplicates add up, absent edges are 0):

        atom j       orange   sum_i A[i, j], what the molecule takes from the atom     atoms="sender"
        atom i       orange   sum_j A[i, j], what the atom takes in; 1 for a softmax   atoms="receiver"
        pair {i, j}  blue     (A[i, j] + A[j, i]) / 2: bonds as bands, the strongest others as arcs

    Both colours go from white for 0 to their full tone for the largest value of the picture, which
    the bars at the bottom name, in equal steps of a perceptually uniform colour space (Oklab).

    Args:
      molecule: a SMILES, whose atoms are the nodes of `from_smiles`, or an RDKit molecule with the
        atoms in the order of the nodes.
      weights: `[E]` or `[E, H]`, none negative, such as `Attention.weights`.
      edges: which atoms they connect, `ga.graphs.pattern(graph)`; masked ones are not drawn.
      head: which of the H heads. None = their mean.
      atoms: which sum colours the atoms.
      num_pairs: how many arcs at most, for pairs of atoms without a bond; 0 for none.
      image: `"svg"` or `"png"`.
      size: width and height in pixels, each at least 100.

    Returns:
      The SVG as text, whose `desc` has the two largest values, or the PNG as bytes; shown in a
      notebook by `IPython.display.SVG` and `Image`.

    Raises:
      ValueError: no molecule, edges among more or fewer nodes than its atoms, weights that do not fit the edges or are
        negative or not finite, or an unknown option.
      ImportError: RDKit is not installed.

    Cost: milliseconds.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> ethanol = ga.chem.from_smiles("CCO")
      >>> weights = np.array([0.5, 1.0, 1.0, 0.5], np.float32)
      >>> svg = ga.chem.draw_attention("CCO", weights, ga.graphs.pattern(ethanol))
      >>> svg.startswith("<?xml"), "atoms 0 to 2, pairs 0 to 0.75" in svg
      (True, True)

    Source: the colour space: Ottosson, "A perceptual color space for image processing", 2020.
    """
    _checks.choice("atoms", atoms, ("sender", "receiver"))
    _checks.choice("image", image, ("svg", "png"))
    if min(size) < 100:
        raise ValueError(f"size must be (width, height) of at least 100 pixels each, got {size!r}.")
    if not isinstance(num_pairs, int) or num_pairs < 0:
        raise ValueError(f"num_pairs must be an integer of at least 0, got {num_pairs!r}.")
    molecule = _molecule(molecule)
    attention = _matrix(weights, edges, head, molecule.GetNumAtoms())
    totals = attention.sum(axis=0 if atoms == "sender" else 1)
    between = (attention + attention.T) / 2
    bonds = _ends(molecule)
    arcs = _strongest_others(between, bonds, num_pairs)
    top_pair = between[tuple(np.concatenate([bonds, arcs]).T)].max(initial=0.0)
    tints = _colours(totals, totals.max(), _ORANGE)
    band_values, arc_values = between[tuple(bonds.T)], between[tuple(arcs.T)]
    bands = _colours(band_values, top_pair, _BLUE)
    tinted, banded = np.flatnonzero(totals).tolist(), np.flatnonzero(band_values).tolist()
    highlights = {
        "highlightAtoms": tinted,
        "highlightAtomColors": {i: tints[i] for i in tinted},
        "highlightBonds": banded,
        "highlightBondColors": {i: bands[i] for i in banded},
    }
    trial = _canvas(image, size)  # where the atoms will be: the arcs go beneath them
    trial.DrawMolecule(molecule, **highlights)
    places = np.array([list(trial.GetDrawCoords(i)) for i in range(len(totals))])

    canvas = _canvas(image, size)
    canvas.ClearDrawing()
    canvas.drawOptions().clearBackground = False
    for (i, j), colour in zip(arcs, _colours(arc_values, top_pair, _BLUE), strict=True):
        _draw_arc(canvas, places[i], places[j], colour, middle=places.mean(axis=0))
    canvas.SetLineWidth(2)
    canvas.DrawMolecule(molecule, **highlights)
    texts = [f"atoms 0 to {totals.max():.3g}", f"pairs 0 to {top_pair:.3g}"]
    for place, (text, colour) in enumerate(zip(texts, (_ORANGE, _BLUE), strict=True)):
        _draw_bar(canvas, size, place, text, colour)
    canvas.FinishDrawing()
    picture = canvas.GetDrawingText()
    if image == "svg":  # RDKit writes letters as shapes
        picture = picture.replace("</svg>", f"<desc>{', '.join(texts)}</desc>\n</svg>")
    return picture


def _molecule(molecule: Any) -> Any:
    chem = import_chem("draw_attention")
    if isinstance(molecule, chem.Mol):
        return molecule
    from rdkit.rdBase import BlockLogs

    with BlockLogs():
        parsed = parse(chem, molecule, strict_valence=False) if isinstance(molecule, str) else None
    if parsed is None:
        raise ValueError(f"molecule must be a SMILES or an RDKit molecule, got {molecule!r}.")
    return parsed


def _matrix(weights: ArrayLike, edges: Edges, head: int | None, num_atoms: int) -> np.ndarray:
    """`[receiver, sender]` of one head, or of the mean over heads."""
    weights = np.asarray(weights)
    _checks.floating("weights", weights)
    if not isinstance(edges, Edges):
        raise ValueError(
            f"edges must be a pattern, ga.ops.Edges, got {type(edges).__name__}. Fix: ga.graphs.pattern(graph)."
        )
    edges.check()
    _checks.shape("weights", weights, (edges.num_edges, "H")[: max(weights.ndim, 1)])
    if edges.is_bipartite or edges.num_senders != num_atoms:
        raise ValueError(
            f"edges must connect the {num_atoms} atoms of the molecule, got those of {edges.num_senders} nodes. "
            "Fix: draw one molecule at a time, with its own edges, without virtual nodes and padding."
        )
    real = slice(None) if edges.mask is None else np.asarray(edges.mask)
    weights, senders, receivers = (
        np.asarray(x)[real] for x in (weights, edges.senders, edges.receivers)
    )
    by_head = weights.reshape(len(senders), weights.shape[1] if weights.ndim > 1 else 1)
    if not (np.isfinite(by_head).all() and (by_head >= 0).all()):
        raise ValueError("weights must be finite and not negative. Fix: take weights, not logits.")
    if head is not None and head not in range(by_head.shape[1]):
        raise ValueError(f"head must be None or in [0, {by_head.shape[1]}), got {head!r}.")
    chosen = by_head.mean(axis=1, dtype=np.float64) if head is None else by_head[:, head]
    matrix = np.zeros((num_atoms, num_atoms))
    np.add.at(matrix, (receivers, senders), chosen)
    return matrix


def _ends(molecule: Any) -> np.ndarray:
    """`[B, 2]` atoms of each bond."""
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in molecule.GetBonds()]
    return np.array(ends, int).reshape(-1, 2)


def _strongest_others(between: np.ndarray, bonds: np.ndarray, count: int) -> np.ndarray:
    """`[K, 2]` the pairs without a bond that have the largest values, the largest last."""
    others = np.triu(between, k=1)
    others[bonds.min(axis=1), bonds.max(axis=1)] = 0
    ranked = np.argsort(others, axis=None, kind="stable")[max(others.size - count, 0) :]
    pairs = np.stack(np.unravel_index(ranked, others.shape), axis=1)
    return pairs[others[tuple(pairs.T)] > 0]


def _colours(values: np.ndarray, top: float, full: np.ndarray) -> list[tuple[float, ...]]:
    """Colours in sRGB from white for 0 to `full` for `top`, straight through Oklab."""
    shares = np.asarray(values)[:, None] / (top or 1.0)
    linear = np.where(full <= 0.04045, full / 12.92, ((full + 0.055) / 1.055) ** 2.4)
    cones = (1 - shares + shares * np.cbrt(_CONES @ linear)) ** 3  # those of white are 1
    linear = np.clip(cones @ np.linalg.inv(_CONES).T, 0, 1)  # against rounding
    rgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return [tuple(row) for row in rgb.tolist()]


def _canvas(image: str, size: tuple[int, int]) -> Any:
    """An empty drawing; molecules go above the strip with the bars."""
    from rdkit.Chem.Draw import rdMolDraw2D

    width, height = size
    kind = rdMolDraw2D.MolDraw2DSVG if image == "svg" else rdMolDraw2D.MolDraw2DCairo
    canvas = kind(width, height, width, height - _LEGEND)
    options = canvas.drawOptions()
    options.useBWAtomPalette()
    options.fixedBondLength = 90  # at most, in pixels
    options.highlightRadius = 0.4
    options.highlightBondWidthMultiplier = 14
    return canvas


def _draw_arc(
    canvas: Any, start: np.ndarray, end: np.ndarray, colour: Any, *, middle: np.ndarray
) -> None:
    """A parabola from atom to atom that bends away from the middle of the molecule."""
    from rdkit.Geometry import Point2D

    across = np.array([start[1] - end[1], end[0] - start[0]])
    outwards = 1 if across @ ((start + end) / 2 - middle) >= 0 else -1
    control = (start + end) / 2 + 0.4 * outwards * across
    t = np.linspace(0, 1, 25)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    points = [Point2D(*point) for point in curve.tolist()]
    canvas.SetColour(colour)
    canvas.SetLineWidth(3)
    for one, other in pairwise(points):
        canvas.DrawLine(one, other, rawCoords=True)


def _draw_bar(canvas: Any, size: tuple[int, int], place: int, text: str, full: Any) -> None:
    """The scale of one kind of value in its half of the strip."""
    from rdkit.Geometry import Point2D

    width, height = size
    left, top, steps = place * width / 2 + 12, height - _LEGEND + 8, 24
    edges = left + np.linspace(0, width / 2 - 24, steps + 1)
    canvas.SetFillPolys(True)
    canvas.SetLineWidth(1)
    shades = _colours(np.linspace(0, 1, steps), 1.0, full)
    for (x, end), colour in zip(pairwise(edges), shades, strict=True):
        canvas.SetColour(colour)
        canvas.DrawRect(Point2D(x, top), Point2D(end, top + 7), rawCoords=True)
    canvas.SetColour((0, 0, 0))
    canvas.SetFontSize(12)
    canvas.DrawString(text, Point2D((edges[0] + edges[-1]) / 2, top + 18), 0, rawCoords=True)
