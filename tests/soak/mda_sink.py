"""An MDA that goes wrong where it is told to."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from mailhaul.flows.requests import STATUS_UNKNOWN, OpenFailed
from mailhaul.runtimes.simulated import Ran
from mailhaul.servers.smtp import Received

from .faults import Fault, Kind

if TYPE_CHECKING:
    from .world import World

STATUSES = {
    "exit 1": 1,
    "exit 64": 64,
    "exit 67": 67,
    "exit 75": 75,
    "exit 77": 77,
    "exit 127": 127,
    "killed MDA": -signal.SIGKILL,
    "crashed MDA": -signal.SIGSEGV,
    "nobody knows": STATUS_UNKNOWN,
}
DELIVERS = frozenset({"delivered, exit 75", "slow MDA", "hanging MDA"})


def run_mda(world: World, argv: tuple[str, ...], data: bytes) -> Ran:
    """Take a message, or do what goes wrong instead."""
    fault: Fault | None = world.due("mda run")
    if fault is None or fault.name in DELIVERS:
        recipients = tuple(name.encode() for name in argv[1:])
        world.received.messages.append(Received(b"", recipients, len(data), "", data))
    match fault and fault.name:
        case "delivered, exit 75":
            return Ran(75)
        case "slow MDA":
            return Ran(0, seconds=10.0)
        case "hanging MDA" | "idle MDA":
            return Ran(0, seconds=4000.0)
        case "MDA not found":
            raise OpenFailed(f'program "{argv[0]}" not found')
        case None:
            # The first to start need not be the first to end.
            return Ran(0, seconds=len(data) % 4 if world.scenario.lanes > 1 else 0.0)
        case name:
            return Ran(STATUSES[str(name)], b"so it is\n")


HERE = ("mda run",)
FAULTS = {
    **{name: Kind(f"the MDA ends with {status}", HERE) for name, status in STATUSES.items()},
    "MDA not found": Kind("there is no such program", HERE),
    "delivered, exit 75": Kind("the MDA has delivered, and says that it has not", HERE, copies=1),
    "slow MDA": Kind("the MDA takes ten seconds", HERE),
    "hanging MDA": Kind("the MDA has delivered and does not end", HERE, copies=1),
    "idle MDA": Kind("the MDA does nothing and does not end", HERE),
}
