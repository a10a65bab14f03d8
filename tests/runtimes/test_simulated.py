"""What is special about the simulated runtime: a run may be killed at any step."""

from __future__ import annotations

import os
from typing import Any

import pytest

from mailhaul.flows.channel import Channel, next_event
from mailhaul.flows.requests import Open, Start, Tcp, Wait
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.events import Greeted
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.runtimes.simulated import Killed, Ran, Simulation

PLACE = Tcp("pop.example.org", 110)


async def greet(channel: Channel[Any]) -> None:
    channel.machine.send(Greeted(None, b"ready"))
    await next_event(channel, 1000.0)


async def wait_for_server_and_program() -> None:
    channel = Channel("pop", Pop3Client())
    await Open(channel, PLACE, 5.0)
    program = await Start(("sleep", "100"), os.open(os.devnull, os.O_RDONLY))
    while program.status is None:
        await Wait([channel, program], 1000.0)


@pytest.mark.parametrize("step", range(1, 12))
def test_a_run_that_waits_for_a_stream_and_a_program_can_be_killed(step: int) -> None:
    simulation = Simulation(kill_at=step, run_program=lambda *_: Ran(0, seconds=100.0))
    simulation.listen(PLACE, Pop3Server, greet)
    with pytest.raises(Killed):
        simulation.run(wait_for_server_and_program())
