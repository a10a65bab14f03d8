"""``python -m bench [--quick] [--rounds N] [NAME ...]``: run, print, and write docs/speed.md.

A name is a scenario's, or its beginning up to a dash; "growth-..." and "D1" are among them.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from . import idle, plots, report
from .growth import SERIES, GrowthSeries
from .place import private_place
from .results import Growth, Idle, Point, Result, Results, load, middle
from .runner import Runner, tools_of
from .scenarios import IDLE_CONNECTIONS, SCENARIOS, Scenario
from .tools import MAILHAUL

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "speed.md"
FOLDER = ROOT / "docs" / "speed"
RESULTS = FOLDER / "results.json"
ROUNDS = 3
NAMES = (
    *(scenario.name for scenario in SCENARIOS),
    *(f"growth-{series.name}" for series in SERIES),
    "D1",
)


def main(words: Sequence[str]) -> int:
    """Run what is named, or all; 1 if a run of mailhaul's failed its check."""
    options = arguments(words)
    if os.geteuid() != 0:
        print("The servers change user and need root: use a container.", file=sys.stderr)
        return 2
    results = Results() if options.quick or options.messages else load(RESULTS)
    # A run that is ended ends its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    bench = Bench(results, options.rounds, peers=not options.alone)
    with private_place() as place:
        for _ in bench.run(Runner(place, say), options):
            if not (options.quick or options.messages):
                # At once: a run that is ended keeps what it has measured.
                write(results)
    chosen = [one for one in SCENARIOS if one.name in bench.ran]
    print(f"\n{report.overview(results, chosen)}\n{report.details(results, chosen)}")
    return int(bench.failed)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--quick", action="store_true", help="two minutes; nothing is written")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--messages", type=int, help="so many in each; nothing is written")
    parser.add_argument("--alone", action="store_true", help="mailhaul and the floor only")
    parser.add_argument("name", nargs="*")
    options = parser.parse_args(words)
    for name in options.name:
        if not any(wanted(one, [name]) for one in NAMES):
            parser.error(f"unknown name {name}; there are {', '.join(NAMES)}")
    return options


def wanted(name: str, names: Sequence[str]) -> bool:
    """Tell whether a name is among those asked for; nothing asked for is all."""
    return not names or any(name == one or name.startswith(f"{one}-") for one in names)


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


class Bench:
    """Runs what was asked for, and adds it to the results."""

    def __init__(self, results: Results, rounds: int, *, peers: bool) -> None:
        self._results = results
        self._rounds = rounds
        self._peers = peers
        self._date = datetime.datetime.now(datetime.UTC).date().isoformat()
        self._machine = machine()
        self.ran: list[str] = []
        self.failed = False

    def run(self, runner: Runner, options: argparse.Namespace) -> Iterator[None]:
        """Run the scenarios, then what shows growth, then the connections that wait.

        Yields after each of them.
        """
        for scenario in SCENARIOS:
            if wanted(scenario.name, options.name):
                self._scenario(runner, scenario, options)
                yield
        short = options.quick or options.messages
        for series in SERIES:
            if wanted(f"growth-{series.name}", options.name) and not short:
                self._growth(runner, series)
                yield
        if wanted("D1", options.name) and not short:
            self._idle()
            yield

    def _scenario(self, runner: Runner, scenario: Scenario, options: argparse.Namespace) -> None:
        if options.quick and scenario.quick is None:
            return
        chosen = scenario.shortened() if options.quick else scenario
        if options.messages and chosen.messages:
            chosen = replace(chosen, messages=options.messages)
        series = runner.run(chosen, self._rounds, tools_of(chosen, peers=self._peers))
        self._results.scenarios[scenario.name] = Result(self._date, self._machine, series)
        self.ran.append(scenario.name)
        self.failed |= any(one.failure for one in series if one.tool == MAILHAUL.name)

    def _growth(self, runner: Runner, series: GrowthSeries) -> None:
        points: list[Point] = []
        for amount in series.amounts:
            rounds = 1 if amount == series.amounts[-1] else self._rounds
            (ours,) = runner.run(series.scenario(amount), rounds, [(MAILHAUL, "")])
            if ours.failure:
                self.failed = True
                return
            points.append(middle(amount, ours.runs))
        self._results.growth[series.name] = Growth(self._date, self._machine, points)

    def _idle(self) -> None:
        found = idle.measure(IDLE_CONNECTIONS, idle.our_server)
        floor = idle.bare(IDLE_CONNECTIONS)
        self._results.idle = Idle(
            *(self._date, self._machine, IDLE_CONNECTIONS),
            *(found.memory, floor, found.processor, found.late),
        )
        say(f"D1: {found.memory / 1024:.1f} KiB each, floor {floor / 1024:.1f} KiB")


def machine() -> str:
    """Describe this machine in a line."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    names = [
        line.partition(":")[2].strip() for line in cpuinfo.splitlines() if "model name" in line
    ]
    return (
        f"{os.cpu_count()} cores ({names[0] if names else platform.machine()}),"
        f" {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def write(results: Results) -> None:
    """Write the results, the page and its plots."""
    results.save(RESULTS)
    (FOLDER / "ratios.svg").write_text(plots.ratios(results))
    for series in SERIES:
        if found := results.growth.get(series.name):
            picture = plots.growth(series.title, series.unit, found)
            (FOLDER / f"growth-{series.name}.svg").write_text(picture)
    PAGE.write_text(report.page(PAGE.read_text(), results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
