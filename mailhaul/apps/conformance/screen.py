"""Shows a run while it goes on: each topic as soon as it is complete, and how far the run is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from ...conformance.report.run import Run
from ...conformance.report.terminal import Style, failures, heading, summary, topic_block
from ...conformance.verdicts import Result
from ..polls.lines import write

CLEAR_LINE = "\r\x1b[K"


class Screen:
    """The output of one run. Progress is shown only on a terminal."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._is_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._style = Style(self._is_terminal and not os.environ.get("NO_COLOR"))
        self._results: dict[str, Result] = {}

    def begin(self) -> None:
        """Print what comes before the first result."""
        self._print(heading(self._run))

    def add(self, result: Result) -> None:
        """Print the topic of a result if it was the last one of it."""
        self._results[result.case] = result
        topic = next(case.topic for case in self._run.cases if case.id == result.case)
        cases = [case for case in self._run.cases if case.topic == topic]
        if all(case.id in self._results for case in cases):
            pairs = [(case, self._results[case.id]) for case in cases]
            self._print(topic_block(topic, pairs, self._run, self._style))
        if self._is_terminal:
            done, total = len(self._results), len(self._run.cases)
            write(sys.stdout, f"{CLEAR_LINE}{done} of {total} cases" if done < total else "")

    def end(self) -> None:
        """Print the failures again, and the counts."""
        self._print(failures(self._run, self._style))
        self._print(summary(self._run, self._style))

    def _print(self, lines: Iterable[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        write(sys.stdout, f"{CLEAR_LINE if self._is_terminal else ''}{text}")
