import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax.encodings.device import _probes
from graphattn_jax.encodings.device._probes import mean_over_probes, moments

KEY = jax.random.key(0)


def cubes(probes):
    """Samples that are not linear in a probe, and the same on one node for all of them."""
    drift = jnp.cumsum(probes, axis=0)
    return moments(jnp.stack([drift**3 + 1000, jnp.full_like(drift, 7)]))


@pytest.mark.parametrize("num_probes", [2, 9, 10])
@pytest.mark.parametrize("at_once", [1, 3, 5, 10, 99])
def test_moments_do_not_depend_on_how_many_at_a_time(num_probes, at_once, monkeypatch):
    monkeypatch.setattr(_probes, "ENTRIES", at_once * 6 + 1)
    mean, error = mean_over_probes(
        KEY, cubes, num_nodes=4, num_probes=num_probes, entries_per_probe=6
    )
    keys = jax.random.split(KEY, num_probes)
    signs = np.stack([jax.random.rademacher(key, (4,), jnp.float32) for key in keys], 1)
    assert set(signs.ravel()) == {-1, 1}
    samples = np.cumsum(signs.astype(float), axis=0) ** 3 + 1000
    np.testing.assert_allclose(mean[0], samples.mean(1), rtol=1e-6)
    spread = samples.std(1, ddof=1) / num_probes**0.5
    np.testing.assert_allclose(error[0], spread, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(mean[1], np.full(4, 7))
    np.testing.assert_array_equal(error[1], np.zeros(4))


@pytest.mark.parametrize("num_nodes", [0, 3])
def test_nothing_to_hold_is_one_block(num_nodes):
    mean, _ = mean_over_probes(KEY, moments, num_nodes=num_nodes, num_probes=5, entries_per_probe=0)
    assert mean.shape == (num_nodes,)
