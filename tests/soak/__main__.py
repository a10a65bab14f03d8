"""``python -m tests.soak``: a million polls on all cores, or as many as ``--polls`` says.

Seeds go out in blocks, in order; a seed that fails is told at once and the others go on.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count

from .run import SeedFailed, Summary, run_seed

BLOCK = 500
"""Seeds that one process runs before it reports."""
Report = tuple[Summary, list[str]]


def run_block(first: int) -> Report:
    """Run some seeds; return what they came to, and the complaints of those that failed."""
    summary = Summary()
    complaints: list[str] = []
    for seed in range(first, first + BLOCK):
        try:
            run_seed(seed, summary)
        except SeedFailed as failure:
            complaints.append(str(failure))
    return summary, complaints


def run_blocks(first: int, polls: int, cores: int) -> tuple[Summary, int]:
    """Run blocks until there were so many polls; return the summary and how many seeds failed."""
    summary, failed = Summary(), 0
    starts = count(first, BLOCK)
    with ProcessPoolExecutor(cores) as pool:
        running: set[Future[Report]] = {pool.submit(run_block, next(starts)) for _ in range(cores)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                block, complaints = future.result()
                summary.merge(block)
                failed += len(complaints)
                for complaint in complaints:
                    print(complaint, flush=True)
                if summary.polls < polls:
                    running.add(pool.submit(run_block, next(starts)))
    return summary, failed


def main() -> int:
    """Run, and tell how it went."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--polls", type=int, default=1_000_000)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    began = time.monotonic()
    summary, failed = run_blocks(asked.first_seed, asked.polls, asked.cores)
    seconds = time.monotonic() - began
    print(summary)
    print(
        f"seeds {asked.first_seed} to {asked.first_seed + summary.seeds + failed - 1}: "
        f"{summary.polls} polls in {seconds:.0f} s, {summary.polls / seconds:.0f} a second on "
        f"{asked.cores} core(s); {failed} seed(s) failed"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
