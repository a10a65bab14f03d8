"""A run as text for people: a tree by topic, the failures again, and the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..cases import Case
from ..verdicts import Level, Result, Verdict
from .run import Run
from .wire import dialogue, one_line

LAST_LINES = 12
"""Lines of a transcript that are shown under a failure."""
WORDS = {Verdict.FAIL: "FAIL", Verdict.ERROR: "ERROR"}
"""Verdicts that are printed in capital letters."""
COLOURS = {
    Verdict.PASS: "32",
    Verdict.FAIL: "31;1",
    Verdict.WARN: "33",
    Verdict.INFO: "36",
    Verdict.SKIP: "2",
    Verdict.ERROR: "35;1",
}


@dataclass(frozen=True)
class Style:
    """How text is marked. Without ``colour`` it is left as it is."""

    colour: bool = False

    def verdict(self, verdict: Verdict, text: str) -> str:
        """Return text in the colour of a verdict."""
        return f"\x1b[{COLOURS[verdict]}m{text}\x1b[0m" if self.colour else text

    def strong(self, text: str) -> str:
        """Return text in bold."""
        return f"\x1b[1m{text}\x1b[0m" if self.colour else text


def heading(run: Run) -> Iterator[str]:
    """Yield the lines before the tree."""
    order = "in order" if run.seed is None else f"seed {run.seed}"
    yield f"{run.subject} {one_line(run.name)}: {len(run.cases)} cases, {order}"
    if run.description.greeting:
        yield f"greeting: {one_line(run.description.greeting.decode('utf-8', 'replace'))}"


def topic_block(
    name: str, pairs: Sequence[tuple[Case[Any], Result]], run: Run, style: Style
) -> Iterator[str]:
    """Yield the lines of one topic of the tree."""
    yield ""
    yield style.strong(name)
    width = max(len(case.id) for case, _ in pairs)
    for case, result in pairs:
        word = WORDS.get(result.verdict, str(result.verdict))
        line = f"  {style.verdict(result.verdict, word.ljust(5))}  {case.id.ljust(width)}  "
        yield (line + case.text + remark(result, run)).rstrip()


def remark(result: Result, run: Run) -> str:
    """Return what is added to the line of a case."""
    parts: list[str] = []
    if run.is_expected(result):
        parts.append("expected: " + run.expectations[result.case].reason)
    elif run.is_better(result):
        parts.append("was expected to " + run.expectations[result.case].verdict)
    if result.unstable:
        parts.append("unstable")
    if result.verdict in {Verdict.SKIP, Verdict.INFO} and result.reason:
        parts.append(result.reason)
    return f" ({one_line('; '.join(parts))})" if parts else ""


def failures(run: Run, style: Style) -> Iterator[str]:
    """Yield each failure, warning and error again, with all that helps to find its cause."""
    number = 0
    for case, result in run.pairs():
        serious = result.verdict in {Verdict.FAIL, Verdict.WARN, Verdict.ERROR}
        if not serious or run.is_expected(result):
            continue
        number += 1
        if number == 1:
            yield ""
            yield style.strong("Failures, warnings and errors")
        yield ""
        word = WORDS.get(result.verdict, str(result.verdict))
        about = f"{case.level}, {case.source}"
        yield f"{number}) {style.verdict(result.verdict, word)}  {case.id}  ({about})"
        yield from details(case, result)


def details(case: Case[Any], result: Result) -> Iterator[str]:
    """Yield what is known of one result."""
    yield f"   requirement: {case.text}"
    if result.expected:
        yield f"   expected:    {one_line(result.expected)}"
        yield f"   got:         {one_line(result.got)}"
    else:
        yield f"   reason:      {one_line(result.reason)}"
    if result.unstable:
        yield f"   unstable:    {one_line(result.reason)}"
    if case.note:
        yield f"   note:        {case.note}"
    lines = [*dialogue(result.transcript)]
    if len(lines) > LAST_LINES:
        yield f"   transcript, the last {LAST_LINES} of {len(lines)} lines:"
    elif lines:
        yield "   transcript:"
    for line in lines[-LAST_LINES:]:
        yield f"     {line}"


def summary(run: Run, style: Style) -> Iterator[str]:
    """Yield the counts by level, and what the user may want to do."""
    yield ""
    yield style.strong(f"{'':8}" + "".join(f"{verdict:>7}" for verdict in Verdict))
    for level in Level:
        counts = run.counts(level)
        if counts:
            yield f"{level:8}" + "".join(f"{counts[verdict]:>7}" for verdict in Verdict)
    yield from remarks(run)
    yield ""
    yield conclusion(run, style)


def remarks(run: Run) -> Iterator[str]:
    """Yield what is worth a line of its own: skips by reason, expectations that are out of date."""
    skips = Counter(result.reason for result in run.results if result.verdict is Verdict.SKIP)
    if skips:
        yield ""
    for reason, count in skips.most_common():
        yield f"{count} skipped: {one_line(reason)}"
    for result in run.results:
        if run.is_better(result):
            yield f"{result.case} {run.reason(result)}"


def conclusion(run: Run, style: Style) -> str:
    """Return the last line."""
    failed = sum(run.is_failure(result) for result in run.results)
    errors = sum(run.is_error(result) for result in run.results)
    expected = sum(run.is_expected(result) for result in run.results)
    parts = [f"{failed} failed" if failed else "no failures"]
    if errors:
        parts.append(f"{errors} could not be run")
    if expected:
        parts.append(f"{expected} as expected")
    if run.stopped:
        parts.append(f"the run was stopped: {run.stopped}")
    verdict = Verdict.FAIL if failed else Verdict.ERROR if errors else Verdict.PASS
    text = style.verdict(verdict, ", ".join(parts))
    return f"{text} ({run.seconds:.1f} seconds)"
