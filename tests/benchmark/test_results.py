"""What is computed from figures: medians, spread, ratios within a round, goals."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.results import cpu, load, mebibytes, middle, wall
from bench.scenarios import SCENARIOS, Goal

from .samples import result, results, series


def test_a_median_and_a_spread() -> None:
    runs = series("mailhaul", 3.0, 1.0, 2.0)
    assert (runs.median(wall), runs.spread(wall)) == (2.0, (1.0, 3.0))
    assert (runs.median(cpu), runs.median(mebibytes)) == (1.0, 20.0)


def test_a_ratio_is_the_median_of_those_within_each_round() -> None:
    """The second round was slow for both, which changes no ratio."""
    found = result(series("mailhaul", 1.0, 10.0, 1.2), series("floor", 0.5, 5.0, 0.5))
    assert found.ratio("floor", wall) == 2.0


def test_the_best_peer_is_the_one_with_the_shortest_median() -> None:
    best = results().scenarios["S1"].of("best peer")
    assert best
    assert best.tool == "fetchmail"


def test_what_failed_is_compared_with_nothing() -> None:
    found = results().scenarios["S6"]
    assert found.of("best peer") is None
    assert found.ratio("mbsync", wall) is None
    assert found.met(Goal("mbsync", 1.0)) is None
    broken = result(series("mailhaul", 1.0, failure="1 missing"), series("floor", 1.0))
    assert broken.ratio("floor", wall) is None


@pytest.mark.parametrize(("at_most", "met"), [(3.0, True), (2.99, False)])
def test_a_goal_is_met_up_to_its_bound(at_most: float, met: bool) -> None:
    found = result(series("mailhaul", 3.0), series("floor", 1.0))
    assert found.met(Goal("floor", at_most)) is met


def test_memory_is_judged_by_the_largest_run() -> None:
    found = results().scenarios["S1"]
    assert found.within_bounds(SCENARIOS[0]) is True
    found.series[0].runs[1] = found.series[0].runs[1].__class__(1.0, 1.0, 41 << 20)
    assert found.within_bounds(SCENARIOS[0]) is False


def test_seconds_are_judged_by_the_median() -> None:
    (scenario,) = (one for one in SCENARIOS if one.most_seconds)
    assert result(series("mailhaul", 0.9, 1.0, 7.0)).within_bounds(scenario) is True
    assert result(series("mailhaul", 0.9, 1.1, 7.0)).within_bounds(scenario) is False
    assert result(series("fdm", 1.0)).within_bounds(scenario) is None


def test_results_are_read_as_they_were_saved(tmp_path: Path) -> None:
    results().save(tmp_path / "new" / "results.json")
    assert load(tmp_path / "new" / "results.json") == results()
    assert load(tmp_path / "none.json").scenarios == {}


def test_a_point_holds_medians() -> None:
    point = middle(7, series("mailhaul", 3.0, 1.0, 2.0).runs)
    assert (point.amount, point.wall, point.cpu, point.memory) == (7, 2.0, 1.0, 20 << 20)
