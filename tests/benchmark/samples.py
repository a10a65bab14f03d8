"""Results as a run of the benchmark would leave them."""

from __future__ import annotations

from bench.results import Growth, Idle, Point, Result, Results, Series, Usage

MACHINE = "2 cores (Example), Linux 6.1, Python 3.11.7"


def series(tool: str, *walls: float, failure: str = "") -> Series:
    """Return runs with these wall times; CPU time is half of that, memory 20 MiB."""
    return Series(tool, [Usage(wall, wall / 2, 20 << 20) for wall in walls], failure)


def result(*found: Series) -> Result:
    """Return a result of a day in winter."""
    return Result("2026-12-01", MACHINE, [*found])


def results() -> Results:
    """Return results with something of each kind."""
    return Results(
        {
            "S1": result(
                series("mailhaul", 1.0, 1.2, 0.9),
                series("fetchmail", 2.0, 2.0, 2.0),
                series("fdm", 4.0, 1.0, 4.0),
                series("floor", 0.25, 0.4, 0.3),
            ),
            "S6": result(
                series("mailhaul", 2.0, 2.0, 2.0),
                series("mbsync", failure="not installed"),
                series("floor", 0.5, 0.5, 0.5),
            ),
        },
        {
            "messages": Growth(
                "2026-12-01",
                MACHINE,
                [Point(100, 0.2, 0.1, 20 << 20), Point(1000, 1.1, 1.0, 21 << 20)],
            )
        },
        Idle("2026-12-01", MACHINE, 5000, 40960.0, 24576.0, 0.001, 0.25),
    )
