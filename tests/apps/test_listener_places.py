"""Connection slots of a listener: a slow mail server does not take those of others."""

from __future__ import annotations

import sys
from functools import partial
from types import FrameType
from typing import Any

import pytest

from mailhaul.apps.polls.limited import PER_LISTENER, places_at
from mailhaul.apps.polls.places import ListenerPlaces, Places, Share
from mailhaul.flows.requests import Tcp


def taken(share: Share, wanted: int) -> int:
    """Take places until none is free; return their number."""
    for number in range(wanted):
        holder = object()
        if not share.ask(holder).is_set:
            share.give_back(holder)
            return number
    return wanted


def test_the_only_server_has_all_places() -> None:
    assert taken(ListenerPlaces(15).share("a"), 20) == 15


def test_fewer_places_count_for_those_that_ask_later() -> None:
    places = ListenerPlaces(6)
    share = places.share("a")
    holders = [object() for _ in range(6)]
    assert all(share.ask(holder).is_set for holder in holders)
    places.resize(3)
    waiting = share.ask("last")
    for holder in holders[:3]:
        share.give_back(holder)
    assert not waiting.is_set
    share.give_back(holders[3])
    assert waiting.is_set
    places.resize(6)
    assert taken(share, 9) == 3


def test_listeners_elsewhere_are_shared_by_all_machines() -> None:
    assert places_at(Tcp("relay.example.org", 25), 4) == PER_LISTENER // 4
    assert places_at(Tcp("relay.example.org", 25), 99) == 1
    assert places_at(Tcp("localhost", 25), 4) == PER_LISTENER


def test_a_slow_server_leaves_a_place_for_every_other_one() -> None:
    places = ListenerPlaces(PER_LISTENER)
    slow, *others = (places.share(name) for name in ("slow", "b", "c", "d"))
    assert taken(slow, 99) == PER_LISTENER - 3
    for other in others:
        assert taken(other, 1) == 1
    assert taken(slow, 1) == 0


@pytest.mark.parametrize("servers", [16, 40, 200])
def test_with_many_servers_one_has_at_most_half_and_one_place(servers: int) -> None:
    places = ListenerPlaces(15)
    slow, *others = [places.share(f"s{number}") for number in range(servers)]
    assert taken(slow, 99) == 15 - 7
    for other in others[:7]:
        assert taken(other, 2) == 1


def test_the_longest_waiter_is_first_but_new_accounts_precede_active_ones() -> None:
    order: list[str] = []
    places = ListenerPlaces(2)
    a, b, c = (places.share(name) for name in "abc")
    a.ask("a")
    for share, name in ((a, "a again"), (b, "b"), (c, "c")):
        share.ask(name).listen(partial(order.append, name))
    assert order == ["b"]
    b.give_back("b")
    assert order == ["b", "c"]
    a.give_back("a")
    assert order == ["b", "c", "a again"]


def test_a_wait_that_is_given_up_holds_no_place() -> None:
    places = ListenerPlaces(1)
    a, b = places.share("a"), places.share("b")
    a.ask("first")
    waiting = b.ask("second")
    b.give_back("second")
    a.give_back("first")
    assert not waiting.is_set
    # Given up in the very moment in which there is one: whoever comes later finds it free.
    assert b.ask("third").is_set
    b.give_back("third")
    assert taken(a, 1) == 1


def test_places_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    places = Places(2)
    first, second, third, fourth = (places.ask(name) for name in "abcd")
    assert [one.is_set for one in (first, second, third, fourth)] == [True, True, False, False]
    places.give_back("c")
    places.give_back("a")
    assert (third.is_set, fourth.is_set) == (False, True)
    for name in "bd":
        places.give_back(name)
    assert [places.ask(name).is_set for name in "efg"] == [True, True, False]


def test_thousands_of_servers_cost_no_more_than_a_few() -> None:
    def lines_run(servers: int) -> int:
        places = ListenerPlaces(15)
        shares = [places.share(f"s{number}") for number in range(servers)]
        # Each has held a place once.
        for share in shares:
            share.ask(share)
            share.give_back(share)
        for share in shares[:15]:
            share.ask(share)
        for share in shares[:15]:
            share.ask((share, "again"))
        lines = 0

        def count(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal lines
            lines += event == "line"
            return count

        before = sys.gettrace()
        sys.settrace(count)
        shares[0].give_back(shares[0])
        sys.settrace(before)
        return lines

    assert lines_run(2000) <= lines_run(20) + 5
