"""Several commands of one MDA at a time: how many, in which order, and for how long each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailhaul.adapters.sinks.mda import MdaSink
from mailhaul.flows.account import Account
from mailhaul.flows.outcome import SinkUnavailable, Tally, Verdict
from mailhaul.flows.report import Event, Handled
from mailhaul.flows.requests import Sleep
from mailhaul.flows.sink import Delivery, Parcel
from mailhaul.flows.source import CompletionProof, Listed, MessageStart
from mailhaul.flows.verdicts import MAX_POSTPONED_IN_A_ROW, Verdicts, Waiting
from mailhaul.runtimes.simulated import Ran, Simulation
from tests.flows.test_ferry import Passing, Rows, Script, World

TEXT = b"Subject: hi\n\n"


class Commands:
    """Simulated commands: what each does, and when it was started."""

    def __init__(self, lanes: int, ends: Callable[[int], Ran]) -> None:
        self.simulation = Simulation(run_program=self._run)
        self.sink = MdaSink("mda", 600.0, "/tmp", lanes=lanes)
        self.started: list[float] = []
        self.running: list[float] = []
        self.most = 0
        self.events: list[Event] = []
        self._ends = ends

    def _run(self, argv: tuple[str, ...], text: bytes) -> Ran:
        now = self.simulation.now
        ran = self._ends(len(self.started) + 1)
        self.started.append(now)
        self.running = [*(end for end in self.running if end > now), now + ran.seconds]
        self.most = max(self.most, len(self.running))
        return ran

    async def begin(self, size: int = 20) -> Delivery:
        """Hand a message to the command."""
        delivery = await self.sink.offer(Parcel(b"a@x", (b"joe",), TEXT, size))
        await delivery.feed(TEXT)
        await delivery.complete(CompletionProof(1, size))
        return delivery

    def deliver(self, count: int) -> list[Handled]:
        """Deliver messages as a ferry does; return the events of their verdicts."""
        world, events = World(), self.events
        script: Any = Script(world)
        account = Account("imap joe@server", "joe", "server", "server", keep=True)
        verdicts = Verdicts(
            account, script, self.sink, Rows(world), events.append, Tally(), set(), by_ledger=False
        )

        async def story() -> None:
            try:
                for number in range(1, count + 1):
                    await verdicts.make_room()
                    message, listed = MessageStart(number, number, 20), Listed(number, 20)
                    packer: Any = Passing(None)
                    verdicts.add(Waiting(message, listed, await self.begin(), packer, 20))
                await verdicts.hear_all()
            except SinkUnavailable:
                await verdicts.save()
                raise
            finally:
                verdicts.release()

        self.simulation.run(story())
        return [event for event in events if isinstance(event, Handled)]


@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_as_many_commands_run_at_a_time_as_the_user_allows(lanes: int) -> None:
    commands = Commands(lanes, lambda number: Ran(0, seconds=1.0))
    assert len(commands.deliver(10)) == 10
    assert commands.most == lanes
    assert commands.simulation.now == 10 // lanes


def test_a_slow_command_does_not_keep_others_from_their_turn() -> None:
    commands = Commands(3, lambda number: Ran(0, seconds=100.0 if number == 1 else 1.0))
    handled = commands.deliver(21)
    assert max(commands.started) == 9.0
    # The verdict on the slow one comes last.
    assert [event.number for event in handled][-1] == 1
    assert all(event.outcome.accepted for event in handled)


def test_each_command_has_its_own_time() -> None:
    commands = Commands(2, lambda number: Ran(0, seconds=4000.0))
    ended: list[float] = []

    async def story() -> list[Verdict]:
        first = await commands.begin()
        await Sleep(50.0)
        second = await commands.begin()
        verdicts: list[Verdict] = []
        for delivery in (first, second):
            verdicts.append((await delivery.outcome()).verdict)
            ended.append(commands.simulation.now)
        with pytest.raises(SinkUnavailable, match="2 commands in a row"):
            await commands.begin()
        return verdicts

    assert commands.simulation.run(story()) == [Verdict.REFUSED] * 2
    assert ended == [600.0, 650.0]


def test_a_command_that_ends_in_time_ends_the_row_of_timeouts() -> None:
    seconds = {1: 4000.0, 4: 4000.0}
    commands = Commands(2, lambda number: Ran(0, seconds=seconds.get(number, 1.0)))
    handled = commands.deliver(7)
    refused = [event.number for event in handled if event.outcome.verdict is Verdict.REFUSED]
    assert refused == [1, 4]


def test_twenty_postponed_messages_in_a_row_end_the_poll() -> None:
    commands = Commands(4, lambda number: Ran(75, seconds=number % 3))
    with pytest.raises(SinkUnavailable, match="20 messages in a row were postponed"):
        commands.deliver(100)
    # What was started meanwhile is not ended, and has its verdict too.
    assert len(commands.events) == len(commands.started) < MAX_POSTPONED_IN_A_ROW + 4


def test_verdicts_are_known_in_any_order_and_all_programs_are_named() -> None:
    commands = Commands(3, lambda number: Ran(0, seconds=(9.0, 1.0, 5.0)[number - 1]))

    async def story() -> list[list[bool]]:
        deliveries = [await commands.begin() for _ in range(3)]
        assert len(commands.sink.listening()) == 3
        known: list[list[bool]] = []
        for delivery in (deliveries[1], deliveries[2], deliveries[0]):
            await delivery.outcome()
            known.append([one.known_outcome() is not None for one in deliveries])
        assert commands.sink.listening() == []
        return known

    assert commands.simulation.run(story()) == [
        [False, True, False],
        [False, True, True],
        [True, True, True],
    ]


def test_a_released_delivery_is_no_longer_waited_for() -> None:
    commands = Commands(2, lambda number: Ran(0, seconds=9.0))

    async def story() -> None:
        first, second = await commands.begin(), await commands.begin()
        first.release()
        assert len(commands.sink.listening()) == 1
        assert (await second.outcome()).accepted

    commands.simulation.run(story())
