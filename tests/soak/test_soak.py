"""Whatever goes wrong, nothing is lost, nothing is altered, and few messages come twice.

``MAILHAUL_SIM_SEED=N`` runs one seed and prints its scenario; ``MAILHAUL_SIM_POLLS=M`` says how
many polls there are to be.
"""

from __future__ import annotations

import os
from itertools import count

import pytest

from .kinds import possible
from .run import Summary, run_seed, run_seeds
from .scenario import draw_scenario

POLLS = int(os.environ.get("MAILHAUL_SIM_POLLS", "2000"))
SEED = os.environ.get("MAILHAUL_SIM_SEED")


@pytest.mark.skipif(SEED is None, reason="MAILHAUL_SIM_SEED names no seed")
def test_the_seed_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(SEED or "0")
    with capsys.disabled():
        print(f"\n{draw_scenario(seed, possible)}")
    run_seed(seed, Summary())


@pytest.mark.skipif(SEED is not None, reason="MAILHAUL_SIM_SEED names one seed")
def test_no_seed_loses_alters_or_multiplies_a_message() -> None:
    summary = run_seeds(count(1), POLLS)
    print(summary)
    assert summary.polls >= POLLS
