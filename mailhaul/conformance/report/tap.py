"""A run in the Test Anything Protocol, version 14 (https://testanything.org)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..cases import Case
from ..verdicts import Result, Verdict
from .run import Run
from .wire import dialogue, one_line


def tap(run: Run) -> str:
    """Return the whole document."""
    lines = ["TAP version 14", f"1..{len(run.results)}"]
    lines.append(f"# {run.subject} {one_line(run.name)}, seed {run.seed}")
    for number, (case, result) in enumerate(run.pairs(), 1):
        lines += test_lines(number, case, result, run)
    if run.stopped:
        lines.append(f"# the run was stopped: {one_line(run.stopped)}")
    return "\n".join(lines) + "\n"


def test_lines(number: int, case: Case[Any], result: Result, run: Run) -> Iterator[str]:
    """Yield the test point of a case, and its details if there is a fault."""
    expected = run.is_expected(result)
    good = not (run.is_failure(result) or run.is_error(result) or expected)
    line = f"{'ok' if good else 'not ok'} {number} - {case.id} {literal(case.text)}"
    if result.verdict is Verdict.SKIP:
        line += f" # SKIP {literal(result.reason)}"
    elif expected:
        line += f" # TODO {literal(run.expectations[case.id].reason)}"
    yield line
    if not good or result.verdict not in {Verdict.PASS, Verdict.SKIP}:
        yield from details(case, result, run)


def details(case: Case[Any], result: Result, run: Run) -> Iterator[str]:
    """Yield the YAML block of a test point. JSON strings are YAML strings."""
    yield "  ---"
    facts = {
        "severity": str(result.verdict),
        "level": str(case.level),
        "source": case.source,
        "message": run.reason(result),
        "wanted": result.expected,
        "found": result.got,
    }
    for name, fact in facts.items():
        if fact:
            yield f"  {name}: {json.dumps(fact)}"
    yield f"  unstable: {'true' if result.unstable else 'false'}"
    lines = [*dialogue(result.transcript)]
    if lines:
        yield "  transcript:"
        yield from (f"    - {json.dumps(line)}" for line in lines)
    yield "  ..."


def literal(text: str) -> str:
    """Return text in which no directive begins."""
    return one_line(text).replace("\\", "\\\\").replace("#", "\\#")
