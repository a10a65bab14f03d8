"""Several flows in one thread, without trio: each waits by itself, and a signal ends all."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import (
    Call,
    LedgerCall,
    Now,
    Open,
    Program,
    Request,
    Signal,
    Sleep,
    Start,
    Tcp,
    TimedOut,
    Wait,
)
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.runtimes import several
from mailhaul.runtimes.engine import Engine

Flow = Coroutine[Request[Any], Any, None]


def run(*flows: Flow) -> None:
    several.run((flow, Engine(time.monotonic)) for flow in flows)


def test_flows_sleep_at_the_same_time() -> None:
    began = time.monotonic()

    async def one() -> None:
        await Sleep(0.2)

    run(*(one() for _ in range(50)))
    assert 0.2 <= time.monotonic() - began < 5


def test_a_call_delays_no_other_flow() -> None:
    over = threading.Event()
    order: list[str] = []

    async def hangs() -> None:
        assert await Call(lambda: over.wait(20))
        order.append("hangs")

    async def runs() -> None:
        await Sleep(0.01)
        order.append("runs")
        over.set()

    run(hangs(), runs())
    assert order == ["runs", "hangs"]


def test_ledger_calls_of_all_flows_run_together_and_equal_ones_once() -> None:
    events: list[str] = []

    def sync() -> None:
        events.append("sync")

    async def one(name: str) -> None:
        await LedgerCall(lambda: events.append(name))
        await LedgerCall(sync)

    run(*(one(name) for name in "abc"))
    assert events == ["a", "b", "c", "sync"]


def test_the_error_of_a_call_is_raised_in_its_flow_alone() -> None:
    caught: list[str] = []

    def fail() -> None:
        raise ValueError("no")

    async def one(request: type[Call[None]]) -> None:
        try:
            await request(fail)
        except ValueError as error:
            caught.append(str(error))

    run(one(Call), one(LedgerCall))
    assert caught == ["no", "no"]


def test_a_signal_of_one_flow_wakes_those_that_wait_for_it() -> None:
    signal = Signal()
    events: list[str] = []

    async def waits(seconds: float) -> None:
        try:
            await Wait([signal], seconds)
            events.append("set")
        except TimedOut:
            events.append("late")
        # It stays set.
        if signal.is_set:
            await Wait([signal], 0)

    async def sets() -> None:
        await Sleep(0.1)
        signal.set()

    run(waits(20.0), waits(0.01), waits(float("inf")), sets())
    assert events == ["late", "set", "set"]


def test_a_flow_that_never_waits_lets_others_run() -> None:
    asked = 0
    seen: list[int] = []

    async def busy() -> None:
        nonlocal asked
        for _ in range(20_000):
            await Now()
            asked += 1

    async def other() -> None:
        for _ in range(10):
            await Sleep(0)
            seen.append(asked)

    run(busy(), other())
    assert len(seen) == 10
    assert max(seen) < 1000


class Stopped(BaseException):
    """What a signal handler raises."""


def test_an_exception_that_is_no_error_of_a_flow_ends_all() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    channel = Channel("peer", SmtpClient())
    ended: list[str] = []
    programs: list[Program] = []

    async def connected() -> None:
        await Open(channel, Tcp("127.0.0.1", listener.getsockname()[1]), 20.0)
        programs.append(await Start(("sleep", "60"), 0))
        try:
            await Wait([channel], 20.0)
        finally:
            ended.append("connected")

    async def stops() -> None:
        while not programs:
            await Sleep(0.01)
        raise Stopped

    with listener, pytest.raises(Stopped):
        run(connected(), stops())
    assert ended == ["connected"]
    assert not channel.open


def test_flows_that_have_not_begun_are_ended_without_a_warning() -> None:
    async def one() -> None:
        await Sleep(1)

    async def stops() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        run(stops(), one())


def test_no_descriptor_is_left_open() -> None:
    async def one() -> None:
        await Call(lambda: None)
        await Sleep(0)

    before = len(os.listdir("/proc/self/fd"))
    run(one(), one())
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_ends_all_flows_waits_for_a_call_that_is_running() -> None:
    """Its descriptors are closed then, and may belong to another file."""
    reading, writing = os.pipe()
    events: list[str] = []

    def work() -> None:
        events.append("begun")
        time.sleep(0.3)
        os.write(writing, b"text")
        events.append("written")

    async def writes() -> None:
        try:
            await Call(work)
        finally:
            events.append("closed")

    async def stops() -> None:
        while not events:
            await Sleep(0.01)
        raise Stopped

    with pytest.raises(Stopped):
        run(writes(), stops())
    assert events == ["begun", "written", "closed"]
    os.close(reading)
    os.close(writing)


def test_what_ends_all_flows_does_not_wait_for_a_call_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(several, "MAX_WAIT_FOR_CALL", 0.1)
    over, begun = threading.Event(), threading.Event()

    async def hangs() -> None:
        def work() -> None:
            begun.set()
            over.wait(20)

        await Call(work)

    async def stops() -> None:
        while not begun.is_set():
            await Sleep(0.01)
        raise Stopped

    since = time.monotonic()
    with pytest.raises(Stopped):
        run(hangs(), stops())
    over.set()
    assert time.monotonic() - since < 10


def test_waits_that_have_ended_leave_nothing_at_a_signal() -> None:
    signal = Signal()

    async def waits() -> None:
        for _ in range(50):
            with suppress(TimedOut):
                await Wait([signal], 0.001)

    run(waits())
    assert not signal._listeners


def test_timeouts_of_waits_that_have_ended_do_not_pile_up() -> None:
    signals = [Signal() for _ in range(1000)]

    async def waits() -> None:
        for signal in signals:
            await Wait([signal], 300.0)

    async def sets() -> None:
        for signal in signals:
            await Sleep(0)
            signal.set()

    loop = several.Loop()
    loop.add(waits(), Engine(time.monotonic))
    loop.add(sets(), Engine(time.monotonic))
    loop.run()
    assert len(loop._timers) < 200
    loop.close()


def test_a_command_that_a_call_runs_has_no_signal_blocked() -> None:
    masks: list[bytes] = []

    def ask() -> None:
        done = subprocess.run(
            ["grep", "SigBlk", "/proc/self/status"], capture_output=True, check=True
        )
        masks.append(done.stdout.split()[1])

    async def one() -> None:
        await Call(ask)

    run(one())
    assert int(masks[0], 16) == 0
