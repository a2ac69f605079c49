"""WordNet: word senses, typed relations between them, and a line of text for each."""

from __future__ import annotations

import os

import numpy as np
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax.data._fetch import require_local
from graphattn_jax.data._files import read_npz, read_text, unreadable
from graphattn_jax.data._splits import random_splits
from graphattn_jax.data._typed_dataset import TypedNodeDataset, typed_node_dataset

_ARRAYS = ("edges", "edge_type", "edge_type_symbols", "node_pos", "labels")
_TEXTS = ("data.noun.gz", "data.verb.gz", "data.adj.gz", "data.adv.gz")


def load_wordnet(
    *,
    num_features: int | None = 256,
    num_splits: int = 10,
    seed: int = 0,
    root: str | os.PathLike | None = None,
) -> TypedNodeDataset:
    """WordNet 3.0: 117,659 synsets, 26 relations, and the topic of each synset to predict.

    An edge goes from a synset to one that it points to. Relations are WordNet's pointer symbols
    (`@` hypernym, `~` hyponym, `!` antonym, ...); nearly all come with their inverse, which is a
    relation of its own. Node types are the parts of speech (noun, verb, adjective, satellite
    adjective, adverb). Classes are the 45 lexicographer files, such as *noun.animal*; the part of
    speech narrows them down: nouns have 26, verbs 15, the others 4.

    Features are the words of the gloss, hashed into `num_features` signed counts and scaled to
    length 1. Splits are ours: random, 60/20/20 of the nodes; there are no published ones.

    Reads `wordnet30.npz` (`edges` `[E, 2]`, `edge_type` `[E]`, `edge_type_symbols`, `node_pos` `[N]`,
    `labels` `[N]`), and for the features WordNet's `data.noun`, `data.verb`, `data.adj` and
    `data.adv`, each packed as `.gz`.

    Args:
      num_features: width of the hashed text. None = no features, and only the first file is read.
      num_splits: how many random splits.
      seed: of the splits.
      root: a folder with the files. None = the one named by `GRAPHATTN_DATA`.

    Returns:
      A `TypedNodeDataset` with metric `"accuracy"`.

    Raises:
      ValueError: `num_features` not positive, or a corrupted file.
      FileNotFoundError: a file is in no local folder.
      ImportError: scikit-learn is not installed (for the features).

    Cost: 4*N*`num_features` bytes (120 MB); a few seconds.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load_wordnet(num_features=None)  # doctest: +SKIP
      TypedNodeDataset('wordnet': 117,659 nodes, 364,552 edges, 0 features, 5 node types,
        26 relations, 45 classes, 10 splits, accuracy)

    Source: Fellbaum (ed.), "WordNet: An Electronic Lexical Database", MIT Press, 1998; Miller,
      "WordNet: A Lexical Database for English", Communications of the ACM 38, 1995.
    """
    if num_features is not None:
        _checks.positive("num_features", num_features)
    path = require_local(
        "wordnet30.npz",
        content="the arrays edges [E, 2], edge_type [E], edge_type_symbols, node_pos [N], labels [N]",
        root=root,
    )
    arrays = read_npz(path, _ARRAYS)
    edges, labels = arrays["edges"], arrays["labels"]
    _checks.shape(f"edges of {path}", edges, ("E", 2))
    _checks.ids(f"labels of {path}", labels)
    _checks.ids_in_range(f"labels of {path}", labels, 45, "lexicographer files")
    return typed_node_dataset(
        "wordnet",
        nodes=None if num_features is None else _hashed(_glosses(labels, root), num_features),
        senders=edges[:, 0],
        receivers=edges[:, 1],
        relation=arrays["edge_type"],
        relations=[str(symbol) for symbol in arrays["edge_type_symbols"]],
        labels=labels,
        node_types=arrays["node_pos"],
        splits=random_splits(labels, fractions=(0.6, 0.2, 0.2), num_splits=num_splits, seed=seed),
        source=path,
    )


def _glosses(labels: np.ndarray, root: str | os.PathLike | None) -> list[str]:
    """The gloss of each node, in the order of the data files, which is the order of the nodes."""
    paths = [
        require_local(name, content=f"WordNet's {name.removesuffix('.gz')}, packed", root=root)
        for name in _TEXTS
    ]
    lines = [
        line
        for path in paths
        for line in read_text(path).splitlines()
        if line and not line.startswith("  ")  # the licence is indented
    ]
    files = [line.split(" ", 2)[1:2] for line in lines]
    if files != [[f"{label:02d}"] for label in labels]:
        raise unreadable(
            paths[0].parent, f"{len(lines)} synsets of {', '.join(_TEXTS)} are not the nodes"
        )
    return [line.partition("|")[2] for line in lines]


def _hashed(texts: list[str], num_features: int) -> np.ndarray:
    try:
        from sklearn.feature_extraction.text import HashingVectorizer
    except ImportError as error:
        raise ImportError(
            "The features of load_wordnet need scikit-learn, which is not installed. "
            'Fix: pip install ".[experiments]" in a clone of graphattn_jax, pip install scikit-learn, '
            "or num_features=None."
        ) from error
    words = HashingVectorizer(n_features=num_features).transform(texts)
    return scipy.sparse.csr_array(words, dtype=np.float32).toarray()
