"""What is taken, and that every reason is the one that the implementation gives."""

import importlib

import jax
import numpy as np
import pytest

from graphattn_jax import ops
from graphattn_jax.ops._edge_attention import _implementations

X = np.ones((4, 2, 32), np.float32)
IDS = np.arange(4)
BARE = ops.Edges(IDS, IDS, num_senders=4)
EDGES = ops.prepare_edges(BARE)


def test_without_a_layout_only_the_reference_is_left():
    choice = ops.explain_choice(X, X, X, BARE)
    assert choice.implementation == "reference"
    assert set(choice.reasons) == set(ops.IMPLEMENTATIONS)
    assert "needs the layout of the edges. Fix: graph = ga.graphs.prepare" in choice.reasons["xla"]
    assert str(choice).count("\n") == len(ops.IMPLEMENTATIONS) - 1
    assert "can be named" in ops.explain_choice(X, X, X, EDGES).reasons["triton"]


def test_the_kernels_are_taken_where_they_are_built():
    choice = ops.explain_choice(X, X, X, EDGES)
    try:
        ops.build_cpp()
    except RuntimeError:
        assert choice.implementation == "xla"
        assert "ga.ops.build_cpp()" in choice.reasons["cpp"]
    else:
        assert choice.implementation == "cpp"
        assert choice.reasons["xla"] == "supports these arguments; cpp is preferred"


def test_what_is_explained_is_what_is_taken():
    """For random calls; every name binds or gives its reason as the error."""
    rng = np.random.default_rng(0)
    normalizers = (ops.Softmax(), ops.Sigmoid(), ops.Symmetric(), ops.Sinkhorn(2))
    for _ in range(40):
        channels = int(rng.choice([1, 8, 20]))
        value = np.ones((4, 2, channels), np.float32)
        score = [
            ops.DotScore(),
            ops.GATv2Score(value[0]),
            ops.DotScore(edge=value),
            ops.SymmetrizedScore(ops.DotScore()),
        ][rng.integers(4)]
        edges = (
            ops.prepare_edges(BARE, degree_blocks=bool(rng.integers(2)))
            if rng.integers(3)
            else BARE
        )
        options = {"score": score, "normalizer": normalizers[rng.integers(4)]}
        choice = ops.explain_choice(value, value, value, edges, **options)

        def attend(q, name, edges=edges, options=options):
            return ops.edge_attention(q, q, q, edges, implementation=name, **options).out

        def traced(name, value=value, attend=attend):
            return str(jax.make_jaxpr(lambda q: attend(q, name))(value))

        assert traced(None) == traced(choice.implementation)
        for name, reason in choice.reasons.items():
            if reason.startswith(f"implementation={name!r}"):
                with pytest.raises(NotImplementedError) as error:
                    traced(name)
                assert str(error.value) == reason
            else:
                traced(name)


def test_where_pallas_has_lost_its_triton_backend_the_others_are_left(monkeypatch):
    real = importlib.import_module

    def without(name, *rest):
        if name == "jax.experimental.pallas.triton":
            raise ImportError("No module named 'jax.experimental.pallas.triton'")
        return real(name, *rest)

    monkeypatch.setattr(_implementations, "on_cpu", lambda: False)
    monkeypatch.setattr(_implementations, "on_recent_nvidia_gpu", lambda: True)
    assert ops.explain_choice(X, X, X, EDGES).implementation == "triton"
    monkeypatch.setattr(importlib, "import_module", without)
    choice = ops.explain_choice(X, X, X, EDGES)
    assert choice.implementation == "xla"
    assert (
        "needs the Triton backend of Pallas, which this jax does not have"
        in choice.reasons["triton"]
    )
    with pytest.raises(NotImplementedError, match="needs the Triton backend of Pallas"):
        ops.edge_attention(X, X, X, EDGES, implementation="triton")


@pytest.mark.parametrize(
    ("make", "wide"),
    [
        (lambda c: ops.DotScore(), 16),
        (lambda c: ops.GATv2Score(np.ones((2, c), np.float32)), 32),
        (lambda c: ops.AdditiveScore(), 64),
    ],
)
def test_few_channels_are_for_xla(make, wide):
    try:
        ops.build_cpp()
    except RuntimeError as error:
        pytest.skip(str(error))
    for channels, taken in ((wide - 1, "xla"), (wide, "cpp")):
        score, value = make(channels), np.ones((4, 2, channels), np.float32)
        query = value[:, :, 0] if isinstance(score, ops.AdditiveScore) else value
        choice = ops.explain_choice(query, query, value, EDGES, score=score)
        assert choice.implementation == taken
        f = jax.jit(lambda *a, score=score: ops.edge_attention(*a, EDGES, score=score).out)
        compiled = f.lower(query, query, value).compile().as_text()
        assert ("graphattn_edge_forward" in compiled) == (taken == "cpp")


def test_vectors_on_edges_are_not_narrow():
    x = X[:, :, :8]
    score = ops.DotScore(edge=np.ones((4, 2, 8), np.float32))
    choice = ops.explain_choice(x, x, x, EDGES, score=score)
    assert choice.implementation == (
        "cpp" if "cpp is preferred" in choice.reasons["xla"] else "xla"
    )


def test_wrong_arguments_are_errors_as_in_the_op():
    for value in (X[:3], X[:, 0]):
        with pytest.raises(ValueError, match=r"value must have shape \[4, 2, C\]"):
            ops.explain_choice(X, X, value, EDGES)
    with pytest.raises(ValueError, match="score must be a DotScore"):
        ops.explain_choice(X, X, X, EDGES, score="dot")
