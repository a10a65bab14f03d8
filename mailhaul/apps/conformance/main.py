"""The words after ``mailhaul conformance``: which program each of them starts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

from ...conformance.faults import WrongUse
from ...conformance.report.run import ExitCode
from ..polls.interrupted import place_of
from ..polls.lines import Lines, write

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

USAGE = """\
usage: mailhaul conformance imap|pop3|smtp|lmtp TARGET [CASE ...] [options]
       mailhaul conformance client [CASE ...] [options] [-- COMMAND ...]
       mailhaul conformance serve --PROTOCOL ADDRESS ... [options]
       mailhaul conformance list [CASE ...] [options]
       mailhaul conformance matrix RESULT.json ... -o FILE.html

Judges mail servers and mail clients by the RFCs, one case for each requirement.
imap, pop3, smtp, lmtp  run the cases against a server; nothing else uses its mailboxes meanwhile
client                  plays servers for a client that it starts, and judges what the client does
serve                   serves with faults, for the tests of other programs
list                    shows the cases, or with --faults the faults that serve knows
matrix                  makes a page that compares the results of several runs

"mailhaul conformance pop3 --help" shows the options, and docs/conformance.md is the guide.
Exit codes: 0 no failure, 1 a case failed, 2 wrong use, 3 the server cannot be reached or a case
cannot be set up, 4 a fault of mailhaul itself.
"""


def conformance(arguments: Sequence[str], lines: Lines) -> int:
    """Do what the words say and return the exit code."""
    if arguments and arguments[0] in {"-h", "--help"}:
        write(sys.stdout, USAGE)
        return ExitCode.PASSED
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
