"""A case of the fuzz of each kind, the same every time."""

import pytest

from ._run import run_case


@pytest.mark.parametrize("case", range(7))
def test_the_library_computes_its_equations(case):
    assert run_case(case) is None
