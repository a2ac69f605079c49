"""Features and labels along metapaths against dense matrices; a node's own label never reaches it."""

import numpy as np
import pytest
from test_metapaths import COUNTS, GRAPH, PATHS, SCHEMA, typed_graph

from graphattn_jax import graphs

NODES = {kind: np.flatnonzero(GRAPH.nodes.type == t) for t, kind in enumerate(COUNTS)}
TO_AUTHORS = graphs.schema_metapaths(SCHEMA, "author", 3)
AMONG_AUTHORS = graphs.schema_metapaths(SCHEMA, "author", 4, sources=("author",))
LABELS, KNOWN = np.array([0, 2, 1, 2]), np.array([True, True, False, True])


def transition(path):
    """The product of the row-normalised matrices."""
    product = 1.0
    for source, name, target in path:
        own = GRAPH.edges.relation == SCHEMA.relation_id((source, name, target))
        a = np.zeros((len(GRAPH.nodes.type),) * 2)
        np.add.at(a, (GRAPH.receivers[own], GRAPH.senders[own]), 1)
        a = a / np.maximum(a.sum(axis=1, keepdims=True), 1)
        product = a @ product if np.ndim(product) else a
    return product[NODES[path[-1][2]]][:, NODES[path[0][0]]]


def test_features_are_the_means_of_means():
    inputs = graphs.metapath_features(GRAPH, "author", TO_AUTHORS)
    assert list(inputs.nodes) == ["author", *TO_AUTHORS]
    np.testing.assert_array_equal(inputs.nodes["author"], GRAPH.nodes.features[:4])
    for name, path in TO_AUTHORS.items():
        want = transition(path) @ GRAPH.nodes.features[NODES[path[0][0]]]
        np.testing.assert_allclose(inputs.nodes[name], want, rtol=1e-5, atol=1e-6)
        assert inputs.nodes[name].dtype == np.float32
    assert inputs.n_node.tolist() == [4] and inputs.n_edge.tolist() == [0]
    padded = graphs.pad(inputs, graphs.Budget(6, 1, 2))
    assert padded.nodes["author"].shape == (6, 3)


def test_labels_are_those_of_others():
    votes = graphs.metapath_labels(GRAPH, AMONG_AUTHORS, LABELS, KNOWN)
    y = np.where(KNOWN[:, None], np.eye(3)[LABELS], 0)
    for name, path in AMONG_AUTHORS.items():
        a = transition(path)
        want = (a - np.diag(np.diag(a))) @ y
        np.testing.assert_allclose(votes[f"labels:{name}"], want, rtol=1e-5, atol=1e-7)


def test_no_label_reaches_its_own_node_and_none_that_is_not_known():
    votes = graphs.metapath_labels(GRAPH, AMONG_AUTHORS, LABELS, KNOWN)
    for node in range(4):
        changed = LABELS.copy()
        changed[node] = 0 if LABELS[node] else 1
        other = graphs.metapath_labels(GRAPH, AMONG_AUTHORS, changed, KNOWN)
        for name, y in votes.items():
            np.testing.assert_array_equal(y[node], other[name][node])
            if not KNOWN[node]:
                np.testing.assert_array_equal(y, other[name])


def test_several_labels_at_once_and_one_relation():
    several = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [1, 1], [0, 1]], np.float32)
    known = np.arange(6) < 4
    votes = graphs.metapath_labels(GRAPH, {"cites": ("cites",)}, several, known)["labels:cites"]
    a = transition((("paper", "cites", "paper"),))
    want = (a - np.diag(np.diag(a))) @ np.where(known[:, None], several, 0)
    np.testing.assert_allclose(votes, want, rtol=1e-6)


def test_a_batch_and_the_cache(tmp_path):
    parts = [typed_graph(seed) for seed in (1, 2)]
    together = graphs.metapath_features(graphs.batch(parts), "author", TO_AUTHORS, cache=tmp_path)
    assert together.n_node.tolist() == [4, 4]
    for name in TO_AUTHORS:
        apart = [graphs.metapath_features(p, "author", TO_AUTHORS).nodes[name] for p in parts]
        np.testing.assert_allclose(together.nodes[name], np.concatenate(apart), rtol=1e-6)
    files = len(list(tmp_path.rglob("output.pkl")))
    again = graphs.metapath_features(graphs.batch(parts), "author", TO_AUTHORS, cache=tmp_path)
    assert files == len(TO_AUTHORS) == len(list(tmp_path.rglob("output.pkl")))
    np.testing.assert_array_equal(again.nodes["rev_writes"], together.nodes["rev_writes"])


NARROW = graphs.from_types({"a": 2, "b": 2}, {("a", "to", "b"): ([0], [1])}, reverse=True)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: graphs.metapath_features(GRAPH, "venue", PATHS), r"must reach type 'venue', got"),
        (lambda: graphs.metapath_features(NARROW, "b", {"p": ("to",)}), "'a', which has no feat"),
        (lambda: graphs.metapath_labels(GRAPH, PATHS, LABELS, KNOWN), "must all begin at the type"),
        (
            lambda: graphs.metapath_labels(GRAPH, {"p": ("writes",)}, LABELS, KNOWN),
            "must reach type 'author', got one that reaches 'paper'",
        ),
        (
            lambda: graphs.metapath_labels(GRAPH, AMONG_AUTHORS, LABELS[:3], KNOWN),
            r"labels must have shape \[4\], got \(3,\)",
        ),
        (lambda: graphs.metapath_labels(GRAPH, AMONG_AUTHORS, LABELS, LABELS), "where must be boo"),
        (
            lambda: graphs.metapath_labels(GRAPH, AMONG_AUTHORS, LABELS, KNOWN, max_edges=2),
            "half of metapath .* would have about",
        ),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()
