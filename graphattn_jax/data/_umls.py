"""UMLS: which kinds of biomedical things stand in which relations."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from graphattn_jax.data._fetch import fetch, find_local
from graphattn_jax.data._files import read_text, unreadable
from graphattn_jax.data._link_dataset import LinkDataset
from graphattn_jax.graphs import from_triples, number_triples
from graphattn_jax.links import Links

_PARTS = ("train", "valid", "test")


def load_umls(*, root: str | os.PathLike | None = None) -> LinkDataset:
    """UMLS: 135 kinds of biomedical things, 46 relations, 6,529 links of the semantic network; the published split.

    Reads `umls/train.txt`, `valid.txt` and `test.txt`, also packed (`.gz`): head, relation and tail in each line,
    separated by tabs.

    Args:
      root: a folder with the folder `umls`. None = the one named by `GRAPHATTN_DATA`, then the cache, then a download.

    Returns:
      A `LinkDataset` of 5,216, 652 and 661 links.

    Raises:
      ValueError: a corrupted file, or a node or relation that training does not know.
      FileNotFoundError: a file is neither in a local folder nor can be downloaded.

    Cost: some milliseconds.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load_umls()  # doctest: +SKIP
      LinkDataset('umls': 135 nodes, 46 relations, 5,216 + 652 + 661 links)

    Source: McCray, "An upper-level ontology for the biomedical domain", Comparative and Functional Genomics 4, 2003; as
      links, Kok, Domingos, "Statistical predicate invention", ICML 2007; the split is that of the public copies.
    """
    paths = [_find(part, root) for part in _PARTS]
    parts = [_triples(path) for path in paths]
    numbered = number_triples([triple for part in parts for triple in part])
    ends = np.cumsum([len(part) for part in parts])
    columns = (numbered.subjects, numbered.relations, numbered.objects)
    train, val, test = (Links(*x) for x in zip(*(np.split(x, ends[:-1]) for x in columns)))
    missing = np.setdiff1d(np.arange(len(numbered.relation_names)), train.relations)
    if len(missing):
        name = numbered.relation_names[missing[0]]
        raise unreadable(paths[0], f"relation {name} is in {paths[1]} or {paths[2]} only")
    graph = from_triples(
        tuple(train),
        num_nodes=len(numbered.node_names),
        relation_names=numbered.relation_names,
        type_names=("thing",),
        reverse=True,
    )
    return LinkDataset("umls", graph, train, val, test, numbered.node_names)


def _find(part: str, root: str | os.PathLike | None) -> Path:
    local = find_local(f"umls/{part}.txt.gz", f"umls/{part}.txt", root=root)
    return local or fetch(f"UMLS/{part}.txt", root=root)


def _triples(path: Path) -> list[Any]:
    rows = [tuple(line.split("\t")) for line in read_text(path).splitlines()]
    bad = next((i for i, row in enumerate(rows, 1) if len(row) != 3), None)
    if bad is not None or not rows:
        raise unreadable(path, f"line {bad or 1} is not head, relation and tail")
    return rows
