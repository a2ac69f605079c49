"""The research institute AIFB: people, publications, projects; the group that a person belongs to."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import numpy as np

from graphattn_jax.data._dataset import Split
from graphattn_jax.data._fetch import require_local
from graphattn_jax.data._files import unreadable
from graphattn_jax.data._typed_dataset import TypedNodeDataset, typed_node_dataset
from graphattn_jax.graphs import parse_ntriples

_PARTS = ("trainingSet.tsv", "testSet.tsv")


def load_aifb(*, root: str | os.PathLike | None = None) -> TypedNodeDataset:
    """AIFB: 8,285 entities, 45 relations, and the research group of 176 people to predict.

    Entities have neither features nor types; literals are entities. An edge goes from the subject of a fact to its
    object. The relations that give the group away (affiliation, employs) are not among them. The one split is the
    published one, 140 people to learn from and 36 to test; nobody is left to validate: published protocols choose by
    cross-validation on the 140.

    Reads `aifb_stripped.nt.gz`, N-Triples, and `trainingSet.tsv` and `testSet.tsv` with the columns person and
    label_affiliation.

    Args:
      root: a folder with the files. None = the one named by `GRAPHATTN_DATA`.

    Returns:
      A `TypedNodeDataset` with four classes, label -1 for most nodes, `graph.nodes` None and metric `"accuracy"`.

    Raises:
      ValueError: a corrupted file.
      FileNotFoundError: a file is in no local folder.

    Cost: a third of a second.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load_aifb()  # doctest: +SKIP
      TypedNodeDataset('aifb': 8,285 nodes, 29,043 edges, 0 features, 1 node type, 45 relations, 4 classes,
        1 split, accuracy)

    Source: Bloehdorn, Sure, "Kernel methods for mining instance data in ontologies", ISWC 2007; splits of Ristoski, de
      Vries, Paulheim, "A collection of benchmark datasets for systematic evaluations of machine learning on the
      semantic web", ISWC 2016.
    """
    facts = require_local(
        "aifb_stripped.nt.gz", content="the facts as N-Triples, packed", root=root
    )
    try:
        with gzip.open(facts, "rt", encoding="utf-8") as lines:
            triples = parse_ntriples(lines)
    except (OSError, EOFError, UnicodeDecodeError, ValueError) as error:
        raise unreadable(facts, str(error)) from error
    ids = {name: i for i, name in enumerate(triples.node_names)}
    paths = [
        require_local(name, content="the columns person and label_affiliation", root=root)
        for name in _PARTS
    ]
    parts = [_people(path, ids) for path in paths]
    groups = sorted({group for part in parts for _, group in part})
    labels, masks = np.full(len(ids), -1, np.int32), np.zeros((2, len(ids)), bool)
    for mask, part in zip(masks, parts, strict=True):
        for person, group in part:
            labels[person], mask[person] = groups.index(group), True
    train, test = masks
    return typed_node_dataset(
        "aifb",
        nodes=None,
        senders=triples.subjects,
        receivers=triples.objects,
        relation=triples.relations,
        relations=triples.relation_names,
        labels=labels,
        node_types=np.zeros(len(ids), np.int32),
        splits=[Split(train, np.zeros(len(ids), bool), test)],
        source=facts,
    )


def _people(path: Path, ids: dict[str, int]) -> list[tuple[int, str]]:
    """(node, group) of each row."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    try:
        return [(ids[f"<{row['person']}>"], row["label_affiliation"]) for row in rows]
    except KeyError as error:
        raise unreadable(path, f"no column or node {error}") from error
