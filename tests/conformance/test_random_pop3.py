"""Random POP3 sessions agree with our server, and find servers that are wrong here and there."""

from __future__ import annotations

import pytest

from mailhaul.conformance.environment import Target
from mailhaul.conformance.pop3.session import Pop3Environment
from mailhaul.conformance.random.pop3 import RandomPop3
from mailhaul.conformance.random.scripts import Failure
from mailhaul.runtimes.simulated import Simulation

from .interposed import Answer, Change, Interposed
from .pop3_server import JOE, PLACE, TRUST, Mutant, Pop3World, said


def play(seed: int, mutant: Mutant | None = None, steps: int = 100) -> Failure | None:
    chosen = mutant or Mutant()
    world = Pop3World(chosen)
    simulation = Simulation(round_trip=0.01)
    simulation.listen(PLACE, lambda: Interposed(chosen.machine(), chosen.faults), world.serve)
    environment = Pop3Environment(Target("pop.example.org", PLACE, JOE, TRUST, store=world))
    return simulation.run(RandomPop3(environment).run(seed, steps))


@pytest.mark.parametrize("seed", range(1, 13))
def test_our_server_agrees_with_the_model(seed: int) -> None:
    assert play(seed) is None


FAULTS: dict[str, Answer | Change] = {
    "DELE of a deleted message": Answer(rb"DELE 2", b"+OK\r\n", after=1),
    "RSET that does nothing": Answer(rb"RSET", b"+OK\r\n"),
    "a dot that is not stuffed": Change(rb"\r\n\.\.\r\n\.", rb"\r\n.\r\n."),
    "a unique id twice": Change(rb"\b1\.3\b", rb"1.2"),
    "a size that is wrong": Change(rb"\r\n4 (\d)", rb"\r\n4 9\1"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_server_is_found_by_a_short_script(name: str) -> None:
    found = [failure for seed in range(1, 4) if (failure := play(seed, said(FAULTS[name])))]
    assert found
    assert min(len(failure.steps) for failure in found) <= 10
