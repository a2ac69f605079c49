"""What a layer is: a value that prints as it is called, and dropout that needs a key."""

from dataclasses import KW_ONLY, dataclass

import jax
import numpy as np
import pytest

from graphattn_jax import graphs, nn, ops


@dataclass(frozen=True, repr=False)
class Scaled(nn.Layer):
    """x' = factor · x."""

    factor: float = 1.0
    _: KW_ONLY
    then: str | None = None

    def init(self, key, in_features, edge_features=None):
        return None

    def apply(self, params, graph, *, training=False, key=None):
        return nn.LayerOutput(graph._replace(nodes=self.factor * graph.nodes))


def test_a_layer_prints_as_the_call_that_makes_it():
    assert repr(Scaled()) == "Scaled()"
    assert repr(Scaled(2.0, then="elu")) == "Scaled(factor=2.0, then='elu')"
    assert eval(repr(Scaled(2.0, then="elu"))) == Scaled(2.0, then="elu")


def test_a_layer_of_ones_own_is_jitted_without_static_names():
    graph = graphs.from_edge_list([0], [1], nodes=np.ones((2, 3), np.float32))
    out = jax.jit(Scaled(3.0).apply)(None, graph)
    assert out.attention is None and not Scaled.updates_edges
    np.testing.assert_array_equal(out.graph.nodes, 3 * graph.nodes)
    assert len({Scaled(3.0), Scaled(3.0), Scaled(2.0)}) == 2


def test_a_layer_needs_both_functions():
    with pytest.raises(TypeError, match="abstract"):
        type("Half", (nn.Layer,), {"init": Scaled.init})()


def test_dropout_only_in_training_with_a_rate():
    key = jax.random.key(0)
    assert nn.training_dropout(0.5, False, key) is None
    assert nn.training_dropout(0.0, True, None) is None
    dropout = nn.training_dropout(0.5, True, key)
    assert isinstance(dropout, ops.Dropout) and (dropout.rate, dropout.key) == (0.5, key)


def test_dropout_arguments():
    with pytest.raises(ValueError, match=r"dropout=0.5 needs key= in training"):
        nn.training_dropout(0.5, True, None)
    with pytest.raises(ValueError, match="key must be a typed key"):
        nn.training_dropout(0.5, True, np.zeros(2, np.uint32))
    with pytest.raises(ValueError, match=r"dropout must be a number in \[0, 1\)"):
        nn.training_dropout(1.0, False, None)
