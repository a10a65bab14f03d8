"""The results of LIST and UIDL, merged and stored with little memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import pytest

from mailhaul.adapters.sources import pop3_listing
from mailhaul.adapters.sources.pop3_listing import Listing
from mailhaul.flows.source import Listed
from mailhaul.protocols.errors import LimitExceeded


@pytest.fixture(autouse=True, params=[20_000, 1], ids=["dict", "table"])
def most_in_dict(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test with both ways of finding a message by its id."""
    monkeypatch.setattr(pop3_listing, "MAX_IN_DICT", request.param)


def listing(
    uids: Iterable[tuple[int, bytes]],
    sizes: Iterable[tuple[int, int]],
    total: int = 10,
    *,
    named_only: bool = False,
) -> Listing:
    made = Listing(total, named_only=named_only)
    for number, uid in uids:
        made.add_ids([number], [uid])
    for number, size in sizes:
        made.add_sizes([number], [size])
    made.close()
    return made


def test_each_message_has_its_id_its_size_and_its_number() -> None:
    found = listing([(1, b"a"), (2, b"bb"), (4, b"c")], [(1, 10), (2, 20), (4, 40)])
    wanted = [Listed(b"a", 10, 1), Listed(b"bb", 20, 2), Listed(b"c", 40, 4)]
    assert list(found) == [found[0], found[1], found[-1]] == wanted
    assert (len(found), [*found[1:]], found.numbered(4)) == (3, wanted[1:], wanted[2])
    assert [*found[1:][1:]] == [found[1:][1]] == wanted[2:]
    assert found.find([b"c", b"a", b"gone", 7]) == {b"a": wanted[0], b"c": wanted[2]}
    assert (found.find([]), found.without_id, found.has_ids) == ({}, 0, True)
    with pytest.raises(KeyError):
        found.numbered(3)
    with pytest.raises(IndexError):
        found[3]


def test_the_order_of_lines_does_not_matter_and_of_equal_numbers_the_last_counts() -> None:
    found = listing([(3, b"x"), (1, b"a"), (3, b"c")], [(1, 10), (3, 30), (1, 11)])
    assert list(found) == [Listed(b"a", 11, 1), Listed(b"c", 30, 3)]


def test_a_message_without_id_gets_a_key_of_this_session() -> None:
    lists = [listing([(1, b"a")], [(1, 10), (2, 20)]) for _ in range(2)]
    keys = [one[1].uid for one in lists]
    assert keys[0] != keys[1]
    assert (lists[0][1].uid, lists[0].without_id, lists[0].latest_without_id) == (keys[0], 1, True)
    assert not listing([(2, b"a")], [(1, 10), (2, 20)]).latest_without_id
    assert list(listing([(2, b"a")], [(1, 10), (2, 20)], named_only=True)) == [Listed(b"a", 20, 2)]


def test_a_message_without_size_is_listed_up_to_the_total() -> None:
    found = listing([(1, b"a"), (2, b"b"), (77, b"z")], [(1, 10)], total=2)
    assert list(found) == [Listed(b"a", 10, 1), Listed(b"b", 0, 2)]


@pytest.mark.parametrize("number", [0, 2**32, 10**19])
def test_invalid_message_numbers_are_ignored(number: int) -> None:
    assert list(listing([(number, b"x")], [(number, 1)])) == []


def test_ids_of_several_messages_are_made_unique() -> None:
    found = listing([(1, b"a"), (2, b"b"), (3, b"a")], [(1, 1), (2, 2), (3, 3)])
    assert [one.uid for one in found] == [b"a (1 of 2)", b"b", b"a (2 of 2)"]
    assert found.find([b"a (2 of 2)", b"a"]) == {b"a (2 of 2)": Listed(b"a (2 of 2)", 3, 3)}


def test_each_of_many_is_found_by_its_id() -> None:
    count = 1000
    found = listing([(n, b"u%d" % n) for n in range(1, count)], [(n, n) for n in range(1, count)])
    assert [one.uid for one in found] == [b"u%d" % n for n in range(1, count)]
    for one in found:
        assert found.find([one.uid]) == {one.uid: one}
        assert found.find([b"not " + one.uid]) == {}  # type: ignore[operator]
    assert list(found.find(one.uid for one in found).values()) == list(found)


@pytest.mark.parametrize("constant", ["MAX_OUT_OF_ORDER", "MAX_REPEATED", "MAX_REPEATED_OCTETS"])
def test_the_memory_for_unusual_listings_is_limited(
    monkeypatch: pytest.MonkeyPatch, constant: str
) -> None:
    monkeypatch.setattr(pop3_listing, constant, 3)
    numbers = [5, 4, 3, 2, 1] if constant == "MAX_OUT_OF_ORDER" else [1, 2, 3, 4, 5]
    with pytest.raises(LimitExceeded):
        listing([(n, b"same") for n in numbers], [(n, n) for n in numbers])


def test_many_messages_take_little_memory() -> None:
    count = 50_000
    tracemalloc.start()
    found = listing(
        ((n, b"%020d" % n) for n in range(1, count + 1)), ((n, n) for n in range(1, count + 1))
    )
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert sum(one.size for one in found) == count * (count + 1) // 2
    assert held < 50 * count
