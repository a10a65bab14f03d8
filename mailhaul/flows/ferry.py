"""The order of steps: no message is deleted from the server before the sink has it durably.

For each message: the ledger records it as *offered*; the message is streamed to the sink; the
source proves that it is complete; the sink takes its last step and *accepts*; the ledger records
that. When a batch is full the ledger is synced to disk, and only then the server is asked to delete
or mark the messages. When the server has confirmed, the rows are *settled*.

This file has the first half of this order, up to the sink's last step; verdicts.py has the second.

After the final dot of one message the envelope of the next is sent immediately, so a message costs
one round trip to an SMTP sink. The text of a message is sent only while fewer than ``sink.lanes``
messages wait for their verdicts, so a kill leaves at most that many with an unknown verdict.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from ..protocols.errors import LimitExceeded, ProtocolError
from .account import Account, Action, OnRetrieveError
from .ledger import Offer, Page
from .outcome import CutOff, ExitCode, Outcome, PollFailed, Tally
from .pace import TooSlow
from .report import Reading, Remark, Report
from .requests import LedgerCall, Now, RuntimeFault, TimedOut, Wait
from .set_aside import set_aside_if_stuck
from .sink import Declined, Delivery, Parcel, Sink
from .source import (
    Listed,
    MessageChunk,
    MessageEnd,
    MessageStart,
    Part,
    Source,
    Uid,
    Unavailable,
    format_uid,
)
from .verdicts import Verdicts, Waiting

if TYPE_CHECKING:
    from .parcel import Packer

MAX_AHEAD = 128
"""Messages requested before the first of them has been delivered."""
MAX_AHEAD_OCTETS = 1024 * 1024
"""Octets requested ahead, by the announced sizes. A single message may be larger."""
MAX_GROWTH_OCTETS = 64 * 1024 * 1024
MAX_GROWTH_FACTOR = 10
"""How much longer than announced a text may be before it is treated as endless."""
HOLD_SECONDS = 0.3
"""How long a sink that gathers messages may hold the first of them while others arrive."""


class Meter(Protocol):
    """Limits the octets that are fetched."""

    def take(self, sizes: Sequence[int]) -> int:
        """Return how many messages, of these sizes in this order, may be fetched now.

        They count as fetched. This is blocking work on the ledger.
        """
        ...


class Ferry:
    """Transfers messages from one open mailbox to a sink. Call ``run`` once.

    The UIDs of messages with a verdict are added to ``tried``. Once ``stopping`` returns true, no
    further message is requested. With ``last`` the sink is closed at the end, since other polls may
    wait for it. With ``by_ledger`` only the ledger records which messages were read. Where
    ``meter`` allows no further message, none is requested; ``held_back`` counts those left.

    The size in the ledger is the one in the listing, because later listings are compared with it;
    a different size reported with the text is not recorded.
    """

    def __init__(
        self,
        account: Account,
        source: Source,
        sink: Sink,
        page: Page,
        packer: Callable[[Sink], Packer],
        report: Report,
        tally: Tally,
        *,
        tried: set[Uid] | None = None,
        stopping: Callable[[], bool] = lambda: False,
        last: bool = False,
        by_ledger: bool = False,
        meter: Meter | None = None,
    ) -> None:
        self._account = account
        self._source = source
        self._sink = sink
        self._page = page
        self._packer = packer
        self._report = report
        self._tally = tally
        self._total = 0
        self._waiting: deque[Listed] = deque()
        self._asked: deque[Listed] = deque()
        self._given_up: Listed | None = None
        self._offers: dict[Uid, Offer] = {}
        self._hold_until = 0.0
        self._tried = set[Uid]() if tried is None else tried
        self._verdicts = Verdicts(
            account, source, sink, page, report, tally, self._tried, by_ledger=by_ledger
        )
        self._stopping = stopping
        self._last = last
        self._meter = meter
        self.held_back = 0
        self._by_ledger = by_ledger

    @property
    def octets_ahead(self) -> int:
        """The announced octets of the messages that were requested and not transferred."""
        return sum(message.size for message in self._asked)

    async def run(self, messages: Iterable[Listed], total: int) -> None:
        """Transfer these messages, of ``total`` in the mailbox, and settle them at the server.

        Raises CutOff if the source fails, and PollFailed if the sink or the ledger fails.
        Messages accepted before that are in the ledger, and the next poll settles them.
        """
        self._total = total
        self._waiting.extend(messages)
        try:
            while self._waiting or self._asked:
                await self._ask_ahead()
                if self._asked:
                    await self._take(await self._next_part())
            await self._verdicts.return_refused()
            await self._verdicts.settle()
            if self._last:
                await self._sink.close()
            await self._source.finish(may_close=self._last)
            await self._verdicts.note_confirmed()
        except (ProtocolError, RuntimeFault) as error:
            await self._verdicts.save()
            # A connection that breaks before a text has begun broke at its request, unless the
            # previous message was given up: then the end of that one did not arrive.
            asked = self._asked[0] if self._asked else None
            raise CutOff(self._given_up or asked, error) from error
        except PollFailed:
            await self._verdicts.save()
            raise
        finally:
            # Only a cancelled poll has not received all verdicts.
            self._verdicts.release()

    async def _ask_ahead(self) -> None:
        """Request the next messages when half of those requested have arrived.

        Their offers are recorded together, before the first of them can be delivered.
        """
        waiting = self._waiting
        if waiting and self._stopping():
            waiting.clear()
        if not waiting or len(self._asked) > MAX_AHEAD // 2:
            return
        octets = sum(message.size for message in self._asked)
        if self._asked and octets + waiting[0].size > MAX_AHEAD_OCTETS:
            return
        some: list[Listed] = []
        while waiting and len(self._asked) + len(some) < MAX_AHEAD:
            octets += waiting[0].size
            if (self._asked or some) and octets > MAX_AHEAD_OCTETS:
                break
            some.append(waiting.popleft())
        if self._meter is not None:
            some = await self._within_limit(self._meter, some)
        self._offers |= await LedgerCall(lambda: self._page.reserve(some))
        if self._sink.finds_offers:
            # Such a sink finds a message by its name, so the name must survive a power failure.
            await LedgerCall(self._page.make_durable)
        for message in some:
            self._source.request(message)
            self._asked.append(message)

    async def _within_limit(self, meter: Meter, some: Sequence[Listed]) -> list[Listed]:
        """Return the messages that may be fetched; after the first that may not, leave all."""
        sizes = [message.size for message in some]
        count = await LedgerCall(lambda: meter.take(sizes))
        if count < len(some):
            self.held_back += len(some) - count + len(self._waiting)
            self._waiting.clear()
        return list(some[:count])

    async def _offer(self, message: Listed, fingerprint: bytes) -> Offer:
        """Record that a message is about to be sent to the sink; return its name.

        The existing record of its UID may belong to another message, which is gone.
        """
        uid, size = message.uid, message.size
        offer = self._offers.pop(uid, None)
        if offer is None:
            # Another message with this UID may still wait for its verdict.
            await self._verdicts.hear_all()
            offer = await LedgerCall(lambda: self._page.offer(uid, size))
        if offer.fingerprint and fingerprint and offer.fingerprint != fingerprint:
            await LedgerCall(lambda: self._page.forget([uid]))
            offer = await LedgerCall(lambda: self._page.offer(uid, size))
        reused = self._source.reuses_uids and bool(fingerprint)
        if self._sink.finds_offers and reused and not self._sink.gathers:
            await LedgerCall(lambda: self._page.set_fingerprints({uid: fingerprint}))
        return offer

    async def _next_part(self) -> Part:
        """Return the source's next part; record the verdicts that arrive meanwhile."""
        while (part := self._source.pull()) is None:
            await self._wait()
            await self._verdicts.record_known()
        return part

    async def _wait(self) -> None:
        """Wait for the source or the sink. A sink stores what it gathered if no more comes soon."""
        timeout = self._source.timeout
        if held := self._verdicts.held:
            timeout = min(timeout, max(0.0, self._hold_until - await Now()))
        try:
            await Wait([self._source.channel, *self._sink.listening()], timeout)
        except TooSlow as late:
            if late.pace is self._source.channel.pace:
                raise
            # The sink is too slow. Waiting for the sink alone raises the right error.
            await self._verdicts.hear_all()
        except TimedOut:
            if not held:
                raise
            await self._verdicts.hear_all()

    async def _take(self, part: Part) -> None:
        match part:
            case MessageStart(uid, number, size):
                # Reports use the number from the listing; expunged messages change later numbers.
                self._given_up = None
                listed = self._asked[0].number or number
                same = listed == number
                await self._carry(part if same else MessageStart(uid, listed, size))
            case Unavailable():
                await self._give_up(part)
            case MessageChunk() | MessageEnd():
                raise AssertionError("a part outside any message")
        self._asked.popleft()

    async def _carry(self, message: MessageStart) -> None:
        """Transfer one message from the source to the sink, up to the sink's last step."""
        packer = self._packer(self._sink)
        arrived = await self._read_header(packer)
        if isinstance(arrived, Unavailable):
            await self._give_up(arrived)
            return
        self._tally.read += 1
        if self._verdicts.many_refused:
            await self._verdicts.return_refused()
        offer = await self._offer(self._asked[0], packer.fingerprint)
        # Only now it is known which host of the hunt list accepts mail, and what its domain is.
        await self._sink.open()
        parcel = await packer.parcel(message.size, offer, self._sink.domain)
        delivery: Delivery
        if isinstance(parcel, Outcome):
            delivery = Declined(parcel)
        else:
            delivery = await self._sink.offer(parcel)
        try:
            await self._verdicts.make_room()
            size = message.size - packer.header_octets
            header, uid = packer.header_octets, message.uid
            self._report(Reading(message.number, self._total, header, size, uid))
            if isinstance(parcel, Parcel) and await delivery.ready():
                await delivery.feed(parcel.header + packer.beginning())
            arrived = arrived or await self._pour(delivery, packer)
        except Exception:
            await delivery.abandon()
            raise
        except BaseException:
            delivery.release()
            raise
        try:
            await self._hand_over(message, delivery, packer, arrived)
        except BaseException:
            delivery.release()
            raise

    async def _hand_over(
        self,
        message: MessageStart,
        delivery: Delivery,
        packer: Packer,
        arrived: MessageEnd | Unavailable,
    ) -> None:
        """Let the sink take its last step if the source has proved that the message is complete."""
        if isinstance(arrived, Unavailable):
            await delivery.abandon()
            await self._give_up(arrived)
            return
        if delivery.known_outcome() is None:
            await delivery.feed(packer.end())
            # The promise: the sink takes its last step only for a complete message.
            await delivery.complete(arrived.proof)
        octets = arrived.proof.octets + packer.memory
        if self._sink.gathers and not self._verdicts.held:
            self._hold_until = await Now() + HOLD_SECONDS
        self._verdicts.add(Waiting(message, self._asked[0], delivery, packer, octets))

    async def _give_up(self, missing: Unavailable) -> None:
        """Skip an unreadable message as ``retrieve-error`` says, or request it once more."""
        self._given_up = self._asked[0]
        if missing.again:
            self._waiting.append(self._asked[0])
            return
        server, size = self._source.channel.peer, self._asked[0].size
        if missing.rests:
            # It can probably be read, so no failure of it is counted. But if a server says so of
            # one message each time, that one has to come last, or the others would never arrive.
            why = f"{server}: the server sends no message now: {missing.reason}"
            await LedgerCall(lambda: self._page.unreadable(missing.uid, size, why, counted=False))
            raise PollFailed(ExitCode.SERVBUSY, why)
        self._tried.add(missing.uid)
        self._tally.unreadable += 1
        why = f"{server}: message {format_uid(missing.uid)} cannot be read: {missing.reason}"
        aborts = self._account.retrieve_error is OnRetrieveError.ABORT
        if not aborts:
            self._report(Remark(why, error=True))
        if self._account.retrieve_error is not OnRetrieveError.MARKSEEN:
            failures = await LedgerCall(lambda: self._page.unreadable(missing.uid, size, why))
            await set_aside_if_stuck(self._page, self._report, self._tally, missing.uid, failures)
            if aborts:
                raise PollFailed(ExitCode.PROTOCOL, why)
            return
        if self._by_ledger:
            seen = [self._asked[0]]
            await LedgerCall(lambda: self._page.mark_seen(seen))
        else:
            self._source.perform(Action.MARK, [missing.uid])

    async def _read_header(self, packer: Packer) -> MessageEnd | Unavailable | None:
        while not packer.ready:
            match await self._next_part():
                case MessageChunk(data):
                    packer.scan(data)
                case MessageEnd() as end:
                    packer.scan_end()
                    return end
                case Unavailable() as end:
                    return end
                case MessageStart():
                    raise AssertionError("a message inside a message")
        return None

    async def _pour(self, delivery: Delivery, packer: Packer) -> MessageEnd | Unavailable:
        """Send the rest of the text; if the verdict is already known, read and discard it."""
        limit = MAX_GROWTH_OCTETS + MAX_GROWTH_FACTOR * self._asked[0].size
        octets = 0
        while True:
            match await self._next_part():
                case MessageChunk(data):
                    octets += len(data)
                    if octets > limit:
                        raise LimitExceeded("message text", limit)
                    if delivery.known_outcome() is None:
                        await delivery.feed(packer.convert(data))
                case MessageEnd() | Unavailable() as end:
                    return end
                case MessageStart():
                    raise AssertionError("a message inside a message")
