"""What the parsers of all conformance programs share: errors, values, and the choice of cases."""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from ...conformance.cases import Case, is_named, select
from ...conformance.faults import WrongUse
from ...conformance.verdicts import Level


class Parser(ArgumentParser):
    """A parser that raises WrongUse. Options and other words may be mixed."""

    def __init__(self, word: str, words: str, description: str, epilog: str = "") -> None:
        super().__init__(
            prog=f"mailhaul conformance {word}",
            usage=f"%(prog)s {words} [options]",
            description=description,
            epilog=epilog,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise WrongUse with the message and where help is."""
        raise WrongUse(f'{message}; see "{self.prog} --help"')

    def parse(self, arguments: Sequence[str]) -> Namespace:
        """Return the values of all options. Raises WrongUse."""
        return self.parse_intermixed_args([*arguments])

    def add_choice(self, *, slow: bool) -> None:
        """Add the options that choose cases; ``slow`` adds the one for slow cases."""
        group = self.add_argument_group("cases")
        group.add_argument(
            "--exclude", metavar="CASE", action="append", default=[], help="do not run these"
        )
        group.add_argument(
            "--rfc", metavar="N", type=positive, action="append", default=[], help="of this RFC"
        )
        group.add_argument(
            "--level",
            metavar="LEVEL",
            type=level,
            action="append",
            default=[],
            help="of this level: must, should or may",
        )
        if slow:
            words = "also those that wait for minutes"
            group.add_argument("--slow", action="store_true", help=words)


def level(word: str) -> Level:
    """Read a level."""
    try:
        return Level(word.upper())
    except ValueError:
        raise ArgumentTypeError(f'"{word}" is no level; give must, should or may') from None


def positive(word: str) -> int:
    """Read a number above 0."""
    if word.isascii() and word.isdigit() and int(word) > 0:
        return int(word)
    raise ArgumentTypeError(f'"{word}" is no number above 0')


def seconds(word: str) -> float:
    """Read a number of seconds."""
    try:
        found = float(word)
    except ValueError:
        found = 0.0
    if not 0 < found < 1e9:
        raise ArgumentTypeError(f'"{word}" is no number of seconds')
    return found


def choose(
    known: Collection[Case[Any]], wanted: Sequence[str], options: Namespace
) -> list[Case[Any]]:
    """Return the cases that were asked for. Raises WrongUse if there is none."""
    ids = [case.id for case in known]
    for name in (*wanted, *options.exclude):
        refuse_unknown(name, ids)
    chosen = select(
        known,
        wanted,
        excluded=options.exclude,
        rfcs=options.rfc,
        levels=options.level,
        slow=options.slow,
    )
    if not chosen:
        only_slow = select(known, wanted, slow=True)
        hint = (
            "add --slow" if only_slow and all(case.slow for case in only_slow) else "ask for less"
        )
        raise WrongUse(f"no case fits all of these conditions: {hint}")
    return chosen


def refuse_unknown(name: str, ids: Sequence[str]) -> None:
    """Raise WrongUse if a word is neither a case nor a group of cases."""
    if any(is_named(case, name) for case in ids):
        return
    groups = dict.fromkeys(case.rpartition("/")[0] for case in ids)
    similar = get_close_matches(name, [*ids, *groups], 1)
    hint = f"did you mean {similar[0]}?" if similar else '"mailhaul conformance list" shows all'
    raise WrongUse(f"there is no case {name}; {hint}")


def refuse_unwritable(option: str, path: str) -> None:
    """Raise WrongUse if a file cannot be written: better before a long run than after it."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise WrongUse(f"{option} {path}: it is a folder; give a file name")
    if not os.path.isdir(folder):
        raise WrongUse(f"{option} {path}: there is no folder {folder}; create it first")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise WrongUse(f"{option} {path}: it cannot be written; give another name")
