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


def test_few_channels_are_for_xla():
    narrow = X[:, :, :31]
    for width, score, taken in (
        (31, None, "xla"),
        (32, None, "cpp"),
        (32, ops.AdditiveScore(), "xla"),
    ):
        q = X[:, :, 0] if score else X[:, :, :width]
        try:
            ops.build_cpp()
        except RuntimeError:
            taken = "xla"
        arguments = (q, q, X[:, :, :width], IDS, IDS)
        assert ops.explain_choice(*arguments, score=score, layout=LAYOUT).implementation == taken
        f = jax.jit(lambda *a, score=score: ops.edge_attention(*a, score=score, layout=LAYOUT).out)
        compiled = f.lower(*arguments).compile().as_text()
        assert ("graphattn_edge_forward" in compiled) == (taken == "cpp")
    assert ops.explain_choice(narrow, narrow, narrow, IDS, IDS).implementation == "reference"


def test_vectors_on_edges_are_not_for_xla():
    score = ops.DotScore(edge=np.ones((4, 2, 8), np.float32))
    x = X[:, :, :8]
    choice = ops.explain_choice(x, x, x, IDS, IDS, score=score, layout=LAYOUT)
    assert choice.implementation in ("cpp", "reference")


def test_wrong_arguments_are_errors_as_in_the_op():
    with pytest.raises(ValueError, match="value must have shape"):
        ops.explain_choice(X, X, X[:3], IDS, IDS)
