"""What is taken, and that every reason is the one that the implementation gives."""

import jax
import numpy as np
import pytest

from graphattn_jax import ops

X = np.ones((4, 2, 32), np.float32)
IDS = np.arange(4)
LAYOUT = ops.edge_layout(IDS, IDS, num_senders=4)


def test_without_a_layout_only_the_reference_is_left():
    choice = ops.explain_choice(X, X, X, IDS, IDS)
    assert choice.implementation == "reference"
    assert set(choice.reasons) == set(ops.IMPLEMENTATIONS)
    assert "needs layout=" in choice.reasons["xla"]
    assert "can be named" in choice.reasons["triton"]
    assert str(choice).count("\n") == len(ops.IMPLEMENTATIONS) - 1


def test_the_kernels_are_taken_where_they_are_built():
    choice = ops.explain_choice(X, X, X, IDS, IDS, layout=LAYOUT)
    try:
        ops.build_cpp()
    except RuntimeError:
        assert choice.implementation == "xla"
        assert "ga.ops.build_cpp()" in choice.reasons["cpp"]
    else:
        assert choice.implementation == "cpp"
        assert choice.reasons["xla"] == "supports these arguments; cpp is preferred"


@pytest.fixture
def kernels_at_any_width():
    """Not here."""


def test_values_of_any_rank_are_left_to_the_op_to_refuse():
    with pytest.raises(ValueError, match=r"value must have shape \[4, 2, C\]"):
        ops.explain_choice(X, X, X[:, 0], IDS, IDS)
    with pytest.raises(ValueError, match="score must be a DotScore"):
        ops.explain_choice(X, X, X, IDS, IDS, score="dot")


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
        arguments = (query, query, value, IDS, IDS)
        choice = ops.explain_choice(*arguments, score=score, layout=LAYOUT)
        assert choice.implementation == taken
        f = jax.jit(lambda *a, score=score: ops.edge_attention(*a, score=score, layout=LAYOUT).out)
        compiled = f.lower(*arguments).compile().as_text()
        assert ("graphattn_edge_forward" in compiled) == (taken == "cpp")


def test_vectors_on_edges_are_not_for_xla():
    score = ops.DotScore(edge=np.ones((4, 2, 8), np.float32))
    x = X[:, :, :8]
    choice = ops.explain_choice(x, x, x, IDS, IDS, score=score, layout=LAYOUT)
    assert choice.implementation in ("cpp", "reference")


def test_wrong_arguments_are_errors_as_in_the_op():
    with pytest.raises(ValueError, match="value must have shape"):
        ops.explain_choice(X, X, X[:3], IDS, IDS)
