"""The words after ``mailhaul conformance``: which program each of them starts."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

from ...adapters.config.caller import Caller
from ...conformance.faults import WrongUse
from ...conformance.report.run import ExitCode
from ..polls.interrupted import place_of
from ..polls.lines import Lines

COMMANDS = {
    "imap": "server",
    "pop3": "server",
    "smtp": "server",
    "lmtp": "server",
    "client": "client",
    "serve": "serve",
    "list": "listing",
    "matrix": "comparison",
}
"""By the first word: the module whose ``run`` gets it, the words after it, and the lines."""


def command(arguments: Sequence[str], caller: Caller, lines: Lines) -> int:
    """Run ``mailhaul conformance`` and return the exit code."""
    return conformance(arguments, lines)


def conformance(arguments: Sequence[str], lines: Lines) -> int:
    """Do what the words say and return the exit code."""
    try:
        module = import_module(f".{module_of(arguments)}", __package__)
        code: int = module.run(arguments[0], arguments[1:], lines)
    except WrongUse as fault:
        lines.complain(f"conformance: {fault}")
        return ExitCode.WRONG_USE
    except Exception as fault:
        lines.complain(f"conformance: internal error, please report it: {place_of(fault)}")
        return ExitCode.HARNESS_BROKE
    return code


def module_of(arguments: Sequence[str]) -> str:
    """Return the module for the first word. Raises WrongUse."""
    see = 'see "mailhaul conformance --help"'
    if not arguments:
        raise WrongUse(f"give one of {', '.join(COMMANDS)}; {see}")
    word = arguments[0]
    if word not in COMMANDS:
        similar = get_close_matches(word, COMMANDS, 1)
        hint = f'did you mean "{similar[0]}"?' if similar else see
        raise WrongUse(f'"{word}" is not known; {hint}')
    return COMMANDS[word]
