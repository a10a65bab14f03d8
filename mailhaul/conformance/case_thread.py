"""Runs one case in the calling thread, and no longer than it may take."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any, TypeVar

from ..flows.requests import Flow, RuntimeFault
from ..runtimes import blocking
from ..runtimes.drive import steps_of, take_steps
from ..runtimes.engine import Engine
from ..runtimes.steps import Step, Suspend
from .cases import Case
from .environment import Description, Environment
from .judge import judge
from .session import Session
from .verdicts import Broken, Result, SetUpFailed, Skipped, Verdict

T = TypeVar("T")


class Stopped(BaseException):
    """Ends a flow wherever it is; ``str()`` is the reason.

    It is no Exception, since a flow may handle those that a request raises.
    """


class Stop:
    """Ends every flow of a run. A pipe wakes up the threads that wait."""

    def __init__(self) -> None:
        self.reason = ""
        self.reading, self._writing = os.pipe()

    def now(self, reason: str) -> None:
        """End all flows, for a reason that is a phrase. A signal handler may call this."""
        if not self.reason:
            self.reason = reason
            os.write(self._writing, b"!")

    def close(self) -> None:
        """Close the pipe. Only flows that have been given up may still run."""
        for descriptor in (self.reading, self._writing):
            with suppress(OSError):
                os.close(descriptor)


class Driver:
    """Takes the steps of one flow. ``limit`` is in seconds. Raises Stopped.

    ``stopped`` is the reason why the flow was stopped; "" if it was not.
    """

    def __init__(self, limit: float, stop: Stop) -> None:
        self._end = time.monotonic() + limit
        self._limit = limit
        self._stop = stop
        self.stopped = ""

    def run(self, flow: Flow[T]) -> T:
        """Run a flow and return its result; what it raises is raised here."""
        return take_steps(steps_of(flow, Engine(time.monotonic)), self._take)

    def _take(self, step: Step) -> object:
        left = self._end - time.monotonic()
        if self._stop.reason or left <= 0:
            self.stopped = self._stop.reason or f"it takes more than {self._limit:g} seconds"
            raise Stopped(self.stopped)
        if not isinstance(step, Suspend):
            return blocking.take(step)
        # Sending asks for no time at all: then there is nothing to wait for.
        if step.reads or step.writes or step.timeout != 0:
            timeout = left if step.timeout is None else min(step.timeout, left)
            blocking.suspend(Suspend((*step.reads, self._stop.reading), step.writes, timeout))
        return None


def run_case(
    case: Case[Any], environment: Environment[Session], limit: float, stop: Stop
) -> Result:
    """Return the result of a case. Nothing that goes wrong is raised."""
    driver = Driver(limit, stop)
    result = Result(case.id, Verdict.ERROR)
    try:
        return driver.run(judge(case, environment))
    except (Stopped, Exception) as fault:
        # A flow that is stopped may also end in a fault of its own.
        if driver.stopped:
            result.reason, result.finished = f"not finished: {driver.stopped}", False
        else:
            result.reason = f"internal error after {case.check.__name__}: {fault!r}"
            result.internal = True
    if stop.reason and not result.finished:
        # The run ends, and nothing is wrong with this case.
        result.verdict = Verdict.SKIP
    result.transcript = environment.transcript
    return result


def describe(environment: Environment[Session], limit: float, stop: Stop) -> Description:
    """Return what the target says of itself. Raises SetUpFailed if it cannot be reached."""

    async def ask() -> Description:
        await environment.begin()
        try:
            found = await environment.describe()
        except (Broken, Skipped):
            # That is for the cases to judge.
            found = Description()
        await environment.close()
        return found

    try:
        return Driver(limit, stop).run(ask())
    except (RuntimeFault, Stopped) as fault:
        raise SetUpFailed(str(fault)) from None
