"""The tables: in the terminal, and in docs/speed.md between its markers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .growth import SERIES
from .results import (
    FLOOR,
    MAILHAUL,
    Growth,
    Idle,
    Measure,
    Result,
    Results,
    Series,
    cpu,
    mebibytes,
    wall,
)
from .scenarios import IDLE_GOAL, MEBIBYTE, SCENARIOS, Scenario

NONE = "-"
VERDICTS = {True: "yes", False: "**no**", None: NONE}


def seconds(value: float) -> str:
    """Return seconds with three digits that mean something."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def ratio(value: float | None) -> str:
    """Return a ratio, or a dash."""
    return NONE if value is None else f"{value:.2f}"


def spread(series: Series | None, measure: Measure) -> str:
    """Return a median with the smallest and the largest."""
    if series is None:
        return NONE
    low, high = series.spread(measure)
    return f"{seconds(series.median(measure))} ({seconds(low)} to {seconds(high)})"


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as a table in Markdown; the first one is the heading."""
    heading, *others = rows
    lines = [heading, ["---"] * len(heading), *others]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def goals(scenario: Scenario, result: Result | None) -> tuple[str, str]:
    """Return what is to be reached, and whether it is."""
    parts = [*map(str, scenario.goals)]
    if scenario.most_seconds is not None:
        parts.append(f"{scenario.most_seconds:g} s")
    if scenario.most_mebibytes is not None:
        parts.append(f"{scenario.most_mebibytes} MiB")
    wanted = "; ".join(parts)
    if result is None:
        return wanted, NONE
    met = [result.met(goal) for goal in scenario.goals] + [result.within_bounds(scenario)]
    verdict = None if None in met and False not in met else all(met)
    return wanted, VERDICTS[verdict]


def overview(results: Results, scenarios: Sequence[Scenario] = SCENARIOS) -> str:
    """Return the table of scenarios with ratios and goals."""
    rows: list[Sequence[str]] = [
        (
            *("", "scenario", "mailhaul: wall s", "CPU s", "MiB", "best peer", "wall", "CPU"),
            *("floor: wall", "CPU", "goal (wall, memory)", "reached"),
        )
    ]
    for one in scenarios:
        result = results.scenarios.get(one.name)
        wanted, verdict = goals(one, result)
        figures: tuple[str, ...] = (NONE,) * 8
        if result and (ours := result.of(MAILHAUL)):
            peer = result.of("best peer")
            figures = (
                *(seconds(ours.median(wall)), seconds(ours.median(cpu))),
                f"{ours.median(mebibytes):.0f}",
                peer.tool if peer else NONE,
                *(ratio(result.ratio("best peer", measure)) for measure in (wall, cpu)),
                *(ratio(result.ratio(FLOOR, measure)) for measure in (wall, cpu)),
            )
        rows.append((one.name, one.title, *figures, wanted, verdict))
    return table(rows)


def details(results: Results, scenarios: Sequence[Scenario] = SCENARIOS) -> str:
    """Return the table of all tools, with the spread of their figures."""
    rows = [("scenario", "tool", "wall s", "CPU s", "MiB", "runs")]
    for one in scenarios:
        result = results.scenarios.get(one.name)
        for series in result.series if result else ():
            good = series if series.good else None
            memory = f"{series.median(mebibytes):.1f}" if good else NONE
            note = series.failure.split("\n")[0] or str(len(series.runs))
            figures = (spread(good, wall), spread(good, cpu), memory, note)
            rows.append((one.name, series.tool, *figures))
    return table(rows)


def growth(results: Results) -> str:
    """Return the tables of how cost grows, each with its plot."""
    parts: list[str] = []
    for series in SERIES:
        found = results.growth.get(series.name)
        if found is None:
            continue
        rows = [(series.unit, "wall s", "CPU s", f"CPU per {series.per}", "MiB")]
        for point in found.points:
            each = f"{point.cpu / point.amount * series.scale:.3g} {series.scaled}"
            figures = (
                seconds(point.wall),
                seconds(point.cpu),
                each,
                f"{point.memory / MEBIBYTE:.0f}",
            )
            rows.append((f"{point.amount:,}", *figures))
        picture = f"![{series.title}](speed/growth-{series.name}.svg)\n"
        parts.append(f"### {series.title}\n\n{table(rows)}\n{picture}")
    return "\n".join(parts) or "Not measured yet.\n"


def idle(results: Results) -> str:
    """Return the table of connections that wait."""
    found = results.idle
    if found is None:
        return "Not measured yet.\n"
    kib = found.memory / 1024
    rows = [
        (f"D1: {found.connections:,} connections in IDLE over TLS", "", "goal"),
        ("memory of the daemon for each", f"{kib:.1f} KiB", f"{IDLE_GOAL} KiB"),
        ("a bare task with TLS", f"{found.floor / 1024:.1f} KiB", ""),
        ("processor while nothing arrives", f"{found.processor:.2%}", "2 %"),
        ("from arrival to the file, 50 at once, 99th percentile", f"{found.late:.2f} s", "1 s"),
    ]
    return table(rows)


def conditions(results: Results) -> str:
    """Return on which machines and days the figures were taken."""
    all_of: list[Result | Growth | Idle] = [
        *results.scenarios.values(),
        *results.growth.values(),
    ]
    if results.idle:
        all_of.append(results.idle)
    found = sorted({(one.date, one.machine) for one in all_of})
    lines = [f"* {date}: {machine}\n" for date, machine in found]
    return "".join(lines) or "Not measured yet.\n"


PARTS = {
    "overview": overview,
    "details": details,
    "growth": growth,
    "idle": idle,
    "conditions": conditions,
}
"""The parts of the page that are generated, by the name in their markers."""


def page(text: str, results: Results) -> str:
    """Return the page with its generated parts replaced. Everything else stays as it is."""
    for name, make in PARTS.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
        pattern = re.escape(begin) + ".*?" + re.escape(end)
        part = f"{begin}\n{make(results)}\n{end}"
        before, *between = re.split(pattern, text, flags=re.DOTALL)
        if len(between) != 1:
            raise ValueError(f"the page has no markers for {name}, or several")
        text = before + part + between[0]
    return text
