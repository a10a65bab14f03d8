"""Random IMAP sessions agree with our server, and find servers that are wrong here and there."""

from __future__ import annotations

import pytest

from mailhaul.conformance.environment import Target
from mailhaul.conformance.imap.environment import ImapEnvironment
from mailhaul.conformance.random.imap import RandomImap
from mailhaul.conformance.random.scripts import Failure
from mailhaul.runtimes.simulated import Simulation

from .imap_server import JOE, PLACE, TRUST, ImapWorld, Mutant, said
from .interposed import Change, Interposed


def play(seed: int, mutant: Mutant | None = None, steps: int = 150) -> Failure | None:
    chosen = mutant or Mutant()
    world = ImapWorld(chosen)
    simulation = Simulation(round_trip=0.01)
    simulation.listen(PLACE, lambda: Interposed(chosen.machine(), chosen.faults), world.serve)
    environment = ImapEnvironment(Target("imap.example.org", PLACE, JOE, TRUST))
    return simulation.run(RandomImap(environment, connections=3).run(seed, steps))


@pytest.mark.parametrize("seed", range(1, 13))
def test_our_server_agrees_with_the_model(seed: int) -> None:
    assert play(seed) is None


FAULTS = {
    "expunged numbers": Change(rb"\* 2 EXPUNGE\r\n", rb"* 1 EXPUNGE\r\n"),
    "a flag that is lost": Change(rb" \\Flagged", rb""),
    "a search that misses one": Change(rb"\* SEARCH (\d+) ", rb"* SEARCH "),
    "too many messages": Change(rb"\* 4 EXISTS", rb"* 5 EXISTS"),
    "a UID twice": Change(rb"UID 3\b", rb"UID 2"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_server_is_found_by_a_short_script(name: str) -> None:
    found = [failure for seed in range(1, 6) if (failure := play(seed, said(FAULTS[name])))]
    assert found
    assert min(len(failure.steps) for failure in found) <= 12
    assert all(failure.broken.expected for failure in found)
