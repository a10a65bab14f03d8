"""Tables, plots, and the page that holds them."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from bench import plots, report
from bench.__main__ import PAGE, RESULTS
from bench.growth import SERIES
from bench.results import Results, load
from bench.scenarios import SCENARIOS

from .samples import results, series


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "0.012"), (0.5, "0.500"), (1.234, "1.23"), (12.34, "12.3")]
)
def test_seconds_have_the_digits_that_mean_something(value: float, text: str) -> None:
    assert report.seconds(value) == text


def test_a_ratio_has_two_digits_or_is_a_dash() -> None:
    assert (report.ratio(1.005), report.ratio(0.5), report.ratio(None)) == ("1.00", "0.50", "-")


def test_a_figure_is_shown_with_its_spread() -> None:
    assert report.spread(series("fdm", 1.0, 3.0, 2.0), lambda run: run.wall) == (
        "2.00 (1.00 to 3.00)"
    )
    assert report.spread(None, lambda run: run.wall) == "-"


def test_a_scenario_has_figures_ratios_and_a_verdict() -> None:
    heading, _, first, *_ = report.overview(results()).splitlines()
    assert first == (
        "| S1 | IMAP, 1,000 of 4 KB, to SMTP | 1.00 | 0.500 | 20 | fetchmail | 0.50 | 0.50"
        " | 3.00 | 3.00 | 3.5 x floor (aim 2.5); 40 MiB | yes |"
    )
    assert heading.count("|") == first.count("|")


def test_a_missed_goal_shows_and_an_unknown_one_too() -> None:
    rows = report.overview(results()).splitlines()[2:]
    by_name = {row.split(" | ")[0].removeprefix("| "): row for row in rows}
    assert len(by_name) == len(SCENARIOS)
    # mbsync was not there: the goal is compared with it.
    assert by_name["S6"].endswith("| - |")
    assert by_name["S2"].endswith("| - |")
    slow = results()
    slow.scenarios["S1"].series[0] = series("mailhaul", 9.0, 9.0, 9.0)
    assert report.overview(slow).splitlines()[2].endswith("| **no** |")


def test_a_tool_that_did_not_run_says_why() -> None:
    assert "| S6 | mbsync | - | - | - | not installed |" in report.details(results())


def test_cost_is_shown_for_each_of_something() -> None:
    text = report.growth(results())
    assert "| 100 | 0.200 | 0.100 | 1 ms | 20 |" in text
    assert "](speed/growth-messages.svg)" in text


def test_only_what_is_between_markers_is_replaced() -> None:
    marked = "".join(f"<!-- {n}: begin -->\nold\n<!-- {n}: end -->\n" for n in report.PARTS)
    page = report.page(f"before\n{marked}after\n", results())
    assert page.startswith("before\n<!-- overview: begin -->\n\n| ")
    assert page.endswith("<!-- conditions: end -->\nafter\n")
    assert "old" not in page
    assert report.page(page, results()) == page


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="overview"):
        report.page("nothing\n", results())


def test_the_page_shows_the_results_that_are_kept() -> None:
    assert report.page(PAGE.read_text(), load(RESULTS)) == PAGE.read_text()


@pytest.mark.parametrize("found", [results(), Results()], ids=["some", "none"])
def test_the_plot_of_ratios_is_a_picture(found: Results) -> None:
    root = ElementTree.fromstring(plots.ratios(found))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    bars = root.findall("{http://www.w3.org/2000/svg}rect")
    # One is the background.
    assert len(bars) == 1 + 3 * bool(found.scenarios)


def test_the_plot_of_growth_has_a_mark_for_each_figure() -> None:
    found = results().growth["messages"]
    root = ElementTree.fromstring(plots.growth(SERIES[0].title, "messages <of 1 KB>", found))
    assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 2 * len(found.points)
    assert "messages <of 1 KB>" in "".join(root.itertext())


def test_an_axis_places_values_by_their_logarithm() -> None:
    axis = plots.Axis(1, 100, 0, 200)
    assert [axis.place(value) for value in (1, 10, 100)] == [0, 100, 200]
    assert axis.ticks() == [1, 10, 100]
    assert plots.decades([30, 2000]) == (10, 10_000)
    assert [plots.label(value) for value in (10, 2000, 1e6)] == ["10", "2k", "1M"]
