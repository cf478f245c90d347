"""
Random headers and arrays: each is right, or refused in one sentence, within bounds of memory and time.

    python benchmarks/fuzz.py [--cases N] [--seed S]

prints how many ended how, and exits with 1 if one was wrong. What a case is and what counts as right:
tests/inference/fuzz_cases.py. It runs in a child process with a limit on its memory, so that a death is counted too.
"""

import argparse
import collections
import logging
import multiprocessing
import resource
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

MEMORY = 8 * 2**30  # bytes of address space
SECONDS = 20.0  # for one case, the first of a model aside


def run(number, seed, queue):
    """Judge cases and report each."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    from tests.inference.fuzz_cases import cases, judge

    logging.getLogger("sunpy").setLevel(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    @seeded(seed)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def each(case):
        start = time.perf_counter()
        try:
            outcome, detail = judge(case), ""
        except AssertionError as error:
            outcome, detail = "wrong", f"{error}\n{case}"
        except MemoryError as error:
            outcome, detail = "out of memory", f"{error}\n{case}"
        except Exception:  # noqa: BLE001  whatever it is, it is counted
            outcome, detail = "error from inside", f"{traceback.format_exc()}\n{case}"
        queue.put((outcome, detail, time.perf_counter() - start))

    each()
    queue.put(None)


def main():
    """Run the cases and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=run, args=(options.cases, options.seed, queue))
    child.start()
    outcomes, longest = collections.Counter(), 0.0
    while True:
        try:
            found = queue.get(timeout=5)
        except multiprocessing.queues.Empty:
            if child.is_alive():
                continue
            outcomes["death"] += 1
            break
        if found is None:
            break
        outcome, detail, seconds = found
        outcomes[outcome] += 1
        longest = max(longest, seconds)
        if detail:
            print(f"--- {outcome}\n{detail}", file=sys.stderr)
    good = ("right", "refused", "no map")
    for outcome in (*good, *sorted(set(outcomes) - set(good))):
        print(f"{outcome:20} {outcomes[outcome]}")
    print(f"{'longest case':20} {longest:.1f} s")
    return int(any(outcome not in good for outcome in outcomes) or longest > SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
