"""The comparison with other programs: its page, and what mailhaul does in two experiments."""

from __future__ import annotations

from pathlib import Path

import pytest

from .documented import WISHES
from .experiments import EXPERIMENTS, result
from .page import PAGE, between, written
from .programs import NOT_HERE, PROGRAMS
from .verdicts import GOOD, Seen, bad, good

NAMES = [one.name for one in PROGRAMS]
BY_TITLE = {one.title: one for one in EXPERIMENTS}


def test_every_wish_has_a_fact_for_every_program() -> None:
    for wish in WISHES:
        assert [*wish.facts] == [*NAMES, *NOT_HERE]


def test_the_page_has_every_experiment_and_every_wish() -> None:
    page = PAGE.read_text()
    for title in (*BY_TITLE, *NAMES, *NOT_HERE):
        assert f"| **{title}**" in page, "run make comparison"
    for wish in WISHES:
        assert f"| {wish.title} |" in page, "run make comparison"
    for one in EXPERIMENTS:
        assert one.how in page, "run make comparison"


def test_a_table_is_written_between_its_marks() -> None:
    results: dict[tuple[str, str], Seen] = {
        (one.title, name): good("fine") for one in EXPERIMENTS for name in NAMES
    }
    results["exit codes", "fdm"] = bad("none")
    page = written(PAGE.read_text(), PROGRAMS, results)
    assert page.count("| + fine ") == len(EXPERIMENTS) * len(NAMES) - 1
    assert "| - none |" in page
    assert written(page, PROGRAMS, results) == page


def test_a_page_without_a_part_is_an_error() -> None:
    with pytest.raises(ValueError, match="has no part run"):
        between("# Page\n", "run", "text")


def test_mailhaul_does_what_the_page_says(tmp_path: Path) -> None:
    seen = result(BY_TITLE["one message is refused"], PROGRAMS[0], tmp_path / "place")
    assert seen.mark == GOOD, str(seen)
    assert str(seen) in PAGE.read_text()
