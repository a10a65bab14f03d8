"""Each of the usual mistakes ends in one line with the cause and the next step, as documented."""

from __future__ import annotations

import re

import pytest

from .mistakes import (
    GOLDEN,
    MISTAKES,
    PAGE,
    CannotBeMade,
    Mistake,
    ending_of,
    page,
    paragraphs,
    written,
)

NEXT_STEP = re.compile(r'"(mailhaul|chmod|openssl|ssh)[^"]*"')
"""A command to type, in quotes."""


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_a_mistake_ends_in_one_line_with_the_next_step(mistake: Mistake) -> None:
    try:
        ending = ending_of(mistake)
    except CannotBeMade as reason:
        pytest.skip(str(reason))
    assert ending.code == mistake.code
    [line] = ending.lines
    assert NEXT_STEP.search(line)
    assert written(mistake, ending) == paragraphs()[mistake.title]


def test_the_page_shows_what_is_printed() -> None:
    texts = paragraphs()
    assert list(texts) == [mistake.title for mistake in MISTAKES]
    assert PAGE.read_text(encoding="utf-8") == page(list(texts.values()))
    assert GOLDEN.read_text(encoding="utf-8") == "\n".join(texts.values())
