"""Runs one flow to its end in the calling thread: poll(2), no threads, no framework."""

from __future__ import annotations

import select
import time
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

from ..flows.requests import Request
from .engine import Engine
from .parking import Park, Step

T = TypeVar("T")


def run(flow: Coroutine[Request[Any], Any, T], engine: Engine | None = None) -> T:
    """Run a flow and return its result; what it raises is raised here.

    All its streams are closed and its children ended when it is over, however it ends.
    """
    engine = engine or Engine(time.monotonic)
    try:
        request = flow.send(None)
        while True:
            try:
                answer = finish(engine.perform(request))
            except Exception as error:
                request = flow.throw(error)
            else:
                request = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()
        engine.abandon()


def finish(steps: Generator[Step, Any, Any]) -> Any:
    """Take the steps of one answer, waiting as they ask."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Park):
                park(step)
                step = steps.send(None)
            else:
                try:
                    result = step.call()
                except Exception as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
    except StopIteration as end:
        return end.value


LONGEST_WAIT = 2_000_000.0
"""Seconds that the system can wait at one go, 23 days: milliseconds in 31 bits."""


def park(step: Park) -> None:
    """Wait for any of the descriptors, or for the time to pass."""
    timeout = None if step.timeout is None else min(step.timeout, LONGEST_WAIT)
    if not step.reads and not step.writes:
        time.sleep(timeout or 0)
        return
    poll = select.poll()
    for fd in step.reads:
        poll.register(fd, select.POLLIN)
    for fd in step.writes:
        poll.register(fd, select.POLLOUT | (select.POLLIN if fd in step.reads else 0))
    poll.poll(None if timeout is None else max(1, round(timeout * 1000)))
