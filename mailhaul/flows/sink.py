"""The interface of a sink: the destination of messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..protocols.record import Record
from .outcome import Outcome
from .requests import Waitable
from .source import CompletionProof


class Parcel(Record):
    """A message to deliver: envelope, outgoing header, and the size announced by the source.

    Addresses are without angle brackets. A sender of b"" is the null sender; None means that the
    message has no sender (only an MDA distinguishes the two). ``size`` is in octets. ``name`` is
    the name of this offer in the ledger, and ``again`` is true if an earlier run made the offer and
    received no verdict. ``recoded`` is true if the text sent has a different size. ``names`` are
    the recipients' names in the ledger: the local part alone for an address at the sink's own
    domain, because the domain differs between the entries of a hunt list, and the full address
    for all others.
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
    """The delivery of one message to a sink."""

    async def ready(self) -> bool:
        """Wait until text may be fed; return False if the sink has already refused."""
        ...

    async def feed(self, data: bytes) -> None:
        """Send some bytes of the text; wait while the sink is congested."""
        ...

    async def complete(self, proof: CompletionProof) -> None:
        """Take the last step, or permit it. The sink may accept only after this."""
        ...

    async def outcome(self) -> Outcome:
        """Wait for the verdict."""
        ...

    def known_outcome(self) -> Outcome | None:
        """Return the verdict, or None while it is not known."""
        ...

    async def abandon(self) -> None:
        """Make sure that the text fed so far is never accepted."""
        ...

    def release(self) -> None:
        """Release resources without waiting. A delivery with a verdict has released them."""
        ...


class Declined:
    """A delivery that never begins, because the verdict is known without the sink."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    async def ready(self) -> bool:
        """Return False: no text is needed."""
        return False

    async def feed(self, data: bytes) -> None:
        """Do nothing."""

    async def complete(self, proof: CompletionProof) -> None:
        """Do nothing."""

    async def outcome(self) -> Outcome:
        """Return the verdict."""
        return self._outcome

    def known_outcome(self) -> Outcome | None:
        """Return the verdict."""
        return self._outcome

    async def abandon(self) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Do nothing."""


class Sink(Protocol):
    """A destination of messages. ``open``, ``offer`` and ``close`` await requests."""

    keeps_return_path: bool
    """Whether Return-Path stays in the header (for an MDA); otherwise only the envelope has it."""
    finds_offers: bool
    """Whether the sink can find, by the name of an offer, a message it accepted before a kill."""
    lanes: int
    """How many complete messages may wait for their verdicts. After a kill so many at most are
    delivered twice, or none if the sink ``finds_offers``."""
    gathers: bool
    """Whether the last step is taken for several messages together, when the ``outcome`` of the
    oldest is awaited, and not by ``complete``."""

    async def open(self) -> None:
        """Get ready to accept mail. Raises SinkUnavailable."""
        ...

    @property
    def domain(self) -> str:
        """The domain that is appended to local names."""
        ...

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin a delivery; earlier ones may still be waiting for their verdicts."""
        ...

    def listening(self) -> Sequence[Waitable]:
        """Return what to wait for until all verdicts have arrived."""
        ...

    async def hear_any(self) -> bool:
        """Wait until any verdict is known; return False if they come in the order of the offers.

        In that order the ``outcome`` of the oldest delivery is the one to await.
        """
        ...

    async def close(self) -> None:
        """End the session properly, if it is still open."""
        ...


async def post(sink: Sink, parcel: Parcel) -> Outcome:
    """Deliver a message that mailhaul wrote; ``parcel.header`` is its complete text."""
    delivery = await sink.offer(parcel)
    try:
        if await delivery.ready():
            await delivery.feed(parcel.header)
            await delivery.complete(CompletionProof(0, parcel.size))
        return await delivery.outcome()
    finally:
        delivery.release()
