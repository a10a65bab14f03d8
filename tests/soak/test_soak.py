"""Whatever goes wrong, nothing is lost, nothing is altered, and few messages come twice.

``MAILHAUL_SIM_SEED=N`` runs one seed and prints its scenario; ``MAILHAUL_SIM_POLLS=M`` says how
many polls there are to be. ``python -m tests.soak`` runs a million of them on all cores.
"""

from __future__ import annotations

import os
from itertools import count

import pytest

from .faults import Fault, Faults
from .kinds import KINDS, possible
from .run import SeedFailed, Summary, run_seed, run_seeds
from .scenario import draw_scenario
from .world import World

ENOUGH = 6000
POLLS = int(os.environ.get("MAILHAUL_SIM_POLLS", ENOUGH))
SEED = os.environ.get("MAILHAUL_SIM_SEED")

one_seed = pytest.mark.skipif(SEED is None, reason="MAILHAUL_SIM_SEED names no seed")
all_seeds = pytest.mark.skipif(SEED is not None, reason="MAILHAUL_SIM_SEED names one seed")


@one_seed
def test_the_seed_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(SEED or "0")
    with capsys.disabled():
        print(f"\n{draw_scenario(seed, possible)}")
    run_seed(seed, Summary())


@all_seeds
def test_no_seed_loses_alters_or_multiplies_a_message() -> None:
    summary = run_seeds(count(1), POLLS)
    print(summary)
    assert summary.polls >= POLLS
    if POLLS >= ENOUGH:
        # A fault that never happens shows nothing.
        assert summary.struck.keys() == summary.drawn.keys() == KINDS.keys()


def test_there_are_many_ways_to_go_wrong_and_each_says_what_it_does() -> None:
    assert len(KINDS) >= 90
    assert all(kind.what and kind.at for kind in KINDS.values())


def test_every_fault_is_drawn_wherever_it_makes_sense() -> None:
    pairs = {(name, at) for name, kind in KINDS.items() for at in kind.at}
    drawn: set[tuple[str, str]] = set()
    for seed in range(40_000):
        scenario = draw_scenario(seed, possible)
        drawn |= {(fault.name, fault.at) for poll in scenario.faults for fault in poll}
        if drawn == pairs:
            return
    assert drawn == pairs


def test_a_seed_repeats_exactly() -> None:
    def run(seed: int) -> object:
        scenario = draw_scenario(seed, possible)
        world = World(scenario)
        world.run()
        received = [(one.recipients, one.text) for one in world.received.messages]
        return str(scenario), world.polls, world.struck, received, world.steps

    for seed in range(1, 30):
        assert run(seed) == run(seed)


def test_a_seed_that_fails_tells_its_scenario_and_how_to_run_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(World, "is_accepted", lambda world, text: False)
    with pytest.raises(SeedFailed) as failed:
        run_seeds(count(1), ENOUGH)
    text = str(failed.value)
    assert text.startswith("Broken in poll ")
    assert "\n  poll 1: " in text
    assert text.endswith(f"again: MAILHAUL_SIM_SEED={failed.value.seed} pytest tests/soak")


def test_a_fault_strikes_at_its_time_and_as_often_as_drawn() -> None:
    faults = Faults([Fault("NO", "imap Select", nth=2, times=2, amount=0)])
    struck = [faults.due("imap Select") is not None for _ in range(5)]
    assert struck == [False, True, True, False, False]
    assert faults.due("imap Login") is None
