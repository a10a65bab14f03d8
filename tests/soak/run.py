"""Runs seeds: one after the other, each a world of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .kinds import KINDS, possible
from .scenario import Scenario, draw_scenario
from .world import World


@dataclass(slots=True)
class Summary:
    """What some seeds came to."""

    seeds: int = 0
    polls: int = 0
    drawn: Counter[str] = field(default_factory=Counter[str])
    struck: Counter[str] = field(default_factory=Counter[str])

    def add(self, scenario: Scenario, world: World) -> None:
        """Count one world."""
        self.seeds += 1
        self.polls += world.polls
        self.drawn.update(fault.name for poll in scenario.faults for fault in poll)
        self.struck.update(world.struck)

    def merge(self, other: Summary) -> None:
        """Count what others have counted."""
        self.seeds += other.seeds
        self.polls += other.polls
        self.drawn.update(other.drawn)
        self.struck.update(other.struck)

    def __str__(self) -> str:
        lines = [
            f"{self.seeds} seeds, {self.polls} polls; faults drawn, and how often they struck:"
        ]
        lines += [f"{self.drawn[name]:9}{self.struck[name]:9}  {name}" for name in KINDS]
        return "\n".join(lines)


class SeedFailed(AssertionError):
    """A seed shows a fault of ours. ``str()`` tells the scenario and how to run it again."""

    def __init__(self, scenario: Scenario, poll: int, error: BaseException) -> None:
        super().__init__(
            f"{type(error).__name__} in poll {poll}: {error}\n{scenario}\n"
            f"again: MAILHAUL_SIM_SEED={scenario.seed} pytest tests/soak"
        )
        self.seed = scenario.seed


def run_seed(seed: int, summary: Summary) -> None:
    """Run one scenario. Raises SeedFailed."""
    scenario = draw_scenario(seed, possible)
    world = World(scenario)
    try:
        world.run()
    except Exception as error:
        raise SeedFailed(scenario, world.polls, error) from error
    finally:
        world.ledger.close()
    summary.add(scenario, world)


def run_seeds(seeds: Iterable[int], polls: int) -> Summary:
    """Run seeds until there were so many polls. Raises SeedFailed."""
    summary = Summary()
    for seed in seeds:
        if summary.polls >= polls:
            break
        run_seed(seed, summary)
    return summary
