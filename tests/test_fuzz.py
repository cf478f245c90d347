"""200 random headers and arrays; ``python benchmarks/fuzz.py`` tries 10,000."""

import logging

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from .fuzz_cases import cases, judge


@pytest.mark.filterwarnings("ignore")
@seed(20100714)
@settings(
    max_examples=200,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(cases())
def test_right_or_refused_in_one_sentence(case):
    logger = logging.getLogger("sunpy")
    logger.setLevel(logging.CRITICAL)
    try:
        judge(case)
    finally:
        logger.setLevel(logging.NOTSET)
