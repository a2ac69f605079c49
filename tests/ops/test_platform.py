import types

import jax
import pytest

from graphattn_jax.ops import _platform


@pytest.mark.parametrize(
    ("platform", "capability", "gpu", "recent"),
    [
        ("cpu", None, False, False),
        ("gpu", "9.0", True, True),
        ("gpu", "12.0", True, True),
        ("gpu", "7.5", True, False),
        ("gpu", "gfx942", True, False),
    ],
)
def test_what_the_default_device_is(platform, capability, gpu, recent, monkeypatch):
    device = types.SimpleNamespace(platform=platform, compute_capability=capability)
    monkeypatch.setattr(jax, "local_devices", lambda backend: [device])
    assert _platform.on_cpu() == (not gpu)
    assert (_platform.on_gpu(), _platform.on_recent_nvidia_gpu()) == (gpu, recent)


def test_a_chosen_default_device_counts():
    with jax.default_device(jax.devices("cpu")[1]):
        assert not _platform.on_gpu() and _platform._default_device().id == 1
