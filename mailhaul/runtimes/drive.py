"""Takes a flow from one request to the next: the part that all drivers share.

A driver adds only how a step is taken: what it waits with, and where it runs blocking calls.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..flows.requests import Call, Flow
from .beside import side_by_side
from .engine import Engine
from .steps import NextRequest, Step, Steps

T = TypeVar("T")


def steps_of(flow: Flow[T], engine: Engine, *, alone: bool = False) -> Steps[T]:
    """Run a flow and yield each step that it needs; return its result, raise what it raises.

    A flow that runs ``alone`` in its thread delays nobody: its calls are made here, and its
    requests are not announced.

    All its streams are closed and its children ended when it is over or this generator is closed.
    """
    try:
        return (
            yield from side_by_side(
                steps_of_one(flow, engine, alone=alone),
                engine.spawned,
                lambda other: steps_of_one(other, engine, alone=alone),
            )
        )
    finally:
        try:
            flow.close()
        finally:
            engine.abandon()


def steps_of_one(flow: Flow[T], engine: Engine, *, alone: bool) -> Steps[T]:
    """Run a flow as ``steps_of`` does, without those that it spawns; leave the streams open."""
    try:
        request = flow.send(None)
        while True:
            try:
                if not alone:
                    yield NextRequest(request)
                # A call is what a flow asks for most often, and one step.
                if isinstance(request, Call):
                    work = engine.work_of(request)
                    answer = work.call() if alone else (yield work)
                else:
                    answer = yield from engine.perform(request)
            except Exception as error:
                request = flow.throw(error)
            else:
                request = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()


def take_steps(steps: Steps[T], take: Callable[[Step], object]) -> T:
    """Take all steps in the calling thread; return the result of the flow."""
    try:
        step = next(steps)
        while True:
            try:
                answer = take(step)
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()


async def await_steps(
    steps: Steps[T],
    take: Callable[[Step], Awaitable[object]],
    at_end: Callable[[], None] = lambda: None,
) -> T:
    """Take all steps as part of a task; return the result of the flow.

    ``at_end`` is called when the flow is over, however it ends.
    """
    try:
        step = next(steps)
        while True:
            try:
                answer = await take(step)
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        try:
            steps.close()
        finally:
            at_end()
