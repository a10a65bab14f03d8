"""One conversation with a machine, held twice: whole and in pieces. All promises are checked.

* Whatever comes, ``next_event`` gives events, NEED_DATA or a RemoteProtocolError; and the same
  error ever after.
* How the bytes are cut makes no difference to the events.
* There are no more events than octets could make, and what a machine holds is bounded by its
  limits, not by what it was fed.
* No secret stands in a line that the tap is shown, or in an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from mailhaul.protocols.errors import LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA, Tap
from mailhaul.protocols.sasl.exchange import encode_base64
from mailhaul.protocols.secret import Secret

from .finding import promise
from .held import held
from .turns import Turn, pieces, turns, whole

SECRET = b"correct-horse"
"""The password of every conversation."""
HIDDEN = (SECRET, encode_base64(SECRET))
DEFLATED = ord("Z")
"""The letter from which on the peer's bytes go to the machine deflated (RFC 4978)."""

TIGHT = Limits(
    reply_line=700,
    reply_lines=16,
    listing_lines=30,
    command_line=700,
    sasl=700,
    scram_iterations=50,
    response_line=700,
    literal=300,
    untagged=1500,
    nesting=6,
    digits=12,
    capabilities=16,
    outstanding=8,
)
"""Limits so low that short inputs reach them."""

MOST_OCTETS = 4000
MOST_OBJECTS = 2000
"""What a machine under these limits may hold between two reads."""
EVENTS_PER_OCTET = 2
FREE_EVENTS = 40
"""Events that need no octet of their own: the end, and answers to what we say."""


class Lines(Tap):
    """Hands each line of the dialogue to a function."""

    def __init__(self, show: Callable[[str, bytes], None]) -> None:
        self._show = show

    def line(self, direction: str, line: bytes) -> None:
        """Hand it over."""
        self._show(direction, line)


@dataclass(frozen=True)
class Setting:
    """One machine, and what the letters of a turn mean to it.

    ``hear`` is its user's reaction to an event. ``one_way`` says that after a fault nothing can
    be sent, as with every client; a server may still say why it closes.
    """

    make: Callable[[Limits, Tap], Any]
    letters: Mapping[int, Callable[[Any], object]]
    hear: Callable[[Any, Any], object] = lambda machine, event: None
    one_way: bool = True


@dataclass
class Conversation:
    """How a conversation went: its events, its fault, and what was sent."""

    setting: Setting
    events: list[Any] = field(default_factory=list[Any])
    fault: RemoteProtocolError | None = None
    sent: bytearray = field(default_factory=bytearray)
    _octets: int = 0
    _letters: int = 0
    _count: int = 0
    _deflater: Any = None

    def __post_init__(self) -> None:
        self.machine = self.setting.make(TIGHT, Lines(self._show))

    def hold(self, conversation: Iterable[Turn], cut: Callable[[bytes], Iterator[bytes]]) -> None:
        """Go through all turns, and on to the end of the connection."""
        for turn in conversation:
            self._say(turn.said)
            self._octets += len(turn.heard)
            for piece in cut(self._deflated(turn.heard)):
                if self.fault is not None:
                    break
                self.machine.receive_data(piece)
                self._drain()
            self._hand_over()
            self._check_held()
        self.machine.receive_eof()
        self._drain()
        self._check_stays()

    def _deflated(self, heard: bytes) -> bytes:
        if self._deflater is None:
            return heard
        return bytes(self._deflater.compress(heard) + self._deflater.flush(zlib.Z_SYNC_FLUSH))

    def _say(self, said: bytes) -> None:
        for letter in said:
            if letter == DEFLATED:
                self._deflater = self._deflater or zlib.compressobj(wbits=-15)
            if letter not in self.setting.letters:
                continue
            self._letters += 1
            try:
                self.setting.letters[letter](self.machine)
            except LocalProtocolError:
                continue
            broken = self.fault is not None and self.setting.one_way
            promise(not broken, "something could be sent after a fault")
        self._take()

    def _take(self) -> None:
        for piece in self.machine.data_to_send():
            self.sent += piece

    def _drain(self) -> None:
        """Pull events until there are no more, or the peer's fault comes up."""
        while self.fault is None:
            try:
                event = self.machine.next_event()
            except RemoteProtocolError as fault:
                self.fault = fault
                self._check_secret(str(fault).encode())
                break
            if event is NEED_DATA:
                break
            self._count += 1
            most = FREE_EVENTS + EVENTS_PER_OCTET * (self._octets + self._letters)
            promise(self._count <= most, "more events than octets could make")
            add(self.events, event)
            self.setting.hear(self.machine, event)
        self._take()

    def _hand_over(self) -> None:
        if self.fault is None and self.machine.state == "tls-handover":
            self.machine.tls_started()
            self._drain()

    def _check_held(self) -> None:
        if self.fault is None:
            octets, objects = held(self.machine)
            promise(octets <= MOST_OCTETS, "too many octets are held")
            promise(objects <= MOST_OBJECTS, "too many objects are held")

    def _check_stays(self) -> None:
        """After the end there is nothing more, and a fault stays what it is."""
        for _ in range(2):
            try:
                event = self.machine.next_event()
            except RemoteProtocolError as fault:
                promise(self.fault is not None, "a fault out of nothing")
                promise(type(fault) is type(self.fault), "a fault became another one")
            else:
                promise(self.fault is None, "a fault was forgotten")
                promise(event is NEED_DATA, "an event behind the end")

    def _show(self, direction: str, line: bytes) -> None:
        promise(direction in {"<", ">"}, "a line without direction")
        self._check_secret(line)

    def _check_secret(self, shown: bytes) -> None:
        if self.setting.one_way and any(secret in self.sent for secret in HIDDEN):
            promise(not any(secret in shown for secret in HIDDEN), "a secret is shown")

    def outcome(self) -> tuple[list[Any], str | None, bytes | None]:
        """Return all that must not depend on how the bytes were cut.

        What comes behind the permission for TLS is a fault. In pieces the permission was an
        event before that could be seen; what is sent before a fault depends on when it shows, and
        deflated on where it is flushed.
        """
        events = self.events
        if self.fault is None:
            return events, None, bytes(self.sent) if self._deflater is None else None
        events = [event for event in events if event[0] != "TlsReady"]
        return events, type(self.fault).__name__, None


def converse(setting: Setting, data: bytes) -> None:
    """Hold the conversation that the fuzzer's bytes make. Raises Finding, or what was found."""
    conversation = turns(data)
    at_once = Conversation(setting)
    at_once.hold(conversation, whole)
    cut = Conversation(setting)
    size = 1 + len(data) % 3
    cut.hold(conversation, lambda heard: pieces(heard, size))
    promise(at_once.outcome() == cut.outcome(), difference(at_once, cut))


def difference(at_once: Conversation, cut: Conversation) -> str:
    """Say in which event or fault two ways of holding a conversation differ first."""
    named = [
        [*(f"{event[0]}" for event in one.events), f"{type(one.fault).__name__}"]
        for one in (at_once, cut)
    ]
    pairs = zip(at_once.events, cut.events, strict=False)
    place = next((n for n, (a, b) in enumerate(pairs) if a != b), min(map(len, named)) - 1)
    return f"whole and cut differ ({named[0][place]}, {named[1][place]})"


def add(events: list[Any], event: Any) -> None:
    """Add an event in its plain form. Neighbouring chunks are joined: how a text is cut is
    nobody's business."""
    form = plain(event)
    last = events[-1] if events else None
    if last and form[0].endswith("Chunk") and last[:-1] == form[:-1]:
        events[-1] = (*form[:-1], last[-1] + form[-1])
    else:
        events.append(form)


def plain(value: Any) -> Any:
    """Return a value as tuples that compare by content, secrets too."""
    if isinstance(value, Secret):
        return ("Secret", value.reveal())
    if isinstance(value, tuple | list):
        return tuple(plain(item) for item in cast(Iterable[Any], value))
    fields: tuple[str, ...] | None = getattr(value, "__match_args__", None)
    if fields is None:
        return value
    name = value.__class__.__name__
    return (name, *(plain(getattr(value, field)) for field in fields))
