"""Takes a flow from one request to the next: the part that all drivers share.

A driver adds only how a step is taken: what it waits with, and where it runs blocking calls.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..flows.requests import Call, Flow
from .engine import Engine
from .steps import NextRequest, Step, Steps

if TYPE_CHECKING:
    from .beside import Side

T = TypeVar("T")


def steps_of(
    flow: Flow[T], engine: Engine, *, alone: bool = False, is_side: bool = False
) -> Steps[T]:
    """Run a flow and yield each step that it needs; return its result, raise what it raises.

    A flow that runs ``alone`` in its thread delays nobody: its calls are made here, and its
    requests are not announced.

    All its streams are closed and its children ended when it is over or this generator is closed;
    a flow that ``is_side``, beside a main one, leaves that and the flows that it spawns to it.
    """
    sides: list[Side] | None = None
    try:
        request = flow.send(None)
        while True:
            try:
                if engine.spawned and sides is None and not is_side:
                    sides = []
                if not alone:
                    yield NextRequest(request)
                # A call is what a flow asks for most often, and one step.
                if isinstance(request, Call):
                    work = engine.work_of(request)
                    answer = work.call() if alone else (yield work)
                elif sides is None:
                    answer = yield from engine.perform(request)
                else:
                    from .beside import side_by_side  # few flows spawn others

                    main = engine.perform(request)
                    begin = partial(steps_of, engine=engine, alone=alone, is_side=True)
                    answer = yield from side_by_side(main, sides, engine, begin)
            except Exception as error:
                request = flow.throw(error)
            else:
                request = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        try:
            flow.close()
            for side in sides or ():
                side.close()
        finally:
            if not is_side:
                engine.abandon()


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


async def await_steps(steps: Steps[T], take: Callable[[Step], Awaitable[object]]) -> T:
    """Take all steps as part of a task; return the result of the flow."""
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
        steps.close()
