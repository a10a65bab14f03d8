"""The rc file's reader: whatever a file holds, settings or an error for the user."""

from __future__ import annotations

from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.grammar import MAX_ERRORS, parse

from ..finding import promise

MOST_WIDTH = 400
"""Characters in one line of what a user is told."""


def target(data: bytes) -> None:
    """Read a file."""
    try:
        parse(data, "rc", None)
    except ConfigErrors as found:
        promise(0 < len(found.errors) <= MAX_ERRORS + 1, "more errors than anybody reads")
        lines = str(found).split("\n")
        promise(all(line.isprintable() for line in lines), "what a terminal cannot show")
        promise(max(map(len, lines)) <= MOST_WIDTH, "a line that is too long to be read")
