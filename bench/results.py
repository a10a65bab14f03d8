"""Figures as they are kept in docs/speed/results.json, and what is computed from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from .scenarios import MEBIBYTE, Goal, Scenario
from .tools import PEERS

MAILHAUL = "mailhaul"
FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run used: seconds of wall and CPU time, octets of its largest process."""

    wall: float
    cpu: float
    memory: int


Measure = Callable[[Usage], float]


def wall(usage: Usage) -> float:
    """Return the seconds of wall time."""
    return usage.wall


def cpu(usage: Usage) -> float:
    """Return the seconds of CPU time."""
    return usage.cpu


def mebibytes(usage: Usage) -> float:
    """Return the memory."""
    return usage.memory / MEBIBYTE


@dataclass(slots=True)
class Series:
    """The runs of one tool in one scenario, a round each; ``failure`` says why there are none."""

    tool: str
    runs: list[Usage]
    failure: str = ""

    @property
    def good(self) -> bool:
        """Whether there are figures to compare with."""
        return bool(self.runs) and not self.failure

    def median(self, measure: Measure) -> float:
        """Return the middle one."""
        return median(map(measure, self.runs))

    def spread(self, measure: Measure) -> tuple[float, float]:
        """Return the smallest and the largest."""
        values = [measure(run) for run in self.runs]
        return min(values), max(values)


@dataclass(slots=True)
class Result:
    """One scenario, measured on one machine on one day."""

    date: str
    machine: str
    series: list[Series]

    def of(self, tool: str) -> Series | None:
        """Return the runs of a tool, or of the fastest peer, if there are any."""
        if tool == "best peer":
            peers = [one for one in self.series if one.tool in PEERS and one.good]
            return min(peers, key=lambda one: one.median(wall), default=None)
        return next((one for one in self.series if one.tool == tool and one.good), None)

    def ratio(self, tool: str, measure: Measure) -> float | None:
        """Return how many times the other's figure mailhaul's is: the median over the rounds.

        Both are taken from the same round, so that what slows the machine down slows both.
        """
        ours, theirs = self.of(MAILHAUL), self.of(tool)
        if ours is None or theirs is None:
            return None
        pairs = zip(ours.runs, theirs.runs, strict=False)
        return median(measure(one) / max(measure(other), 1e-6) for one, other in pairs)

    def met(self, goal: Goal) -> bool | None:
        """Tell whether a goal is reached; None if that is not known."""
        ratio = self.ratio(goal.against, wall)
        return None if ratio is None else ratio <= goal.at_most

    def within_bounds(self, scenario: Scenario) -> bool | None:
        """Tell whether mailhaul's memory and wall time stay within the scenario's bounds."""
        ours = self.of(MAILHAUL)
        if ours is None:
            return None
        memory, seconds = scenario.most_mebibytes, scenario.most_seconds
        small = memory is None or ours.spread(mebibytes)[1] <= memory
        return small and (seconds is None or ours.median(wall) <= seconds)


@dataclass(frozen=True, slots=True)
class Point:
    """What mailhaul used for so many of something: the median of some runs."""

    amount: int
    wall: float
    cpu: float
    memory: int


@dataclass(slots=True)
class Growth:
    """How cost grows with an amount."""

    date: str
    machine: str
    points: list[Point]


@dataclass(slots=True)
class Idle:
    """A daemon whose connections all wait: octets for each, and what a bare client needs."""

    date: str
    machine: str
    connections: int
    memory: float
    floor: float
    processor: float
    late: float


@dataclass(slots=True)
class Results:
    """Everything that has been measured, by name."""

    scenarios: dict[str, Result] = field(default_factory=dict)
    growth: dict[str, Growth] = field(default_factory=dict)
    idle: Idle | None = None

    def save(self, path: Path) -> None:
        """Write all as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(path: Path) -> Results:
    """Read what was saved; what does not exist is empty."""
    if not path.exists():
        return Results()
    document = json.loads(path.read_text())
    found = Results()
    for name, one in document["scenarios"].items():
        series = [
            Series(line["tool"], [Usage(**run) for run in line["runs"]], line["failure"])
            for line in one["series"]
        ]
        found.scenarios[name] = Result(one["date"], one["machine"], series)
    for name, one in document["growth"].items():
        points = [Point(**point) for point in one["points"]]
        found.growth[name] = Growth(one["date"], one["machine"], points)
    found.idle = Idle(**document["idle"]) if document["idle"] else None
    return found


def middle(amount: int, runs: Sequence[Usage]) -> Point:
    """Return the medians of some runs."""
    series = Series(MAILHAUL, [*runs])
    memory = int(series.median(lambda run: run.memory))
    return Point(amount, series.median(wall), series.median(cpu), memory)
