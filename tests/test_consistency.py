"""The block means of the result are the input."""

import numpy as np
import pytest

from sunpy_magsr.consistency import enforce, exact
from sunpy_magsr.forward_model import degrade


def test_exact(rng):
    low = rng.normal(0, 800, (20, 30)).astype(np.float32)
    high = rng.normal(0, 300, (80, 120)).astype(np.float32)
    result = exact(high, low)
    assert degrade(result) == pytest.approx(low, abs=0.01)
    assert enforce(high, low, "exact") == pytest.approx(result)


def test_exact_keeps_what_agrees(rng):
    high = rng.normal(0, 300, (80, 120))
    assert exact(high, degrade(high)) == pytest.approx(high)
