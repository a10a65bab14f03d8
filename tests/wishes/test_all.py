"""Each of the 33 wishes has one file of tests, which says which wish it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
WISHES = range(1, 34)
NAME = re.compile(r"test_(\d\d)_[a-z_0-9]+\.py")


def faults(files: Iterable[Path]) -> list[str]:
    """Return what is wrong with these files, as sentences."""
    files_of: dict[int, list[Path]] = {number: [] for number in WISHES}
    found: list[str] = []
    for path in files:
        name = NAME.fullmatch(path.name)
        number = int(name[1]) if name else 0
        if number in files_of:
            files_of[number].append(path)
        else:
            found.append(f"{path.name} has not the number of a wish")
            continue
        words = ast.get_docstring(ast.parse(path.read_text())) or ""
        if not words.startswith(f"Wish {number}: "):
            found.append(f'the docstring of {path.name} does not begin with "Wish {number}: "')
    for number, some in files_of.items():
        if len(some) != 1:
            found.append(f"wish {number} has {len(some)} files, and not one")
    return found


def test_each_wish_has_exactly_one_file() -> None:
    files = set(HERE.glob("test_*.py")) - {Path(__file__)}
    assert faults(sorted(files)) == []


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    for number in (*WISHES, 34):
        if number != 7:
            (tmp_path / f"test_{number:02}_words.py").write_text(f'"""Wish {number}: words."""\n')
    (tmp_path / "test_03_more_words.py").write_text('"""Wish 30: words."""\n')
    assert faults(sorted(tmp_path.iterdir())) == [
        'the docstring of test_03_more_words.py does not begin with "Wish 3: "',
        "test_34_words.py has not the number of a wish",
        "wish 3 has 2 files, and not one",
        "wish 7 has 0 files, and not one",
    ]
