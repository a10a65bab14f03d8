"""Runs one flow to its end in the calling thread: poll(2), no threads, no framework."""

from __future__ import annotations

import select
import time
from typing import TypeVar

from ..flows.requests import Flow
from .drive import steps_of, take_steps
from .engine import Engine
from .steps import Step, Suspend, Work

T = TypeVar("T")

MAX_WAIT = 2_000_000.0
"""Seconds that one poll(2) call can wait, 23 days: milliseconds in 31 bits."""


def run(flow: Flow[T], engine: Engine | None = None) -> T:
    """Run a flow and return its result; what it raises is raised here.

    All its streams are closed and its children ended when it is over, however it ends.
    """
    steps = steps_of(flow, engine or Engine(time.monotonic), alone=True)
    return take_steps(steps, take)


def take(step: Step) -> object:
    """Wait, or run blocking work."""
    if isinstance(step, Suspend):
        suspend(step)
    elif isinstance(step, Work):
        return step.call()
    return None


def suspend(step: Suspend) -> None:
    """Wait for any of the descriptors, or for the time to pass."""
    timeout = None if step.timeout is None else min(step.timeout, MAX_WAIT)
    if not step.reads and not step.writes:
        time.sleep(timeout or 0)
        return
    poll = select.poll()
    for fd in step.reads:
        poll.register(fd, select.POLLIN)
    for fd in step.writes:
        poll.register(fd, select.POLLOUT | (select.POLLIN if fd in step.reads else 0))
    poll.poll(None if timeout is None else max(1, round(timeout * 1000)))
