"""The simulated network and process, with faults: lines that break, a process that is killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import Address, Flow, OpenFailed
from mailhaul.runtimes.simulated import End, Killed, SimulatedEngine, Simulation, Task

from .faults import ALL_AGAIN, Fault, Kind

T = TypeVar("T")
Due = Callable[[str], Fault | None]
SOURCE, SINK = "line source", "line sink"
LINES = (SOURCE, SINK)


@dataclass(eq=False, slots=True)
class Trouble:
    """What happens to one direction of a line behind so many octets."""

    fault: Fault
    left: int
    over: bool = False


class FaultySimulation(Simulation):
    """A simulation whose lines break as drawn, and whose process dies before a step.

    A kill closes its streams as the system does: where ``peers`` go on, what it had written still
    arrives.
    """

    def __init__(self, due: Due, dies_at: int | None, peers: bool, **options: Any) -> None:
        super().__init__(**options)
        self._due = due
        self._dies_at = dies_at
        self._peers_go_on = peers
        self._dead = False
        self._troubles: dict[End, Trouble] = {}
        self._beside: list[Flow[object]] = []

    def _step(self) -> None:
        if self.steps + 1 == self._dies_at:
            if self._peers_go_on:
                self._die()
            raise Killed
        super()._step()

    def _die(self) -> None:
        """Close what the process had open, and let its peers come to an end."""
        main = self._main
        assert main
        self._dead = True
        main.engine.abandon()
        while self._ready or self._timers:
            super()._step()

    def _resume(self, task: Task[object]) -> None:
        # A dead process receives nothing, whatever still arrives for it.
        if not (self._dead and task is self._main):
            super()._resume(task)

    @property
    def dies(self) -> bool:
        """Whether the process is to be killed."""
        return self._dies_at is not None

    def go_along(self, flow: Flow[object]) -> None:
        """Run another flow beside the one that ``run`` is given."""
        self._beside.append(flow)

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end, and what goes along with it."""
        for one in self._beside:
            self._ready.append(Task(one, SimulatedEngine(self, None)))
        return super().run(flow)

    # Lines

    def connect(self, channel: Channel[Any], address: Address) -> End:
        """Return our end of a new link, which may break as drawn. Raises OpenFailed."""
        at = SOURCE if channel.peer == "server" else SINK
        fault = self._due(at)
        if fault and fault.name == "refused connection":
            raise OpenFailed(f"connection to {address} failed: Connection refused")
        ours = super().connect(channel, address)
        if fault:
            theirs = ours.peer
            assert theirs
            towards_us = not fault.name.endswith("from us")
            self._troubles[ours if towards_us else theirs] = Trouble(fault, fault.amount * 3 // 2)
        return ours

    def _deliver(self, to: End, data: bytes) -> None:
        trouble = self._troubles.get(to)
        if trouble is None:
            super()._deliver(to, data)
            return
        match trouble.fault.name:
            case "slow line":
                to.arrives = max(to.arrives, self.now) + 3.0
                super()._deliver(to, data)
            case "octet by octet":
                for place in range(len(data)):
                    super()._deliver(to, data[place : place + 1])
            case _:
                self._break_off(to, trouble, data)

    def _break_off(self, to: End, trouble: Trouble, data: bytes) -> None:
        if trouble.over:
            return
        if len(data) <= trouble.left:
            trouble.left -= len(data)
            super()._deliver(to, data)
            return
        trouble.over = True
        if trouble.left:
            super()._deliver(to, data[: trouble.left])
        if trouble.fault.name.startswith("black hole"):
            return
        peer = to.peer
        assert peer
        self._at(to.arrives, lambda: self._end(to))
        self._at(self.now, lambda: self._end(peer))


FAULTS = {
    "refused connection": Kind("nobody listens", LINES),
    "break towards us": Kind(
        "the line breaks behind some octets of the peer's", LINES, deafens=True
    ),
    "break from us": Kind("the line breaks behind some octets of ours", LINES, deafens=True),
    "black hole towards us": Kind("what the peer says vanishes from there on", LINES, deafens=True),
    "black hole from us": Kind("what we say vanishes from there on", LINES, deafens=True),
    "slow line": Kind("three seconds for whatever comes", LINES),
    "octet by octet": Kind("every octet comes alone", LINES),
}
PROCESS = {
    "kill": Kind("the process is killed between two steps", ("process step",), copies=1),
    "blackout": Kind("process and peers end between two steps", ("process step",), copies=1),
    "power loss": Kind("what was not synced may be gone", ("process step",), copies=ALL_AGAIN),
}
