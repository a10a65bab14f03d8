"""A finished run: what was run against which target, with which results, and what they come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from ..cases import Case
from ..environment import Description
from ..expectations import Expectation, Expectations, is_better, is_expected
from ..verdicts import Level, Result, Verdict


class ExitCode(IntEnum):
    """How a run ended. These numbers are a promise to scripts."""

    PASSED = 0
    FAILED = 1
    WRONG_USE = 2
    NOT_SET_UP = 3
    HARNESS_BROKE = 4


@dataclass
class Run:
    """One run of cases against one target.

    ``name`` is the label of the target in reports, ``date`` an ISO 8601 time in UTC. ``seed`` is
    None if the cases ran in the order of the list. ``stopped`` is the reason if not all were run.
    """

    suite: str
    target: str
    name: str
    date: str
    cases: Sequence[Case[Any]]
    results: Sequence[Result] = ()
    seconds: float = 0.0
    seed: int | None = None
    strict: bool = False
    stopped: str = ""
    description: Description = field(default_factory=Description)
    expectations: Expectations = field(default_factory=dict[str, Expectation])

    @property
    def subject(self) -> str:
        """What is under test: "pop3 server", or "client"."""
        return self.suite if self.suite == "client" else f"{self.suite} server"

    def pairs(self) -> Iterator[tuple[Case[Any], Result]]:
        """Yield each case with its result."""
        return zip(self.cases, self.results, strict=True)

    def topics(self) -> dict[str, list[tuple[Case[Any], Result]]]:
        """Return cases and results by topic."""
        found: dict[str, list[tuple[Case[Any], Result]]] = {}
        for case, result in self.pairs():
            found.setdefault(case.topic, []).append((case, result))
        return found

    def counts(self, level: Level | None = None) -> Counter[Verdict]:
        """Count the results by verdict, of one level or of all."""
        return Counter(
            result.verdict for case, result in self.pairs() if level in {None, case.level}
        )

    def is_failure(self, result: Result) -> bool:
        """Whether this result makes the run fail."""
        if is_expected(result, self.expectations):
            return False
        if self.strict and (result.verdict is Verdict.WARN or self.is_better(result)):
            return True
        return result.verdict is Verdict.FAIL

    def is_error(self, result: Result) -> bool:
        """Whether the harness or the set-up broke, and that is not expected."""
        return result.verdict is Verdict.ERROR and not is_expected(result, self.expectations)

    def is_expected(self, result: Result) -> bool:
        """Whether this result is a known one."""
        return is_expected(result, self.expectations)

    def is_better(self, result: Result) -> bool:
        """Whether the case passes and was expected not to."""
        return is_better(result, self.expectations)

    def reason(self, result: Result) -> str:
        """Return the reason of a result, or what is wrong with the line that expects another."""
        if not self.is_better(result):
            return result.reason
        expectation = self.expectations[result.case]
        return f"passes, and {expectation.place} expects {expectation.verdict}: remove the line"

    def exit_code(self) -> ExitCode:
        """Return what the run comes to. A failure that was seen counts most."""
        errors = [result for result in self.results if self.is_error(result)]
        if any(self.is_failure(result) for result in self.results):
            return ExitCode.FAILED
        if any(result.internal for result in errors):
            return ExitCode.HARNESS_BROKE
        return ExitCode.NOT_SET_UP if errors or self.stopped else ExitCode.PASSED
