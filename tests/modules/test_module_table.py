"""Which layers are modules, and what their classes look like."""

import inspect
import subprocess
import sys

import pytest
from _module_cases import CASES

from graphattn_jax import attention, message_passing, models, modules
from graphattn_jax.modules._layers import LAYERS

# A table of biases is an `nn.Embed`; inputs are part of the networks.
NOT_MODULES = {"init_relative_bias", "init_inputs"}


def test_every_public_init_has_a_module():
    public = {
        getattr(package, name)
        for package in (attention, message_passing, models)
        for name in package.__all__
        if name.startswith("init_") and name not in NOT_MODULES
    }
    assert public == {layer.init for layer in LAYERS.values()}
    assert CASES.keys() == LAYERS.keys()


@pytest.mark.parametrize("package", [modules.linen, modules.nnx], ids=["linen", "nnx"])
@pytest.mark.parametrize("name", LAYERS)
def test_arguments_are_described_and_belong_to_one_place(package, name):
    layer, cls = LAYERS[name], getattr(package, name)
    assert (cls.__name__, cls.__qualname__, cls.__module__) == (name, name, package.__name__)
    doc = inspect.getdoc(cls)
    in_call = [*layer.inputs, *layer.arrays]
    for parameter in layer.fields + in_call:
        linen_infers = package is modules.linen and parameter.name in layer.inferred
        described = f"\n  {parameter.name}: " in doc
        assert described != linen_infers, parameter.name
        assert f"\n  {parameter.name}: \n" not in doc
    assert not {p.name for p in layer.fields} & {p.name for p in in_call}
    called = inspect.signature(cls.__call__).parameters
    assert list(called)[1 : 1 + len(in_call)] == [p.name for p in in_call]
    assert ("deterministic" in called) == layer.trains


def test_flax_loads_when_a_framework_is_asked_for():
    code = (
        "import sys, graphattn_jax as ga\n"
        "ga.modules\n"
        "assert 'flax' not in sys.modules\n"
        "ga.modules.linen.GAT\n"
        "assert 'flax.linen' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_unknown_framework_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'haiku'"):
        _ = modules.haiku
    assert dir(modules) == ["linen", "nnx"]
