"""Phrases that do not belong in this project's English, with what to write in their place.

They are looked for in the docstrings, comments and string literals of the code, and in the text
of the documentation.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CLEAN = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "fuzz/README.md", "mailhaul")
"""Files and folders in which the phrases are looked for."""

PHRASES = {
    r"behind": "after, following",
    r"who(so)?ever": "anyone who; or name the person or program",
    r"(?-i:Who)(?= [a-z])(?! is | are | does | can )": "anyone who; or name the person or program",
    r"for who": "for anyone who",
    r"(for )?what is none": "for anything else; or None",
    r"what is no": "anything that is not",
    r"(count|counts|has it|has them|is|are) no more(?! than)": "no longer",
    r"in the midst": "in the middle of, during",
    r"of no (more )?use": "no longer usable",
    r"(is|are|was|were) to be": "must be, should be, will be; or use the present tense",
    r"(is|are) not to be": "must not be",
    r"nobody is to": "nobody may",
    r"in vain": "without success",
    r"such a one": "one like that",
    r"of no matter": "it does not matter",
    r"(come|comes|came) to an end": "end, ends, ended",
    r"anew|afresh": "again",
    r"(there|where)(by|of|in)": "so; or repeat the noun",
    r"hitherto|whilst|albeit|lest|naught": "until now, while, although, so that",
    r"its like": "similar ones",
    r"tell(s|ing)? of|told of": "report, mention",
    r"(this|that|it|which|what) (is|are|was) told": "is reported, is shown",
    r"upon": "on, when",
    r"but for": "except for",
    r"way out|ways out": "sink",
    r"as (one|you) likes?": "as you want; or any",
    r"(at|in) one go": "in one step, together",
    r"put(s|ting)? off": "postpone",
    r"for good": "permanently",
    r"unasked": "unsolicited",
    r"sees? to": "handle, take care of",
    r"(its|his|their|nobody's|nobody) (affair|business)": "it does not matter",
    r"in nobody's way": "does not block anything",
    r"fare[sd]?": "say what happens",
    r"(can|could)not be had|(is|are|was) not to be had": "is not available",
    r"(keep|keeps) us company": "talks without end",
    r"not any more": "no longer",
    r"he|him|his|himself": "they, their; or name the person",
    r"mend(s|ed|ing)?": "repair, fix",
    r"crew|sheaf": "pool, buffer",
    r"in good order": "and nothing was missing",
    r"forgiv(e|es|en)": "tolerate",
    r"as it stands": "unchanged",
    r"hand(s|ed)? out": "return",
    r"(say|says|said) good-bye|good-bye": "end the session, QUIT, LOGOUT",
    r"vouch(es|ed)?": "state, assume",
    r"small print": "details",
    r"takes? [a-z ]+ apart": "parse, split",
}
"""By a regular expression for whole words, in any case: what to write instead."""

ANY = re.compile(
    "|".join(f"(?P<p{number}>\\b(?:{phrase})\\b)" for number, phrase in enumerate(PHRASES)),
    re.IGNORECASE,
)


class Text:
    """Some lines that belong together. A phrase may run from one to the next."""

    def __init__(self, first: int, lines: list[str]) -> None:
        self._first = first
        self._starts: list[int] = []
        self.text = ""
        for line in lines:
            self._starts.append(len(self.text))
            self.text += " ".join(line.split()) + " "

    def found(self) -> Iterator[tuple[int, str, str]]:
        """Yield line, words and the advice on them."""
        for match in ANY.finditer(self.text):
            line = self._first + bisect_right(self._starts, match.start()) - 1
            number = int((match.lastgroup or "p0")[1:])
            yield line, match[0], list(PHRASES.values())[number]


def texts_of(path: Path) -> Iterator[Text]:
    """Yield what people read in a file."""
    whole = path.read_text()
    if path.suffix != ".py":
        yield Text(1, whole.splitlines())
        return
    yield from comments(whole)
    for node in ast.walk(ast.parse(whole)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Text(node.lineno, node.value.splitlines())


def comments(code: str) -> Iterator[Text]:
    """Yield comments; those in lines that follow each other are one text."""
    first, lines = 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type != tokenize.COMMENT:
            continue
        number = token.start[0]
        if lines and number != first + len(lines):
            yield Text(first, lines)
            lines = []
        if not lines:
            first = number
        lines.append(token.string.lstrip("#"))
    if lines:
        yield Text(first, lines)


def faults(path: Path) -> list[str]:
    """Return the phrases in a file, each with its line and what to write instead."""
    found = {fault for text in texts_of(path) for fault in text.found()}
    return [f'{path}:{line}: "{words}" -> {advice}' for line, words, advice in sorted(found)]


def files() -> Iterator[Path]:
    for name in CLEAN:
        place = ROOT / name
        assert place.exists(), name
        if place.is_file():
            yield place
            continue
        for path in sorted(place.rglob("*")):
            if path.suffix in {".py", ".md", ".1"}:
                yield path


@pytest.mark.parametrize("path", [*files()], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_phrase_is_used_that_has_a_plainer_one(path: Path) -> None:
    assert faults(path) == []


PLANTED = {
    "docstring.py": 'def f():\n    """Wait in\n    vain."""\n',
    "comment.py": "x = 1\n# What comes in the\n# midst of a line.\n",
    "literal.py": 'why = f"{1} comes " f"behind it"\n',
    "page.md": "# Page\n\nThe message is put\noff.\n",
    "page.1": ".SH NAME\nWho asks gets it\n",
    "none.md": "What is none is refused.\n",
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_phrase_is_found_wherever_people_read_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(PLANTED[name])
    assert len(faults(path)) == 1


def test_names_in_code_and_plain_words_are_no_phrases(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text('behind = None  # is None\n"""There is no ledger; `test_x_behind_y`."""\n')
    assert faults(path) == []
