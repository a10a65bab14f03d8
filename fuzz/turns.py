"""How the fuzzer's bytes become a conversation.

An input is a row of turns, divided by RS (0x1E). In each turn we say something and then hear
something, divided by US (0x1F): ``lh<US>* OK ready<CR><LF>``. What we say is letters, each of
which a target's table turns into a command or a reply; letters that mean nothing are passed over.
What we hear goes to the machine as it is. So inputs can be read and written by hand, and what the
fuzzer does to them stays a conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

NEXT_TURN = b"\x1e"
HEAR = b"\x1f"


class Turn(NamedTuple):
    """What we say, in letters, and what we hear then."""

    said: bytes
    heard: bytes


def turns(data: bytes) -> list[Turn]:
    """Take an input apart. A turn without US says nothing."""
    found: list[Turn] = []
    for turn in data.split(NEXT_TURN):
        said, divided, heard = turn.partition(HEAR)
        found.append(Turn(said, heard) if divided else Turn(b"", turn))
    return found


def written(conversation: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the input that such turns make."""
    return NEXT_TURN.join(said + HEAR + heard for said, heard in conversation)


def whole(heard: bytes) -> Iterator[bytes]:
    """Hand over what is heard in one piece."""
    if heard:
        yield heard


def pieces(heard: bytes, size: int) -> Iterator[bytes]:
    """Hand over what is heard in pieces of this size."""
    for start in range(0, len(heard), size):
        yield heard[start : start + size]
