"""Tables and colours on a terminal, for the commands that describe something to the user.

Without a terminal there are no colours, and a line has 80 columns. Colours only repeat what the
words say. Text from outside is escaped here, before it is padded or cut.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TextIO
from unicodedata import combining, east_asian_width

from ..polls.lines import escape, write

COLUMNS = 80
"""Columns of a line where there is no terminal."""
WIDEST = 120
"""Columns beyond which a line is hard to read."""
NARROWEST = 60
CODES = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34",
    "magenta": "35", "cyan": "36",
}  # fmt: skip
UNITS = ("KiB", "MiB", "GiB", "TiB")
GAP = "  "
SEVERAL = 2
"""A width at which a character takes two columns."""


class Screen:
    """Where the user reads. ``coloured`` and ``columns`` are found out unless they are given."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        coloured: bool | None = None,
        columns: int | None = None,
    ) -> None:
        self.stream = stream or sys.stdout
        is_terminal = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        if coloured is None:
            coloured = is_terminal and not os.environ.get("NO_COLOR")
        if columns is None:
            size = shutil.get_terminal_size((COLUMNS, 24)).columns if is_terminal else COLUMNS
            columns = min(max(size, NARROWEST), WIDEST)
        self.coloured = coloured
        self.columns = columns
        encoding = (getattr(self.stream, "encoding", None) or "").lower().replace("-", "")
        self.more = "…" if encoding == "utf8" else "..."
        """What stands for text that is cut off."""

    def paint(self, text: str, *styles: str) -> str:
        """Return text in these styles, which are keys of CODES."""
        wanted = ";".join(CODES[style] for style in styles if style)
        return f"\x1b[{wanted}m{text}\x1b[0m" if self.coloured and wanted and text else text

    def show(self, lines: Iterable[str]) -> None:
        """Print lines at once."""
        write(self.stream, "".join(f"{line.rstrip()}\n" for line in lines))

    def fit(self, text: str, columns: int) -> str:
        """Return text that takes at most so many columns; its end is cut off if it is longer."""
        if width_of(text) <= columns:
            return text
        kept, room = "", columns - len(self.more)
        for character in text:
            room -= width_of(character)
            if room < 0:
                break
            kept += character
        return kept + self.more

    def wrap(self, text: str, indent: int, hanging: int | None = None) -> list[str]:
        """Return a sentence as lines of this screen, all indented."""
        rest = indent if hanging is None else hanging
        return textwrap.wrap(
            escape(text),
            self.columns,
            initial_indent=" " * indent,
            subsequent_indent=" " * rest,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def table(
        self,
        rows: Sequence[Sequence[str]],
        *,
        right: Sequence[int] = (),
        indent: int = 2,
        styles: Sequence[Sequence[str]] = (),
    ) -> list[str]:
        """Return rows as lines with aligned columns; the last column gets the rest of the line.

        The columns in ``right`` are aligned to the right. ``styles`` has one style for each cell of
        a row, "" for none; rows without styles are not painted.
        """
        cells = [[escape(cell) for cell in row] for row in rows]
        widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
        taken = indent + sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
        widths[-1] = max(8, min(widths[-1], self.columns - taken))
        lines: list[str] = []
        for number, row in enumerate(cells):
            painted = styles[number] if number < len(styles) else ()
            parts: list[str] = []
            for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
                text = self.fit(cell, width)
                blanks = " " * (width - width_of(text))
                shown = self.paint(text, painted[place]) if place < len(painted) else text
                parts.append(blanks + shown if place in right else shown + blanks)
            lines.append(" " * indent + GAP.join(parts))
        return lines

    def facts(self, pairs: Iterable[tuple[str, str]], *, label: int, indent: int = 2) -> list[str]:
        """Return pairs of a label and a sentence, which is wrapped beside its label."""
        lines: list[str] = []
        for name, text in pairs:
            start = indent + label + len(GAP)
            first, *rest = self.wrap(text, start) or [""]
            lines.append(
                f"{' ' * indent}{self.paint(name.ljust(label), 'dim')}{GAP}{first[start:]}"
            )
            lines += rest
        return lines


def show_json(document: object) -> None:
    """Print a document as JSON."""
    write(sys.stdout, json.dumps(document, indent=2) + "\n")


def width_of(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(one) else SEVERAL if east_asian_width(one) in {"W", "F"} else 1
        for one in text
    )


def size_in_words(octets: int) -> str:
    """Return a size for people, such as ``4.2 KiB``."""
    if octets < 1024:
        return f"{octets} B"
    value = float(octets)
    for unit in UNITS:
        value /= 1024
        if value < 999.5 or unit == UNITS[-1]:
            return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"
    raise AssertionError("the last unit fits every size")


def counted(number: int, one: str, several: str = "") -> str:
    """Return a number with its noun, such as ``1 message`` or ``1,234 messages``."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"
