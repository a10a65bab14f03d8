"""Configurations in the format of Python's ``configparser``, with the lines of their parameters."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from configparser import Error, MissingSectionHeaderError, ParsingError, RawConfigParser
from typing import Final, cast

from .new_rcfile import Translation, decoded, whole_number

BOOLEANS: Final = RawConfigParser.BOOLEAN_STATES
KEY: Final = re.compile(r"([^\s=:#;\[][^=:]*?)\s*[=:]")


class Section:
    """One section, with the lines of its parameters. It remembers which were asked for."""

    def __init__(self, name: str, values: Mapping[str, str], lines: Mapping[str, int]) -> None:
        self.name = name
        self._values = values
        self._lines = lines
        self._used: set[str] = set()

    def line(self, key: str = "") -> int:
        """Return the line of a parameter, or of the section."""
        return self._lines.get(key) or self._lines.get("", 1)

    def text(self, key: str) -> str:
        """Return a string, or ""."""
        self._used.add(key)
        return self._values.get(key, "").strip()

    def words(self, key: str) -> tuple[str, ...]:
        """Return a tuple of strings. Raises ValueError for anything else."""
        text = self.text(key)
        if not text:
            return ()
        try:
            value: object = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            raise ValueError(f"{key} is not a tuple of quoted strings") from None
        found = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
        if not all(isinstance(one, str) for one in found):
            raise ValueError(f"{key} is not a tuple of quoted strings")
        return cast("tuple[str, ...]", found)

    def is_on(self, key: str, default: bool) -> bool:
        """Return a boolean."""
        return BOOLEANS.get(self.text(key).lower(), default)

    def number(self, key: str) -> int:
        """Return an integer; 0 for anything else."""
        return whole_number(self.text(key)) or 0

    def left(self) -> Sequence[str]:
        """Return the parameters that were not asked for."""
        return [key for key in self._values if key not in self._used]


def read_sections(data: bytes, made: Translation) -> dict[str, Section]:
    """Return the sections by name. Raises Untranslatable."""
    text = decoded(data, made.path)
    parser = RawConfigParser(strict=False)
    try:
        parser.read_string(text, made.path)
    except MissingSectionHeaderError as fault:
        raise made.fail(fault.lineno, "this line is in no section") from None
    except ParsingError as fault:
        # The error quotes the line, which may contain a password.
        line = fault.errors[0][0] if fault.errors else 1
        raise made.fail(line, 'this line is not "parameter = value"') from None
    except Error as fault:
        raise made.fail(1, type(fault).__name__) from None
    lines = places(text)
    return {
        name: Section(name, dict(parser.items(name)), lines.get(name, {}))
        for name in parser.sections()
    }


def places(text: str) -> Mapping[str, Mapping[str, int]]:
    """Return the lines of the parameters by section and name; "" is the line of the section."""
    found: dict[str, dict[str, int]] = {}
    section: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("["):
            section = found.setdefault(line[1:].partition("]")[0], {})
            section[""] = number
        elif key := KEY.match(line):
            section[key[1].strip().lower()] = number
    return found
