"""Encodings of a data set: attached in the right order, remembered by content."""

import logging
import sys
import threading
from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphattn_jax as ga
from graphattn_jax.encodings.host import _precompute
from graphattn_jax.encodings.host._adjacency import adjacency

SCALE = 1.0


def degree(graph, *, scale=1.0):
    """A node encoding that reads a constant and a helper of this module."""
    return scaled(scale * np.asarray(adjacency(graph, "degree").sum(1), np.float32)[:, None])


def scaled(x):
    return SCALE * x


def times(factor):
    return lambda graph: factor * degree(graph)


def adjacent(graph, *, pattern):
    """A pair encoding: 1 where the original graph has the edge."""
    dense = ga.graphs.to_dense(graph)
    return dense[pattern.receivers, pattern.senders][:, None]


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """The number of nodes of every chunk that is computed."""
    computed, compute = [], _precompute._compute

    def counted(function, arguments):
        computed.append(ga.graphs.num_nodes(arguments["graph"]))
        return compute(function, arguments)

    monkeypatch.setattr(_precompute, "_compute", counted)
    return computed


def ring(n, **features):
    ids = np.arange(n)
    return ga.graphs.add_reverse_edges(
        ga.graphs.from_edge_list(ids, (ids + 1) % n, num_nodes=n, **features)
    )


@pytest.fixture
def graphs():
    return [ring(n, nodes=np.full((n, 2), n, np.float32)) for n in (3, 5, 4, 7)]


def test_encodings_stand_beside_the_features_of_each_graph(graphs):
    encoded = ga.encodings.precompute(graphs, {"degree": degree})
    for before, after in zip(graphs, encoded, strict=True):
        np.testing.assert_array_equal(after.nodes["features"], before.nodes)
        np.testing.assert_array_equal(after.nodes["degree"], degree(before))
        np.testing.assert_array_equal(after.senders, before.senders)
    padded = ga.graphs.pad(ga.graphs.batch(encoded), ga.graphs.Budget(32, 64, 6))
    assert padded.nodes["degree"].shape == (32, 1)


def test_a_batch_gives_the_batch_of_its_encoded_graphs(graphs):
    together = ga.encodings.precompute(ga.graphs.batch(graphs), {"degree": degree})
    alone = ga.graphs.batch(ga.encodings.precompute(graphs, {"degree": degree}))
    assert jax.tree.structure(together) == jax.tree.structure(alone)
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        np.testing.assert_array_equal(a, b)


def test_chunks_do_not_change_anything(graphs, monkeypatch, calls):
    whole = ga.encodings.precompute(graphs, {"degree": degree})
    calls.clear()
    monkeypatch.setattr(_precompute, "CHUNK_NODES", 6)
    chunked = ga.encodings.precompute(graphs, {"degree": degree}, threads=2, progress=False)
    assert sorted(calls) == [8, 11]
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(chunked), strict=True):
        np.testing.assert_array_equal(a, b)


def test_pairs_are_encoded_on_the_original_graph_and_read_at_the_pattern(graphs):
    encoded = ga.encodings.precompute(
        graphs, {"degree": degree}, pairs={"adjacent": adjacent}, pattern=ga.graphs.all_pairs
    )
    for before, after in zip(graphs, encoded, strict=True):
        n = ga.graphs.num_nodes(before)
        assert ga.graphs.num_edges(after) == n * n
        assert after.edges["features"] is None
        np.testing.assert_array_equal(after.nodes["degree"], 2.0)  # of the ring, not of all pairs
        matrix = ga.graphs.to_dense(after._replace(edges=None), after.edges["adjacent"])
        np.testing.assert_array_equal(matrix[..., 0], ga.graphs.to_dense(before))


def test_pairs_without_a_pattern_belong_to_the_edges():
    graph = ring(4, edges=np.arange(4, dtype=np.float32)[:, None])
    encoded = ga.encodings.precompute(graph, pairs={"adjacent": adjacent})
    np.testing.assert_array_equal(encoded.edges["features"], graph.edges)
    np.testing.assert_array_equal(encoded.edges["adjacent"], 1.0)
    assert encoded.nodes is None


def test_what_an_encoder_takes_is_what_comes_out(graphs):
    encoded = ga.encodings.precompute(
        graphs, {"eigen": partial(ga.encodings.laplacian_eigenvectors, k=3)}
    )
    batch = ga.graphs.pad(ga.graphs.batch(encoded), ga.graphs.Budget(24, 64, 6))
    eigen = batch.nodes["eigen"]
    assert isinstance(eigen, ga.encodings.LaplacianEigenvectors)
    params = ga.encodings.init_laplace_deepset(jax.random.key(0), 4)
    got = ga.encodings.laplace_deepset(params, *eigen)
    alone = [ga.encodings.laplacian_eigenvectors(g, 3) for g in graphs]
    want = np.concatenate([ga.encodings.laplace_deepset(params, *e) for e in alone])
    np.testing.assert_allclose(got[:19], want, rtol=1e-5, atol=1e-6)


class TestCache:
    def test_a_second_call_reads(self, graphs, tmp_path, calls):
        first = ga.encodings.precompute(graphs, {"degree": degree}, cache=tmp_path)
        second = ga.encodings.precompute(graphs, {"degree": degree}, cache=tmp_path)
        assert len(calls) == 1
        for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
            np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize("change", ["graph", "option", "edge", "constant", "helper"])
    def test_a_change_is_computed_anew(self, graphs, tmp_path, calls, change, monkeypatch):
        ga.encodings.precompute(graphs, {"degree": degree}, cache=tmp_path)
        encoding = degree
        if change == "graph":
            graphs = [*graphs[:3], ring(6, nodes=np.zeros((6, 2), np.float32))]
        elif change == "edge":
            graphs[0].senders[:2] = graphs[0].senders[:2][::-1]
            graphs[0].receivers[:2] = graphs[0].receivers[:2][::-1]
        elif change == "option":
            encoding = partial(degree, scale=2.0)
        elif change == "constant":
            monkeypatch.setattr(sys.modules[__name__], "SCALE", 2.0)
        else:
            monkeypatch.setattr(sys.modules[__name__], "scaled", lambda x: 2 * x)
        result = ga.encodings.precompute(graphs, {"degree": encoding}, cache=tmp_path)
        assert len(calls) == 2
        assert result[0].nodes["degree"][0, 0] == (2.0 if change in ("graph", "edge") else 4.0)

    @given(
        changes=st.lists(
            st.tuples(st.sampled_from(["SCALE", "scaled", "option", "closure"]), st.integers(1, 3)),
            max_size=6,
        )
    )
    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def test_what_is_read_is_what_would_be_computed(self, tmp_path, changes):
        """Whatever changes and changes back, with the files of all earlier examples at hand."""
        graph, option, closure = ring(4), 1, 1
        with pytest.MonkeyPatch.context() as patch:
            for what, value in changes:
                if what == "SCALE":
                    patch.setattr(sys.modules[__name__], "SCALE", value)
                elif what == "scaled":
                    helper = [np.abs, np.sqrt, np.square][value - 1]
                    patch.setattr(sys.modules[__name__], "scaled", helper)
                elif what == "option":
                    option = value
                else:
                    closure = value
                encodings = {"option": partial(degree, scale=option), "closure": times(closure)}
                want = ga.encodings.precompute(graph, encodings)
                got = ga.encodings.precompute(graph, encodings, cache=tmp_path)
                jax.tree.map(np.testing.assert_array_equal, got.nodes, want.nodes)

    @pytest.mark.parametrize("damage", ["truncated", "flipped"])
    def test_a_damaged_file_is_reported_and_computed_anew(
        self, graphs, tmp_path, calls, damage, caplog
    ):
        ga.encodings.precompute(graphs, {"degree": degree}, cache=tmp_path)
        (stored,) = tmp_path.rglob("output.pkl")
        content = bytearray(stored.read_bytes())
        if damage == "truncated":
            content = content[: len(content) // 2]
        else:
            content[len(content) // 2] ^= 0xFF
        stored.write_bytes(bytes(content))
        with caplog.at_level(logging.WARNING):
            result = ga.encodings.precompute(graphs, {"degree": degree}, cache=tmp_path)
        np.testing.assert_array_equal(result[0].nodes["degree"], 2.0)
        assert len(calls) == 2
        assert "Exception while loading results" in caplog.text

    def test_what_reads_a_lock_cannot_be_named(self, graphs, tmp_path):
        lock = threading.Lock()

        def guarded(graph):
            with lock:
                return degree(graph)

        with pytest.raises(ValueError, match=r"cannot name the encoding.* → lock: .*no content"):
            ga.encodings.precompute(graphs, {"x": guarded}, cache=tmp_path)


def test_errors_name_what_is_wrong(graphs):
    with pytest.raises(ValueError, match="must not contain 'features'"):
        ga.encodings.precompute(graphs, {"features": degree})
    with pytest.raises(ValueError, match="pairs is empty"):
        ga.encodings.precompute(graphs, {"degree": degree}, pattern=ga.graphs.all_pairs)
    with pytest.raises(ValueError, match=r"nodes\['bad'\] must give arrays with 19 rows"):
        ga.encodings.precompute(graphs, {"bad": lambda g: np.ones((3, 1))})
    padded = ga.graphs.pad(graphs[0], ga.graphs.Budget(8, 16, 2))
    with pytest.raises(ValueError, match="padded graph"):
        ga.encodings.precompute([padded], {"degree": degree})
    with pytest.raises(ValueError, match="pattern must keep the nodes"):
        ga.encodings.precompute(
            graphs, pairs={"adjacent": adjacent}, pattern=ga.graphs.add_virtual_node
        )
    with pytest.raises(ValueError, match="threads must be a positive integer"):
        ga.encodings.precompute(graphs, {"degree": degree}, threads=0)


def test_no_graphs_give_no_graphs():
    assert ga.encodings.precompute([], {"degree": degree}) == []
