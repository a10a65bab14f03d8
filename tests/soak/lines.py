"""The simulated network and process, with faults: lines that break, a process that is killed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mailhaul.flows.requests import Open, OpenFailed
from mailhaul.runtimes.simulated import End, Killed, Simulation, Task

from .faults import Fault, Faults, Kind

SOURCE, SINK = "line source", "line sink"
LINES = (SOURCE, SINK)


@dataclass(eq=False, slots=True)
class Trouble:
    """What happens to one direction of a line behind so many octets."""

    fault: Fault
    left: int
    over: bool = False


class FaultySimulation(Simulation):
    """A simulation whose lines break as drawn. ``sides`` maps a host to a name of the line.

    A kill closes the streams as the system does: what the process had written still arrives.
    """

    def __init__(self, faults: Faults, kill_at: int | None, **options: Any) -> None:
        super().__init__(**options)
        self._faults = faults
        self._dies_at = kill_at
        self._troubles: dict[End, Trouble] = {}

    def _step(self) -> None:
        if self.steps + 1 == self._dies_at:
            self._die()
            raise Killed
        super()._step()

    def _die(self) -> None:
        """Close what the process had open, and let its peers come to an end."""
        main = self._main
        assert main
        main.waiting = None
        self._ready = type(self._ready)(each for each in self._ready if each[0] is not main)
        for channel in list(main.channels):
            channel.machine.data_to_send()
            self._hang_up(main, channel)
        while self._ready or self._timers:
            super()._step()

    def _resume(self, task: Task, value: Any, error: BaseException | None) -> None:
        if task is self._main and self._dies_at and self.steps >= self._dies_at:
            return
        super()._resume(task, value, error)

    # Lines

    def _open(self, task: Task, request: Open) -> None:
        at = SOURCE if request.channel.peer == "server" else SINK
        fault = self._faults.due(at)
        if fault and fault.name == "refused connection":
            raise OpenFailed(f"connection to {request.address} failed: Connection refused")
        super()._open(task, request)
        if fault:
            ours: End = request.channel.stream
            theirs = ours.peer
            assert theirs
            towards_us = not fault.name.endswith("from us")
            self._troubles[ours if towards_us else theirs] = Trouble(fault, fault.amount * 3 // 2)

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
    "break towards us": Kind("the line breaks behind some octets of the peer's", LINES, copies=1),
    "break from us": Kind("the line breaks behind some octets of ours", LINES, copies=1),
    "black hole towards us": Kind("what the peer says vanishes from there on", LINES, copies=1),
    "black hole from us": Kind("what we say vanishes from there on", LINES, copies=1),
    "slow line": Kind("three seconds for whatever comes", LINES),
    "octet by octet": Kind("every octet comes alone", LINES),
}
PROCESS = {
    "kill": Kind("the process is killed between two steps", ("process step",), copies=1),
}
