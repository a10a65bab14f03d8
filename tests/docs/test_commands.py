"""Each command line of mailhaul that a page shows has options and commands that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.config.command_line import parse_command_line
from mailhaul.apps.cli.commands import NAMES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
IN_BLOCK = re.compile(r"^(?: {4}|[\w@.-]*\$ )(?:\S+=\S+ )*mailhaul((?: .*)?)$", re.MULTILINE)
IN_TEXT = re.compile(r"`mailhaul( [^`]+)`")
END = re.compile(r"\s(?:#|\||&&|;|>|<|\d[<>]).*|;.*")
"""Where the command ends and its comment, or something for the shell, begins."""
PLACEHOLDER = re.compile(r"\.\.\.|\[|\]|\||…")
OTHERS = {"conformance", "help", "--help"}
"""The conformance suites have a command line of their own, and tests for it."""
WITHOUT_DOT = {"localhost", "wrok"}
"""Servers that a page names: one of a test, and one that is mistyped on purpose."""


def shown() -> Iterator[Any]:
    """Yield the arguments of each command line, with the place where it is shown."""
    for page in PAGES:
        text = page.read_text()
        for found in (*IN_BLOCK.finditer(text), *IN_TEXT.finditer(text)):
            words = END.sub("", found[1])
            if not PLACEHOLDER.search(words):
                line = text[: found.start()].count("\n") + 1
                yield pytest.param(words, id=f"{page.relative_to(ROOT)}:{line}")


@pytest.mark.parametrize("words", [*shown()])
def test_a_command_line_is_known(words: str) -> None:
    arguments = shlex.split(words)
    if arguments and arguments[0] in {*NAMES, *OTHERS}:
        return
    line = parse_command_line(arguments, "/")
    # A mistyped command would be the name of a server.
    for name in line.servers:
        assert "." in name or name.isupper() or name in WITHOUT_DOT, name


def test_command_lines_are_found() -> None:
    assert len([*shown()]) > 60
