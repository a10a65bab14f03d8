"""The order of steps: no message is deleted from the server before the sink has it durably.

For each message: the ledger records it as *offered*; the message is streamed to the sink; the
source proves that it is complete; the sink takes its last step and *accepts*; the ledger records
that. When a batch is full the ledger is synced to disk, and only then the server is asked to delete
or mark the messages. When the server has confirmed, the rows are *settled*.

At most two messages overlap: after the final dot of one message the envelope of the next is
sent immediately, so a message costs one round trip to the sink. The text of a message is sent only
after the verdict on the previous one is in the ledger, so a kill leaves at most one message with an
unknown verdict.

This file is long because it is the one order of steps that keeps mail safe, to be read from top to
bottom.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..protocols.errors import LimitExceeded, ProtocolError
from .account import Account, Action, OnRetrieveError
from .fate import Fate, fate_of
from .ledger import Offer, Page
from .outcome import (
    CutOff,
    ExitCode,
    Failures,
    Outcome,
    PollFailed,
    SinkUnavailable,
    Tally,
    Verdict,
)
from .pace import TooSlow
from .report import Handled, Reading, Remark, Report, Returned
from .requests import LedgerCall, RuntimeFault, Wait
from .set_aside import set_aside_if_stuck
from .settle import note_confirmed
from .sink import Declined, Delivery, Parcel, Sink, post
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

if TYPE_CHECKING:
    from .parcel import Packer

MAX_AHEAD = 64
"""Messages requested before the first of them has been delivered."""
MAX_AHEAD_OCTETS = 1024 * 1024
"""Octets requested ahead, by the announced sizes. A single message may be larger."""
MAX_REFUSED = 10
"""Refused messages whose headers are held until their bounces are sent."""
MAX_REFUSED_OCTETS = 512 * 1024
"""Octets of these headers after which the bounces are sent, even for fewer messages."""
MAX_GROWTH_OCTETS = 64 * 1024 * 1024
MAX_GROWTH_FACTOR = 10
"""How much longer than announced a text may be before it is treated as endless."""
MAX_POSTPONED_IN_A_ROW = 20
"""Messages in a row that a sink may postpone before it is not used again in this poll."""
BATCH = 100
"""Messages whose acceptance is synced to disk together, unless ``expunge`` is set."""


@dataclass(slots=True)
class Unanswered:
    """The last message, whose verdict is not known yet."""

    message: MessageStart
    listed: Listed
    delivery: Delivery
    packer: Packer


@dataclass(slots=True)
class Refused:
    """A refused message that needs a bounce."""

    message: MessageStart
    listed: Listed
    outcome: Outcome
    packer: Packer


class Ferry:
    """Transfers messages from one open mailbox to a sink. Call ``run`` once.

    The UIDs of messages with a verdict are added to ``tried``. Once ``stopping`` returns true, no
    further message is requested. With ``last`` the sink is closed at the end, since other polls may
    wait for it. With ``by_ledger`` only the ledger records which messages were read.

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
    ) -> None:
        self._account = account
        self._source = source
        self._sink = sink
        self._page = page
        self._packer = packer
        self._report = report
        self._tally = tally
        self._batch = account.expunge or BATCH
        self._total = 0
        self._waiting: deque[Listed] = deque()
        self._asked: deque[Listed] = deque()
        self._arriving: MessageStart | None = None
        self._given_up: Listed | None = None
        self._unanswered: Unanswered | None = None
        self._accepted: list[Uid] = []
        self._refused: list[Refused] = []
        self._offers: dict[Uid, Offer] = {}
        self._postponed = 0
        self._tried = set[Uid]() if tried is None else tried
        self._stopping = stopping
        self._last = last
        self._by_ledger = by_ledger

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
            await self._hear_verdict()
            await self._return_refused()
            await self._settle()
            if self._last:
                await self._sink.close()
            await self._source.finish()
            await self._note_confirmed()
        except (ProtocolError, RuntimeFault) as error:
            await self._save_verdicts()
            # A connection that breaks before a text has begun broke at its request, unless the
            # previous message was given up: then the end of that one did not arrive.
            asked = self._asked[0] if self._asked else None
            raise CutOff(self._given_up or asked, error) from error
        except PollFailed:
            await self._save_verdicts()
            raise
        finally:
            if self._unanswered:
                # Only a cancelled poll has not received the verdict.
                self._unanswered.delivery.release()

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
        self._offers |= await LedgerCall(lambda: self._page.reserve(some))
        if self._sink.finds_offers:
            # Such a sink finds a message by its name, so the name must survive a power failure.
            await LedgerCall(self._page.make_durable)
        for message in some:
            self._source.request(message)
            self._asked.append(message)

    async def _offer(self, message: Listed, fingerprint: bytes) -> Offer:
        """Record that a message is about to be sent to the sink; return its name.

        The existing record of its UID may belong to another message, which is gone.
        """
        uid, size = message.uid, message.size
        offer = self._offers.pop(uid, None)
        if offer is None:
            offer = await LedgerCall(lambda: self._page.offer(uid, size))
        if offer.fingerprint and fingerprint and offer.fingerprint != fingerprint:
            await LedgerCall(lambda: self._page.forget([uid]))
            offer = await LedgerCall(lambda: self._page.offer(uid, size))
        if self._sink.finds_offers and self._source.reuses_uids and fingerprint:
            await LedgerCall(lambda: self._page.set_fingerprint(uid, fingerprint))
        return offer

    async def _next_part(self) -> Part:
        """Return the source's next part; record the sink's verdict if it arrives meanwhile."""
        while (part := self._source.pull()) is None:
            try:
                await Wait([self._source.channel, *self._sink.listening()], self._source.timeout)
            except TooSlow as late:
                if late.pace is self._source.channel.pace:
                    raise
                # The sink is too slow. Waiting for the sink alone raises the right error.
                await self._hear_verdict()
            if self._unanswered and self._unanswered.delivery.known_outcome():
                await self._hear_verdict()
        return part

    async def _take(self, part: Part) -> None:
        match part:
            case MessageStart(uid, number, size):
                # Reports use the number from the listing; expunged messages change later numbers.
                part = MessageStart(uid, self._asked[0].number or number, size)
                self._arriving = part
                self._given_up = None
                await self._carry(part)
                self._arriving = None
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
        if self._many_refused():
            await self._hear_verdict()
            await self._return_refused()
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
            await self._hear_verdict()
            size = message.size - packer.header_octets
            self._report(Reading(message.number, self._total, packer.header_octets, size))
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
        self._unanswered = Unanswered(message, self._asked[0], delivery, packer)

    async def _give_up(self, missing: Unavailable) -> None:
        """Skip an unreadable message as ``retrieve-error`` says, or request it once more."""
        self._given_up = self._asked[0]
        if missing.again:
            self._waiting.append(self._asked[0])
            return
        self._tried.add(missing.uid)
        self._tally.unreadable += 1
        server = self._source.channel.peer
        why = f"{server}: message {format_uid(missing.uid)} cannot be read: {missing.reason}"
        aborts = self._account.retrieve_error is OnRetrieveError.ABORT
        if not aborts:
            self._report(Remark(why, error=True))
        if self._account.retrieve_error is not OnRetrieveError.MARKSEEN:
            size = self._asked[0].size
            failures = await LedgerCall(lambda: self._page.unreadable(missing.uid, size, why))
            await self._set_aside_if_stuck(missing.uid, failures)
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

    async def _hear_verdict(self) -> None:
        """Wait for the verdict on the last message and record it before anything else."""
        if self._unanswered is None:
            return
        # If waiting for the verdict fails, it is not tried again.
        last, self._unanswered = self._unanswered, None
        try:
            outcome = await last.delivery.outcome()
        except BaseException:
            last.delivery.release()
            raise
        await self._record(last, outcome)
        if len(self._accepted) >= self._batch:
            await self._settle()

    async def _record(self, last: Unanswered, outcome: Outcome) -> None:
        message, size = last.message, last.listed.size
        self._tried.add(message.uid)
        served_before = last.packer.served_before
        fate = fate_of(outcome, self._account.policy, served_before=served_before)
        if outcome.served:
            self._tally.accepted += 1
        if outcome.accepted or fate is Fate.DISCARD:
            await self._take_over(last, outcome)
        else:
            mark = last.packer.fingerprint
            failures = await LedgerCall(lambda: self._page.reject(message.uid, size, outcome, mark))
            if outcome.verdict is Verdict.REFUSED:
                await self._set_aside_if_stuck(message.uid, failures)
        if fate is Fate.RETURN:
            self._refused.append(Refused(message, last.listed, outcome, last.packer))
        # A message to be returned stays on the server until its bounce has been sent.
        flushed = (outcome.accepted or fate is Fate.DISCARD) and not self._account.keep
        self._report(Handled(message.number, outcome, flushed, fate, uid=message.uid, size=size))
        if not isinstance(last.delivery, Declined):
            self._count_postponed(outcome)

    async def _set_aside_if_stuck(self, uid: Uid, failures: Failures) -> None:
        await set_aside_if_stuck(self._page, self._report, self._tally, uid, failures)

    def _count_postponed(self, outcome: Outcome) -> None:
        """Raise SinkUnavailable if the sink postpones too many messages in a row."""
        self._postponed += 1
        if outcome.verdict is not Verdict.POSTPONED:
            self._postponed = 0
        if self._postponed >= MAX_POSTPONED_IN_A_ROW:
            raise SinkUnavailable(
                f"{MAX_POSTPONED_IN_A_ROW} messages in a row were postponed: {outcome.reason}"
            )

    async def _take_over(self, message: Unanswered | Refused, outcome: Outcome) -> None:
        """Record that a message only needs to be settled."""
        listed, action = message.listed, self._account.action
        mark = message.packer.fingerprint
        await LedgerCall(lambda: self._page.accept(listed.uid, listed.size, action, outcome, mark))
        self._accepted.append(listed.uid)

    def _many_refused(self) -> bool:
        octets = sum(one.packer.header_octets for one in self._refused)
        return len(self._refused) >= MAX_REFUSED or octets >= MAX_REFUSED_OCTETS

    async def _return_refused(self) -> None:
        """Send the bounces of refused messages. If a bounce fails, the message stays."""
        refused, self._refused = self._refused, []
        for one in refused:
            if problems := await self._return(one):
                number, why = one.message.number, "; ".join(problems)
                text = f"message {number} stays on the server: a bounce cannot be sent: {why}"
                self._report(Remark(text, error=True))

    async def _return(self, one: Refused) -> list[str]:
        """Send a bounce to the sender, or to the postmaster if the sink refuses the sender.

        Return [], or the reasons why no bounce was sent. A sink that delivers only to local users
        (LMTP) refuses every other sender permanently.
        """
        problems: list[str] = []
        tried: tuple[bytes, ...] = ()
        for in_place in (False, True):
            policy = self._account.policy
            parcel = one.packer.bounce(one.outcome, policy, to_postmaster=in_place)
            if parcel is None or parcel.recipients == tried:
                break
            tried = parcel.recipients
            answer = await post(self._sink, parcel)
            if answer.accepted:
                message = one.message
                await self._take_over(one, one.outcome)
                self._report(
                    Returned(message.number, tried, in_place, not self._account.keep, message.uid)
                )
                return []
            problems.append(answer.reason)
            if answer.verdict is not Verdict.REFUSED:
                break
        return problems or ["no address to send it to"]

    async def _settle(self) -> None:
        """Sync the batch to disk; only then ask the server to delete or mark."""
        await self._note_confirmed()
        if self._accepted:
            await LedgerCall(self._page.make_durable)
            self._source.perform(self._account.action, tuple(self._accepted))
            self._accepted.clear()

    async def _note_confirmed(self) -> None:
        action = self._account.action
        await note_confirmed(self._source, self._page, action, by_ledger=self._by_ledger)

    async def _save_verdicts(self) -> None:
        """Wait for the last verdict and sync the ledger: the source failed, the sink may accept."""
        await self._hear_verdict()
        await LedgerCall(self._page.make_durable)
