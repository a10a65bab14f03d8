"""Errors and warnings about a configuration: their place and their text on one line."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

EXIT_SYNTAX = 5
EXIT_PERMISSIONS = 6
EXIT_ENVIRONMENT = 23


class Place:
    """A place in a file, or a whole source of options if ``line`` is 0.

    Lines and columns count from 1; columns count characters.
    """

    __slots__ = ("column", "file", "line")

    def __init__(self, file: str, line: int = 0, column: int = 0) -> None:
        self.file = file
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __repr__(self) -> str:
        return f"<Place {self}>"


COMMAND_LINE = Place("command line")


class Source:
    """Converts offsets in the text of a file to places, without keeping the text."""

    __slots__ = ("_starts", "name")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        lengths = (len(line) + 1 for line in text.split("\n"))
        self._starts = list(accumulate(lengths, initial=0))

    def place(self, offset: int) -> Place:
        """Return the place of the character at this offset."""
        line = bisect_right(self._starts, offset)
        return Place(self.name, line, offset - self._starts[line - 1] + 1)


class Finding:
    """An error or a warning about one place of the configuration.

    The text is ``problem``, or it is made from ``found`` and ``expected``. ``found`` is ready for
    display and never contains anything that may be a password.
    """

    __slots__ = ("expected", "found", "hint", "place", "problem")

    def __init__(
        self,
        place: Place,
        problem: str = "",
        *,
        found: str = "",
        expected: str = "",
        hint: str = "",
    ) -> None:
        self.place = place
        self.found = found
        self.expected = expected
        self.hint = hint
        self.problem = problem or f"found {found}, expected {expected}"

    @property
    def file(self) -> str:
        """The name of the file in messages, or ``command line``."""
        return self.place.file

    @property
    def line(self) -> int:
        """The line, from 1; 0 for the command line."""
        return self.place.line

    @property
    def column(self) -> int:
        """The column in characters, from 1; 0 for the command line."""
        return self.place.column

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return printable(f"{self.place}: {self.problem}{hint}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class ConfigError(Finding):
    """A problem that must be corrected before mailhaul can run."""

    __slots__ = ()


class ConfigWarning(Finding):
    """A setting that is probably a mistake."""

    __slots__ = ()

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return printable(f"{self.place}: warning: {self.problem}{hint}")


class ConfigErrors(Exception):
    """All errors of one configuration, in the order of their places."""

    exit_code = EXIT_SYNTAX

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = tuple(errors)


class ConfigRefused(Exception):
    """The configuration cannot be used. ``str()`` is the message for the user."""

    def __init__(self, problem: str, exit_code: int) -> None:
        super().__init__(problem)
        self.exit_code = exit_code


def printable(text: str) -> str:
    """Return the text on one line, with characters that are not printable escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(text: str) -> str:
    """Return a word in quotes for a message, cut to 40 characters."""
    return f'"{printable(text if len(text) <= 40 else text[:37] + "...")}"'


def time_error(place: Place, kind: str, option: str, text: str) -> ConfigError:
    """Return the error for a text that is not the time that an option needs."""
    problem = f"{option}: {quoted(text)} is not a period"
    hint = 'write days or weeks: "30d", "4w"'
    if kind == "day":
        problem, hint = f"{problem} or a date", 'write "2026-01-31", or how long ago: "30d"'
    return ConfigError(place, problem, hint=hint)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return a hint that names the choice most similar to ``word``, or ""."""
    # Imported late: only a configuration with an error needs it.
    from difflib import get_close_matches

    match = get_close_matches(word[:40], list(choices), n=1, cutoff=0.65)
    return f"did you mean {quoted(match[0])}?" if match else ""
