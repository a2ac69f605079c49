"""Fixtures of the contract.

A compilation costs a hundred times the arithmetic of these graphs. So the properties run op by op,
and one test ties the compiled layer to them.
"""

import jax
import pytest
from _table import CASES


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request):
    return request.param


@pytest.fixture
def op_by_op():
    with jax.disable_jit():
        yield
