import subprocess
import sys

import pytest

from graphattn_jax.ops._dispatch import choose, explain


class Asked:
    """An implementation that notes when it is asked."""

    def __init__(self, name, log, missing=None):
        self.name, self.log, self.missing = name, log, missing

    def supports(self, call):
        self.log.append(self.name)
        return self.missing


@pytest.fixture
def log():
    return []


@pytest.fixture
def implementations(log):
    kinds = [("a", "is too small."), ("b", None), ("c", None), ("elsewhere", None)]
    return {name: Asked(name, log, missing) for name, missing in kinds}


def test_choosing_asks_in_order_and_no_further(implementations, log):
    assert choose(None, implementations, ("a", "b", "c"), None).name == "b"
    assert log == ["a", "b"]
    assert explain(implementations, ("a", "b", "c"), None).implementation == "b"


def test_a_name_binds_or_raises(implementations, log):
    assert choose("elsewhere", implementations, ("b",), None).name == "elsewhere"
    with pytest.raises(NotImplementedError, match="implementation='a' is too small"):
        choose("a", implementations, ("b",), None)
    with pytest.raises(
        ValueError, match="implementation must be one of 'a', 'b', 'c', 'elsewhere'"
    ):
        choose("d", implementations, ("b",), None)


def test_attention_on_the_cpu_does_not_import_pallas():
    """Its import changes the tracing context: the second call of a jitted function would trace again."""
    code = (
        "import sys, jax, numpy as np, graphattn_jax as ga\n"
        "edges = ga.ops.prepare_edges(ga.ops.Edges(np.array([0]), np.array([1]), 2))\n"
        "x = np.ones((2, 1, 2), np.float32)\n"
        "ga.ops.edge_attention(x, x, x, edges)\n"
        "blocks = ga.ops.prepare_blocks(np.array([0, 0]), 1, 2)\n"
        "ga.ops.block_attention(x, x, x, blocks)\n"
        "assert jax.default_backend() != 'cpu' or 'jax.experimental.pallas' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
