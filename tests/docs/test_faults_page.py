"""docs/faults.md and docs/security.md name tests that exist, and leave nothing without a word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ["faults.md", "security.md"]
REASONS = ("not tested: ", "left to ", "left out: ")


def names_of_all() -> set[str]:
    texts = (path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    return {name for text in texts for name in re.findall(r"def (test_\w+)", text)}


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / page).read_text()))
    assert len(named) > 20
    assert named - names_of_all() == set()


def test_every_family_has_a_test_or_a_reason() -> None:
    rows = [
        line.split("|")[1:-1]
        for line in (ROOT / "docs" / "faults.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith(("| fault ", "| advisory "))
    ]
    assert len(rows) > 120
    for fault, shown in rows:
        assert "`test_" in shown or shown.strip().startswith(REASONS), fault


def test_no_advisory_is_forgotten() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    years = re.findall(r"CVE-(\d{4})-\d+", page.partition("## Advisories")[2])
    assert len(years) >= 21
