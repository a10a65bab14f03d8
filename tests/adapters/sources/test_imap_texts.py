"""Octets that are held back for earlier messages are counted, however the responses are mixed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul import imap
from mailhaul.adapters.sources import imap_texts
from mailhaul.adapters.sources.imap_texts import Texts
from mailhaul.flows.source import MessageChunk
from mailhaul.protocols.errors import RemoteProtocolError

UIDS = (1, 2, 3, 4)


def held(texts: Any) -> int:
    """Count the octets held back by looking at all of them."""
    later = list(texts._asked.values())[1:]
    parts = [part for text in later for part in text.parts]
    return sum(len(part.data) for part in parts if isinstance(part, MessageChunk))


@given(st.permutations(UIDS), st.permutations([*UIDS, *UIDS]), st.lists(st.integers(0, 7)))
def test_the_octets_held_back_are_those_of_later_messages(
    order: list[int], steps: list[int], pulls: list[int]
) -> None:
    texts: Any = Texts()
    for uid in UIDS:
        texts.ask(uid, 9)
    arrived: set[int] = set()
    for place, uid in enumerate([*order, *steps]):
        if uid in arrived:
            texts.end_command(uid, imap.Condition.OK, "")
        else:
            arrived.add(uid)
            texts.begin_text(imap.BodyStart(uid, uid, b"", 9), 0)
            texts.add(imap.BodyChunk(b"a: b\r\n\r\n"))
            texts.add(imap.BodyChunk(b"c"))
            texts.end_text()
            texts.end_response(imap.Fetched(uid, uid, 9))
        for _ in range(pulls.count(place % 8)):
            texts.pull()
        assert texts._held == held(texts)
    while texts.pull():
        assert texts._held == held(texts)
    assert not texts._asked


def test_only_so_much_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_texts, "MAX_HELD", 10)
    texts = Texts()
    texts.ask(1, 9)
    texts.ask(2, 9)
    texts.begin_text(imap.BodyStart(2, 2, b"", 99), 0)
    texts.add(imap.BodyChunk(bytes(10)))
    with pytest.raises(RemoteProtocolError, match="10 octets of other messages"):
        texts.add(imap.BodyChunk(b"x"))


def test_a_second_text_of_a_message_makes_it_incomplete() -> None:
    texts = Texts()
    texts.ask(1, 9)
    for _ in range(2):
        texts.begin_text(imap.BodyStart(1, 1, b"", 9), 0)
        texts.add(imap.BodyChunk(b"a: b\r\n\r\nc"))
        texts.end_text()
        texts.end_response(imap.Fetched(1, 1, 9))
    texts.end_command(1, imap.Condition.OK, "")
    parts: list[Any] = []
    while part := texts.pull():
        parts.append(part)
    assert parts[-1].reason == "the server sends two texts for it"
