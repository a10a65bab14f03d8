"""Cases without any server, for the tests of the runner and of the reports."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailhaul.conformance.case_thread import Stop
from mailhaul.conformance.cases import Case
from mailhaul.conformance.environment import Environment, Target
from mailhaul.conformance.runner import Limits, Runner
from mailhaul.conformance.session import Session
from mailhaul.conformance.verdicts import Level, Result
from mailhaul.flows.requests import Sleep, Tcp, Trust

Check = Callable[[Any], Awaitable[Any]]


class ToyEnvironment(Environment[Session]):
    """The environment of cases that open no session."""

    session_type = Session


def toy_environment() -> Environment[Session]:
    return ToyEnvironment(Target("nowhere", Tcp("localhost", 1), None, Trust("localhost")))


def toy(name: str, check: Check, **options: Any) -> Case[Any]:
    """Return a case."""
    level = options.pop("level", Level.MUST)
    text = options.pop("text", "The server does what it must.")
    return Case(f"toy/{name}", 1939, "5", level, text, check, **options)


@dataclass
class Log:
    """What happened when: names of cases that began, and how many ran at a time."""

    began: list[str] = field(default_factory=list[str])
    running: int = 0
    most: int = 0

    def check(self, name: str, seconds: float = 0.0, then: Check | None = None) -> Check:
        """Return a check that takes some time."""

        async def check(env: Any) -> Any:
            self.began.append(name)
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await Sleep(seconds)
            finally:
                self.running -= 1
            return await then(env) if then else None

        return check


async def passing(env: Any) -> None:
    """A check that passes."""


def hanging(seconds: float) -> Check:
    """Return a check that hangs in a call of the system."""

    async def check(env: Any) -> None:
        time.sleep(seconds)

    return check


def in_turn(*checks: Check) -> Check:
    """Return a check that is another one at each run."""
    left = [*checks]

    async def check(env: Any) -> Any:
        return await left.pop(0)(env)

    return check


def raising(fault: Exception) -> Check:
    """Return a check that raises."""

    async def check(env: Any) -> None:
        raise fault

    return check


def run_toys(
    cases: Sequence[Case[Any]],
    *,
    limits: Limits | None = None,
    stop: Stop | None = None,
    **options: Any,
) -> dict[str, Result]:
    """Run cases and return their results by id, without the first part."""
    stop = stop or Stop()
    try:
        runner = Runner(cases, toy_environment, stop, limits or Limits(), **options)
        results = runner.run()
    finally:
        stop.close()
    assert [result.case for result in results] == [case.id for case in cases]
    return {result.case.removeprefix("toy/"): result for result in results}
