"""The arguments of the commands that describe something: words, flags and an rc file."""

from __future__ import annotations

from collections.abc import Sequence

from ...adapters.config.rcfile import read_descriptor
from ...protocols.record import Record


class Arguments(Record):
    """The arguments of a command. ``rcfile`` is "" for the usual one."""

    words: tuple[str, ...]
    flags: frozenset[str]
    rcfile: str
    verbose: int = 0


def read_arguments(arguments: Sequence[str]) -> Arguments:
    """Split the arguments of a command: ``-f FILE`` names the rc file, and ``-v`` is counted."""
    words: list[str] = []
    flags: set[str] = set()
    rcfile, verbose = "", 0
    rest = iter(arguments)
    for argument in rest:
        if argument in {"-f", "--fetchmailrc"}:
            rcfile = next(rest, "")
            flags |= set() if rcfile else {argument}
        elif argument.startswith("--fetchmailrc="):
            rcfile = argument.partition("=")[2]
        elif argument in {"-v", "--verbose"}:
            verbose += 1
        elif argument.startswith("-") and argument != "-":
            flags.add(argument)
        else:
            words.append(argument)
    return Arguments(tuple(words), frozenset(flags), rcfile, verbose)


def read_stdin() -> bytes:
    """Return an rc file from standard input."""
    return read_descriptor(0, "standard input")
