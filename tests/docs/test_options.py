"""The option reference and the manual page are what the table of options says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mailhaul.adapters.config.options import OPTIONS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_pages_match_the_table() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "options.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_every_spelling_is_there() -> None:
    page = (DOCS / "options.md").read_text()
    for option in OPTIONS:
        for word in (*option.keywords, *option.on.split(), *option.off.split()):
            assert f"`{word}" in page, word


@pytest.mark.skipif(not shutil.which("man"), reason="there is no man on this machine")
def test_the_manual_page_has_no_warnings() -> None:
    done = subprocess.run(
        ["man", "--warnings", "-l", str(DOCS / "mailhaul.1")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
