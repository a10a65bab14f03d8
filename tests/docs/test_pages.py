"""What the pages show works: links lead somewhere, rc files are understood, the examples run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "fuzz" / "README.md"]
CALLER = Caller("joe", 1000, "/home/joe", None, "/home/joe")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
BLOCK = re.compile(r"(?:^ {4}.*\n(?:^\n(?= {4}))?)+", re.MULTILINE)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_to_files(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        place = Path(os.path.normpath(page.parent / target))
        assert place.exists(), target
        # Web hosts do not follow symbolic links.
        parents = [place, *place.parents][: len(place.relative_to(ROOT).parts)]
        assert not any(parent.is_symlink() for parent in parents), target


def rc_files() -> Iterator[Any]:
    for page in PAGES:
        for match in BLOCK.finditer(page.read_text()):
            text = re.sub("^ {4}", "", match[0], flags=re.MULTILINE)
            if text.startswith(("poll ", "skip ", "set ", "defaults ")):
                line = page.read_text()[: match.start()].count("\n") + 1
                yield pytest.param(text, id=f"{shown(page)}:{line}")


@pytest.mark.parametrize("text", [*rc_files()])
def test_rc_files_are_understood(text: str) -> None:
    names = re.findall(r"^(?:poll|skip) (\S+)", text, re.MULTILINE)
    configuration = load(["-f", "-", *names], CALLER, text.encode)
    assert [*dict.fromkeys(account.pollname for account in configuration.accounts)] == names
    assert configuration.warnings == ()


def test_the_example_of_the_readme_says_what_happens() -> None:
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found
    names: dict[str, Any] = {}
    checked = 0
    for line in found[1].splitlines():
        code, _, comment = line.partition("#")
        if not comment:
            exec(code, names)
            continue
        value = repr(eval(code, names))
        beginning, open_end, _ = comment.strip().partition("...")
        assert value.startswith(beginning) if open_end else value == beginning
        checked += 1
    assert checked == 3
