"""The files and functions that docs/architecture.md names exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
ROWS = [row.split("|")[1:3] for row in PAGE.splitlines() if row.startswith("| `mailhaul/")]
NAMED = [
    (path.strip(" `"), name) for path, names in ROWS for name in re.findall(r"`([\w.]+)`", names)
]


def definitions(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in tree.body:
        match node:
            case ast.ClassDef(name=owner):
                members = [
                    m for m in node.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef)
                ]
                found |= {owner, *(f"{owner}.{member.name}" for member in members)}
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case _:
                pass
    return found


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_function_is_where_the_page_says(path: str, name: str) -> None:
    assert name in definitions(ast.parse((ROOT / path).read_text()))


def test_the_page_names_the_whole_way() -> None:
    assert len(NAMED) > 40
    for path in re.findall(r"`(mailhaul/[\w/]+\.py)`", PAGE):
        assert (ROOT / path).is_file(), path
