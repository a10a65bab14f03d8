"""Runs the chosen cases against a real target, each as a flow in a thread of its own.

Cases run side by side, except those that are marked ``alone``. A case that fails is run once more,
alone: only if both runs agree is the verdict certain. The main thread starts the cases, gives up
those that do not end, and hands over each result as soon as it is final.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from .case_thread import Stop, run_case
from .cases import Case
from .environment import Environment
from .session import Session
from .verdicts import Result, Verdict

GRACE = 5.0
"""Seconds after its end that a case may still take to close its connections."""
AGREED = frozenset({Verdict.PASS, Verdict.INFO})
"""The verdicts after which the cases that come ``after`` this one are run."""
REPEATED = frozenset({Verdict.FAIL, Verdict.ERROR})
"""The verdicts after which a case is run once more."""


@dataclass(frozen=True)
class Limits:
    """Seconds that a case, a slow case and the whole run may take; ``jobs`` cases at a time."""

    case: float = 30.0
    slow_case: float = 2400.0
    run: float = 3600.0
    jobs: int = 4


@dataclass(eq=False)
class Task:
    """One run of a case; ``first`` is the result of an earlier run."""

    case: Case[Any]
    alone: bool
    first: Result | None = None
    environment: Environment[Session] | None = None
    given_up_at: float = 0.0


@dataclass
class Runner:
    """One run of some cases. ``report`` is called in this thread, with each final result."""

    cases: Sequence[Case[Any]]
    make_environment: Callable[[], Environment[Session]]
    stop: Stop
    limits: Limits = field(default_factory=Limits)
    alone: bool = False
    seed: int | None = None
    """From which the order is drawn; None keeps the order of the list."""
    report: Callable[[Result], None] = lambda result: None

    def __post_init__(self) -> None:
        self._results: dict[str, Result] = {}
        self._running: list[Task] = []
        self._finished: SimpleQueue[tuple[Task, Result]] = SimpleQueue()
        self._chosen = {case.id for case in self.cases}
        self._waiting = [Task(case, self.alone or case.alone) for case in self.cases]
        if self.seed is not None:
            random.Random(self.seed).shuffle(self._waiting)  # noqa: S311 - an order, no secret

    def run(self) -> list[Result]:
        """Run the cases; return their results in the order of the list."""
        end = time.monotonic() + self.limits.run
        while (self._waiting and not self.stop.reason) or self._running:
            while not self.stop.reason and (task := self._next()):
                self._start(task)
            self._await_one(end)
            if time.monotonic() > end:
                self.stop.now(f"the run takes more than {self.limits.run:g} seconds")
        for task in self._waiting:
            self._settle(task.first or not_run(task.case, self.stop.reason))
        return [self._results[case.id] for case in self.cases]

    # Starting

    def _next(self) -> Task | None:
        """Return a task that may be started now; cases that must not be run get their result."""
        if len(self._running) >= self.limits.jobs or any(task.alone for task in self._running):
            return None
        self._skip_followers()
        ready = [task for task in self._waiting if not self._missing(task.case)]
        side_by_side = [task for task in ready if not task.alone]
        if side_by_side or self._running:
            return side_by_side[0] if side_by_side else None
        return next(iter(ready or self._waiting), None)

    def _skip_followers(self) -> None:
        """Settle the cases that must not be run, since one that they depend on did not pass."""
        for task in [*self._waiting]:
            refused = [
                name
                for name in task.case.after
                if name in self._results and self._results[name].verdict not in AGREED
            ]
            if refused:
                self._waiting.remove(task)
                self._settle(Result(task.case.id, Verdict.SKIP, f"{refused[0]} did not pass"))
                self._skip_followers()
                return

    def _missing(self, case: Case[Any]) -> list[str]:
        """Return the cases that must end before this one. Those that were not chosen need not."""
        return [name for name in case.after if name in self._chosen - self._results.keys()]

    def _start(self, task: Task) -> None:
        limit = self.limits.slow_case if task.case.slow else self.limits.case
        environment = task.environment = self.make_environment()
        task.given_up_at = time.monotonic() + limit + GRACE
        self._waiting.remove(task)
        self._running.append(task)

        def work() -> None:
            self._finished.put((task, run_case(task.case, environment, limit, self.stop)))

        # A daemon thread: one that hangs in a call of the system must not keep the process.
        Thread(target=work, name=task.case.id, daemon=True).start()

    # Results

    def _await_one(self, end: float) -> None:
        """Wait for the end of any case, or give up one that does not end."""
        if not self._running:
            return
        ends = [task.given_up_at for task in self._running]
        ends.append(time.monotonic() + GRACE if self.stop.reason else end)
        try:
            task, result = self._finished.get(timeout=max(0.0, min(ends) - time.monotonic()))
        except Empty:
            now = time.monotonic()
            for task in [*self._running]:
                if self.stop.reason or now >= task.given_up_at:
                    self._take(task, given_up(task))
            return
        # One that was given up may still end.
        if task in self._running:
            self._take(task, result)

    def _take(self, task: Task, result: Result) -> None:
        self._running.remove(task)
        if task.first:
            result = settled(task.first, result)
        elif result.verdict in REPEATED and result.finished and not self.stop.reason:
            self._waiting.insert(0, Task(task.case, True, first=result))
            return
        self._settle(result)

    def _settle(self, result: Result) -> None:
        self._results[result.case] = result
        self.report(result)


def not_run(case: Case[Any], reason: str) -> Result:
    """Return the result of a case for which no time was left."""
    return Result(case.id, Verdict.SKIP, f"not run: {reason}", finished=False)


def given_up(task: Task) -> Result:
    """Return the result of a case whose thread does not end."""
    reason = "not finished: a call of the system hangs"
    result = Result(task.case.id, Verdict.ERROR, reason, finished=False)
    if task.environment:
        result.transcript = task.environment.transcript
    return result


def settled(first: Result, second: Result) -> Result:
    """Return the final result of a case that was run twice.

    A failure that was not seen again is a warning: the evidence is kept, and nothing is certain.
    """
    if not second.finished:
        return first
    if first.verdict is second.verdict:
        return second
    if first.verdict is Verdict.ERROR:
        second.unstable = True
        return second
    first.unstable = True
    if second.verdict is Verdict.ERROR:
        # The server may have broken down in the first run.
        first.reason += f"; the second run ended in an error: {second.reason}"
        return first
    first.verdict = Verdict.WARN
    first.reason += f"; the second run ended with {second.verdict}"
    return first
