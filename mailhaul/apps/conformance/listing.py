"""``mailhaul conformance list``: the cases, for people or as JSON."""

from __future__ import annotations

import json
import sys
from argparse import SUPPRESS
from collections.abc import Sequence
from typing import Any

from ...conformance.cases import Case
from ...conformance.report.json import case_as_json
from ...conformance.report.run import ExitCode
from ...conformance.suites import MODULES, load_suite
from ..polls.lines import Lines, write
from .options import Parser, choose
from .serve import fault_list

EPILOG = """\
A CASE is an id (pop3/dele/1) or a beginning of ids (pop3/dele, pop3); without one all are shown.
Each line has the id, the level, RFC and section, and the requirement. * after a level: the RFC has
no capitalised word for it; the level follows from the grammar or the behaviour that is described.
"""


def run(word: str, arguments: Sequence[str], lines: Lines) -> int:
    """Print the cases."""
    del lines
    parser = Parser(word, "[CASE ...]", "Show the cases.", EPILOG)
    parser.add_argument("cases", metavar="CASE", nargs="*", help=SUPPRESS)
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    parser.add_argument("--faults", action="store_true", help="show the faults of serve instead")
    parser.add_choice(slow=False)
    # Here a slow case is not run, and shown like any other.
    parser.set_defaults(slow=True)
    options = parser.parse(arguments)
    if options.faults:
        write(sys.stdout, fault_list())
        return ExitCode.PASSED
    known = [case for name in MODULES for case in load_suite(name).cases.values()]
    chosen = choose(known, options.cases, options)
    if options.json:
        document = [case_as_json(case) for case in chosen]
        write(sys.stdout, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    else:
        write(sys.stdout, table(chosen))
    return ExitCode.PASSED


def table(cases: Sequence[Case[Any]]) -> str:
    """Return one line for each case."""
    rows = [
        (
            case.id,
            case.level + "*" * case.implied,
            f"RFC {case.rfc}, {case.section}",
            case.text + " (slow)" * case.slow,
        )
        for case in cases
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines) + "\n"
