"""Possessive repeats of groups: only those that Python 3.11.0 to 3.11.4 matches correctly.

Debian 12 has Python 3.11.2. If an item of such a repeat fails there after its first characters have
matched, the match goes on after these characters instead of before them (CPython's gh-106052). So
``(?:\\* [0-9]+ EXPUNGE\\r\\n)*+`` would swallow the first half of ``* 1 EXISTS``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import mailhaul

ROOT = Path(mailhaul.__file__).parent
# The parser of the standard library is not public, and has no types.
ops: Any = import_module("re._constants")
parser: Any = import_module("re._parser")
REPEATED_GROUP = re.compile(r"\)(?:[*+?]|\{[^}]*\})\+")
HOLES = {"%b": "(?:x*y)", "%d": "9", "%%": "%"}
"""What stands for the parts of a pattern that is put together: something that may fail late."""
ONE_CHARACTER = (ops.LITERAL, ops.NOT_LITERAL, ops.ANY, ops.IN)
REPEATS = (ops.MAX_REPEAT, ops.POSSESSIVE_REPEAT)


def fails_late(items: Sequence[Any]) -> bool:
    """Whether this sequence may fail after it has stored a new position.

    Single characters store none; neither does a repeat of a character before it has its minimum.
    """
    stored = False
    for kind, value in items:
        if kind in ONE_CHARACTER:
            if stored:
                return True
        elif kind in REPEATS and len(value[2]) == 1 and value[2][0][0] in ONE_CHARACTER:
            # Before it counts, it stores where it begins.
            if value[0] and (stored or items[0] != (kind, value)):
                return True
            stored = True
        else:
            return True
    return False


def possessive_groups(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield what is repeated possessively, except single characters."""
    for kind, value in items:
        if kind is ops.POSSESSIVE_REPEAT and not (
            len(value[2]) == 1 and value[2][0][0] in ONE_CHARACTER
        ):
            yield value[2]
        for part in parts(kind, value):
            yield from possessive_groups(part)


def parts(kind: Any, value: Any) -> Sequence[Any]:
    """Return the sequences within one item of a parsed pattern."""
    if kind in (*REPEATS, ops.MIN_REPEAT):
        return [value[2]]
    if kind is ops.SUBPATTERN:
        return [value[3]]
    if kind is ops.BRANCH:
        return list(value[1])
    if kind in (ops.ASSERT, ops.ASSERT_NOT):
        return [value[1]]
    return [value] if kind is ops.ATOMIC_GROUP else []


def bad_repeats(pattern: str) -> int:
    """Count the possessive repeats that an old Python may match wrongly."""
    filled = re.sub("%[bd%]", lambda hole: HOLES[hole[0]], pattern)
    return sum(map(fails_late, possessive_groups(parser.parse(filled))))


def patterns_in(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each pattern with a possessive repeat of a group."""
    source = path.read_text()
    if not REPEATED_GROUP.search(source):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            value = node.value
            text = value if isinstance(value, str) else value.decode("latin-1")
            if REPEATED_GROUP.search(text):
                yield node.lineno, text


def test_only_those_that_every_python_matches() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {pattern}"
        for path in sorted(ROOT.rglob("*.py"))
        for line, pattern in patterns_in(path)
        if bad_repeats(pattern)
    ]
    assert found == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?:\* [0-9]{1,9} EXPUNGE\r\n)*+",
        r"(?:([!-9;-~]++)[ \t]*+:)?+",
        r"(?:250 [^\r\n]*+\r\n)++354",
        r"(?:a|bc){0,8}+\)",
        r"(?:\r?\n[ \t]++)*+",
        r"(?:ab++)*+",
        r"(?:%b\r\n)*+",
        r"x(?>y|(?:a*b)*+)",
    ],
)
def test_what_an_old_python_matches_wrongly_is_found(pattern: str) -> None:
    assert bad_repeats(pattern) == 1


@pytest.mark.parametrize(
    "pattern",
    [r"(?:\n[ \t][^\n]*+)*+", r"(?:[a-z]++)*+", r"[a-z]*+x", r"(?>(?:a*b)*)", r"(?:abc)*+"],
)
def test_other_patterns_are_allowed(pattern: str) -> None:
    assert bad_repeats(pattern) == 0
