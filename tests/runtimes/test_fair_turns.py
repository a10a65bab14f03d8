"""A flow on trio that never has to wait is nobody's prison."""

from __future__ import annotations

import trio

from mailhaul.flows.requests import Now
from mailhaul.runtimes import trio as on_trio

MANY = 100_000


async def busy(asked: list[float]) -> None:
    """Ask for what is there at once, over and over."""
    for _ in range(MANY):
        asked.append(await Now())


def test_who_never_waits_lets_others_run() -> None:
    asked: list[float] = []
    when_others_ran: list[int] = []

    async def others() -> None:
        for _ in range(10):
            await trio.lowlevel.checkpoint()
            when_others_ran.append(len(asked))

    async def story() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on_trio.run, busy(asked))
            nursery.start_soon(others)

    trio.run(story)
    assert len(asked) == MANY
    assert len(when_others_ran) == 10
    assert max(when_others_ran) < 1000


def test_who_never_waits_ends_when_it_is_cancelled() -> None:
    asked: list[float] = []

    async def story() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await on_trio.run(busy(asked))

    trio.run(story)
    assert asked == []
