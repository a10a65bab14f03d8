"""Connection slots of a listener: a slow mail server does not take those of others."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from mailhaul.apps.polls.places import ListenerPlaces, Share
from mailhaul.apps.polls.pool import PER_LISTENER


def run(story: Any) -> None:
    trio.run(story, clock=trio.testing.MockClock(autojump_threshold=0))


async def taken(share: Share, wanted: int) -> int:
    """Take slots until none is free for a second; return their number."""
    for number in range(wanted):
        with trio.move_on_after(1) as waiting:
            await share.acquire_on_behalf_of(object())
        if waiting.cancelled_caught:
            return number
    return wanted


def test_the_only_server_has_all_places() -> None:
    async def story() -> None:
        assert await taken(ListenerPlaces(15).share("a"), 20) == 15

    run(story)


def test_a_slow_server_leaves_a_place_for_every_other_one() -> None:
    async def story() -> None:
        places = ListenerPlaces(PER_LISTENER)
        slow, *others = (places.share(name) for name in ("slow", "b", "c", "d"))
        assert await taken(slow, 99) == PER_LISTENER - 3
        for other in others:
            assert await taken(other, 1) == 1
        assert await taken(slow, 1) == 0

    run(story)


@pytest.mark.parametrize("servers", [16, 40, 200])
def test_with_many_servers_one_has_at_most_half_and_one_place(servers: int) -> None:
    async def story() -> None:
        places = ListenerPlaces(15)
        slow, *others = [places.share(f"s{number}") for number in range(servers)]
        assert await taken(slow, 99) == 15 - 7
        for other in others[:7]:
            assert await taken(other, 2) == 1

    run(story)


def test_the_longest_waiter_is_first_but_new_accounts_precede_active_ones() -> None:
    order: list[str] = []

    async def wait(share: Share, name: str) -> None:
        await share.acquire_on_behalf_of(object())
        order.append(name)

    async def story() -> None:
        places = ListenerPlaces(2)
        a, b, c = (places.share(name) for name in "abc")
        await a.acquire_on_behalf_of(object())
        async with trio.open_nursery() as nursery:
            for share, name in ((a, "a again"), (b, "b"), (c, "c")):
                nursery.start_soon(wait, share, name)
                await trio.sleep(1)
            assert order == ["b"]
            b.release_on_behalf_of(object())
            await trio.sleep(1)
            assert order == ["b", "c"]
            a.release_on_behalf_of(object())
            await trio.sleep(1)
        assert order == ["b", "c", "a again"]

    run(story)


def test_a_cancelled_wait_holds_no_slot() -> None:
    async def story() -> None:
        places = ListenerPlaces(1)
        a, b = places.share("a"), places.share("b")
        await a.acquire_on_behalf_of(object())
        assert await taken(b, 1) == 0
        a.release_on_behalf_of(object())
        # Given up in the very moment in which there is one: whoever comes later finds it free.
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(b.acquire_on_behalf_of, object())
                nursery.start_soon(cancel, scope)
        assert await taken(a, 1) == 1

    async def cancel(scope: trio.CancelScope) -> None:
        scope.cancel()

    for _ in range(20):
        run(story)
