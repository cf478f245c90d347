"""Random headers and arrays: 25, and 600 in the slow tests; ``python benchmarks/fuzz.py`` tries 10,000."""

import logging

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from .fuzz_cases import cases, judge


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("count", [25, pytest.param(600, marks=pytest.mark.slow)])
def test_right_or_refused_in_one_sentence(count):
    @seed(20100714)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def right_or_refused(case):
        judge(case)

    logger = logging.getLogger("sunpy")
    logger.setLevel(logging.CRITICAL)
    try:
        right_or_refused()
    finally:
        logger.setLevel(logging.NOTSET)
