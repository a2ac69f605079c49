"""Waves of times against sines one by one."""

import math

import numpy as np
import pytest

import graphattn_jax as ga


@pytest.mark.parametrize("width", [1, 4, 7])
def test_waves_one_by_one(width):
    times = np.array([0.0, 1.5, -40.0], np.float32)
    want = [
        [
            (math.cos if k % 2 else math.sin)(t * 10000 ** (-2 * (k // 2) / width))
            / math.sqrt(width)
            for k in range(width)
        ]
        for t in times
    ]
    np.testing.assert_allclose(ga.nn.sinusoid(times, width), want, rtol=1e-5, atol=1e-6)
