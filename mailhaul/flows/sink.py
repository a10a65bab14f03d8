"""A sink as the flows see it: where a message goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ..protocols.record import Record
from .channel import Channel, Program
from .outcome import Outcome
from .source import CompletionProof


class Parcel(Record):
    """A message on its way: envelope, the header to send, and the size the source announced.

    Addresses are without angle brackets; a sender of b"" is the null sender and None says
    that the message names none (only an MDA is told the difference). ``name`` is the ledger's
    for this offer, and ``again`` says that it was made before, in a run that did not hear a
    verdict. ``recoded`` says that what is sent has quite another size. ``names`` is what the ledger
    calls each recipient, if it matters: the bare local name of one at the sink's own domain, which
    is another one at the next entry of a hunt list, and the same address for all others.
    """

    sender: bytes | None
    recipients: tuple[bytes, ...]
    header: bytes
    size: int
    name: str = ""
    again: bool = False
    recoded: bool = False
    names: tuple[bytes, ...] = ()
    _hidden = frozenset({"header"})


class Delivery(Protocol):
    """One message on its way into a sink."""

    async def ready(self) -> bool:
        """Wait until text may be fed; False when the sink has already refused."""
        ...

    async def feed(self, data: bytes) -> None:
        """Pass some bytes on; wait while the sink has more than it can take."""
        ...

    async def complete(self, proof: CompletionProof) -> None:
        """Take the last step. Only now may the sink accept."""
        ...

    async def outcome(self) -> Outcome:
        """Wait for the verdict."""
        ...

    def settled(self) -> Outcome | None:
        """Return the verdict if it is known already."""
        ...

    async def abandon(self) -> None:
        """Make sure that what was fed is never accepted."""
        ...

    def let_go(self) -> None:
        """Close what is open, without waiting: the poll was cancelled."""
        ...


class Declined:
    """A delivery that never begins: the verdict was known before the sink was asked."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    async def ready(self) -> bool:
        """Text is not wanted."""
        return False

    async def feed(self, data: bytes) -> None:
        """Let it go."""

    async def complete(self, proof: CompletionProof) -> None:
        """Nothing was begun."""

    async def outcome(self) -> Outcome:
        """Return the verdict."""
        return self._outcome

    def settled(self) -> Outcome | None:
        """Return the verdict."""
        return self._outcome

    async def abandon(self) -> None:
        """Nothing was begun."""

    def let_go(self) -> None:
        """Nothing is open."""


class Sink(Protocol):
    """Where messages go. ``offer`` and ``close`` await requests."""

    keeps_return_path: bool
    """Whether Return-Path stays in the header (an MDA) or is the envelope's business."""
    finds_offers: bool
    """Whether it finds by the name of an offer what it took just before a kill."""

    async def open(self) -> None:
        """Be ready to take mail. Raises SinkUnavailable."""
        ...

    @property
    def domain(self) -> str:
        """The domain that local names are given here."""
        ...

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin with a message, behind the one that is still waiting for its verdict."""
        ...

    def listening(self) -> Sequence[Channel[Any] | Program]:
        """Return what the verdict of the last message will come from."""
        ...

    async def close(self) -> None:
        """Say good-bye, if there is still somebody to say it to."""
        ...


async def post(sink: Sink, letter: Parcel) -> Outcome:
    """Hand over a message of our own, whose ``header`` is all of it."""
    delivery = await sink.offer(letter)
    if await delivery.ready():
        await delivery.feed(letter.header)
        await delivery.complete(CompletionProof(0, letter.size))
    return await delivery.outcome()
