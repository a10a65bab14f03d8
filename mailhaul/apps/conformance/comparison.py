"""``mailhaul conformance matrix``: one page for the results of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...conformance.faults import WrongUse
from ...conformance.report.json import read_run
from ...conformance.report.matrix import page
from ...conformance.report.run import ExitCode
from ..polls.lines import Lines
from .options import Parser, refuse_unwritable

DESCRIPTION = "Make one HTML page that compares the results of several runs."


def run(word: str, arguments: Sequence[str], lines: Lines) -> int:
    """Write the page."""
    parser = Parser(word, "RESULT.json ... -o FILE.html", DESCRIPTION)
    parser.add_argument(
        *("results",),
        metavar="RESULT.json",
        nargs="*",
        help='a file that "--json FILE" has written',
    )
    parser.add_argument("-o", "--output", metavar="FILE.html", help="the page (needed)")
    options = parser.parse(arguments)
    if not options.results:
        raise WrongUse("no result: run the cases with --json FILE, and give that file here")
    if not options.output:
        raise WrongUse("no file for the page: add -o FILE.html")
    refuse_unwritable("-o", options.output)
    text = page({path: read_run(path) for path in options.results})
    try:
        Path(options.output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongUse(f"-o {options.output}: {error.strerror or error}") from None
    lines.say(f"{options.output} is written")
    return ExitCode.PASSED
