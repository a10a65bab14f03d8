"""Runs flows beside the main flow of an engine (``flows.requests.Spawn``).

Only the main flow's driver waits. Whenever the main flow has to wait, the driver is asked to wait
for what any of the flows waits for, and then each of them looks for itself whether there is news.
So this works on every runtime, and no flow needs a thread or a task of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from ..flows.requests import Flow
from .steps import Step, Steps, Suspend

if TYPE_CHECKING:
    from .engine import Engine

T = TypeVar("T")


class Advance(Generic[T]):
    """The steps of one flow, and the step that has to be taken next; None when it is over."""

    result: T
    _closings: int

    def __init__(self, steps: Steps[T], engine: Engine) -> None:
        self._steps = steps
        self._engine = engine
        self.step: Step | None = None
        self.go_on()

    @property
    def is_outdated(self) -> bool:
        """Whether it may wait for a descriptor that another flow has closed since it looked."""
        return self._closings != self._engine.closings and isinstance(self.step, Suspend)

    def go_on(self, answer: object = None, error: Exception | None = None) -> None:
        """Pass on the answer to the last step, or its exception. Raises what the flow raises."""
        self.step = None
        try:
            self.step = self._steps.send(answer) if error is None else self._steps.throw(error)
        except StopIteration as end:
            self.result = end.value
        self._closings = self._engine.closings

    def until_it_waits(self) -> Steps[None]:
        """Yield the steps that are not a wait."""
        while self.step is not None and not isinstance(self.step, Suspend):
            yield from self.take(self.step)

    def take(self, step: Step) -> Steps[None]:
        """Yield one step for this flow, and pass on its answer."""
        try:
            answer = yield step
        except Exception as error:
            self.go_on(error=error)
        else:
            self.go_on(answer)

    def look(self) -> Steps[None]:
        """Let the flow look for news; yield its steps until it waits again."""
        self.go_on()
        yield from self.until_it_waits()

    def close(self) -> None:
        """End the flow."""
        self._steps.close()


Side = Advance[None]
"""A flow beside the main one."""


def side_by_side(
    main: Steps[T],
    sides: list[Side],
    engine: Engine,
    steps_of: Callable[[Flow[None]], Steps[None]],
) -> Steps[T]:
    """Take the steps of one request of the main flow, and meanwhile those of the flows beside it.

    Those that the ``engine`` has spawned begin, and are added to ``sides``, where they stay until
    they end. An exception of one of them is raised here.
    """
    first = Advance(main, engine)
    try:
        while True:
            yield from first.until_it_waits()
            if not isinstance(first.step, Suspend):
                return first.result
            if engine.spawned:
                # Flows that begin may have news for the main flow: it looks before it waits.
                while engine.spawned:
                    side = Side(steps_of(engine.spawned.pop(0)()), engine)
                    sides.append(side)
                    yield from side.until_it_waits()
                first.go_on()
            elif any(side.is_outdated for side in sides) or first.is_outdated:
                for side in sides:
                    yield from side.look()
                first.go_on()
            elif sides:
                yield from together(first, sides)
            else:
                yield from first.take(first.step)
            sides[:] = [side for side in sides if side.step is not None]
    finally:
        first.close()


def together(first: Advance[T], sides: list[Side]) -> Steps[None]:
    """Wait for what any of these flows waits for, then let each look for news: the first last."""
    steps = [first.step, *[side.step for side in sides]]
    waits = [step for step in steps if isinstance(step, Suspend)]
    timeouts = [wait.timeout for wait in waits if wait.timeout is not None]
    signals = tuple(dict.fromkeys(signal for wait in waits for signal in wait.signals))
    if any(signal.is_set for signal in signals):
        # Set by one of these flows after another one had looked.
        timeouts.append(0.0)
    try:
        yield Suspend(
            tuple(dict.fromkeys(fd for wait in waits for fd in wait.reads)),
            tuple(dict.fromkeys(fd for wait in waits for fd in wait.writes)),
            min(timeouts, default=None),
            signals,
        )
    except Exception as error:
        first.go_on(error=error)
        return
    for side in sides:
        yield from side.look()
    first.go_on()
