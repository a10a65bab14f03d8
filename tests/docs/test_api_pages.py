"""The pages in docs/api are what docstrings and signatures say."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "api.py"
NAMES = ("imap", "pop3", "sasl", "smtp")


def page(name: str) -> str:
    return (SCRIPT.parent / "api" / f"{name}.md").read_text()


def test_the_pages_match_the_code() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", NAMES)
def test_every_exported_name_has_one_entry(name: str) -> None:
    entries = re.findall(r"^### (\w+)$", page(name), re.MULTILINE)
    assert sorted(entries) == sorted(import_module(f"mailhaul.{name}").__all__)


@pytest.mark.parametrize("name", ["imap", "pop3", "smtp"])
def test_every_command_has_a_row(name: str) -> None:
    module = import_module(f"mailhaul.{name}")
    rows = re.findall(r"^\| \[`(\w+)`\]", page(name), re.MULTILINE)
    said = [*get_args(module.Command), *get_args(module.Continuation)]
    assert rows == [kind.__name__ for kind in said]


@pytest.mark.parametrize("name", ["imap", "pop3", "smtp"])
def test_replies_are_events(name: str) -> None:
    module = import_module(f"mailhaul.{name}")
    known = {kind.__name__ for kind in (*get_args(module.Event), *get_args(module.Heard))}
    for line in page(name).splitlines():
        if line.startswith("| [`"):
            replies = line.split("|")[3]
            words = {word for word in re.findall(r"`(\w+)`", replies) if word[0].isupper()}
            assert words <= known, line
