"""What follows when a message has been handed to the sink: verdict, ledger, settling, bounce.

This is the second half of the order of steps in ferry.py. A verdict is recorded in the ledger
before anything else is done with it. The ledger is synced before the server is asked to delete or
mark the messages. A bounce counts as the acceptance of the message that it returns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..protocols.record import Record
from .account import Account
from .fate import Fate, fate_of
from .ledger import Acceptance, Page
from .outcome import Failures, Outcome, SinkUnavailable, Tally, Verdict
from .report import Handled, Remark, Report, Returned
from .requests import LedgerCall
from .set_aside import set_aside_if_stuck
from .settle import note_confirmed
from .sink import Declined, Delivery, Sink, post
from .source import Listed, MessageStart, Source, Uid

if TYPE_CHECKING:
    from .parcel import Packer

MAX_WAITING_OCTETS = 4 * 1024 * 1024
"""Octets of messages whose verdicts may be awaited together, their headers in memory included."""
MAX_REFUSED = 10
"""Refused messages whose headers are held until their bounces are sent."""
MAX_REFUSED_OCTETS = 512 * 1024
"""Octets of these headers after which the bounces are sent, even for fewer messages."""
MAX_POSTPONED_IN_A_ROW = 20
"""Messages in a row that a sink may postpone before it is not used again in this poll."""
BATCH = 100
"""Messages whose acceptance is synced to disk together, unless ``expunge`` is set."""


class Waiting(Record):
    """A message that was handed to the sink, and whose verdict has not been recorded.

    ``octets`` is the size of the text that the source sent, and of what is kept in memory.
    """

    message: MessageStart
    listed: Listed
    delivery: Delivery
    packer: Packer
    octets: int


class Refused(Record):
    """A refused message that needs a bounce."""

    message: MessageStart
    listed: Listed
    outcome: Outcome
    packer: Packer


class Verdicts:
    """The messages that one ferry has handed to a sink. ``tried`` gets the UIDs with a verdict.

    At most ``sink.lanes`` messages wait for their verdicts. With ``by_ledger`` only the ledger
    records which messages were read.
    """

    def __init__(
        self,
        account: Account,
        source: Source,
        sink: Sink,
        page: Page,
        report: Report,
        tally: Tally,
        tried: set[Uid],
        *,
        by_ledger: bool,
    ) -> None:
        self._account = account
        self._source = source
        self._sink = sink
        self._page = page
        self._report = report
        self._tally = tally
        self._tried = tried
        self._by_ledger = by_ledger
        self._batch = account.expunge or BATCH
        self._waiting: deque[Waiting] = deque()
        self._octets = 0
        self._accepted: list[Uid] = []
        self._refused: list[Refused] = []
        self._postponed = 0

    def add(self, one: Waiting) -> None:
        """Await the verdict on one more message."""
        self._waiting.append(one)
        self._octets += one.octets

    @property
    def held(self) -> bool:
        """Whether the sink takes the last step of some messages only when others follow."""
        return self._sink.gathers and bool(self._waiting)

    # Verdicts

    async def make_room(self) -> None:
        """Wait until another message may be handed to the sink."""
        while self._waiting and not self._has_room():
            await self._hear_next()

    async def _hear_next(self) -> None:
        """Wait for the next verdict, which need not be that on the oldest message; record it."""
        if len(self._waiting) > 1 and await self._sink.hear_any():
            await self.record_known()
        else:
            await self._hear_first()

    def _has_room(self) -> bool:
        if self._source.deletes_on_retrieval:
            # Such a message is nowhere else until the sink has it.
            return not self._waiting
        left_in_batch = self._batch - len(self._accepted)
        lanes = min(self._sink.lanes, left_in_batch)
        return len(self._waiting) < lanes and self._octets <= MAX_WAITING_OCTETS

    async def hear_all(self) -> None:
        """Wait for all verdicts, and record them."""
        while self._waiting:
            await self._hear_next()

    async def record_known(self) -> None:
        """Record the verdicts that are known already."""
        if known := self._take_known():
            await self._record(known)

    async def _hear_first(self) -> None:
        """Wait for the verdict on the oldest message; record all that are known then."""
        first = self._waiting.popleft()
        try:
            if self._sink.gathers and self._source.reuses_uids:
                await self._record_fingerprints([first, *self._waiting])
            outcome = await first.delivery.outcome()
        except BaseException:
            # If waiting for a verdict fails, neither it nor a later one is tried again.
            first.delivery.release()
            self.release()
            raise
        await self._record([(first, outcome), *self._take_known()])

    async def _record_fingerprints(self, several: Sequence[Waiting]) -> None:
        """Record which messages the sink is about to take: their UIDs may be reused."""
        marks = {one.listed.uid: one.packer.fingerprint for one in several}
        known = {uid: mark for uid, mark in marks.items() if mark}
        await LedgerCall(lambda: self._page.set_fingerprints(known))

    def _take_known(self) -> list[tuple[Waiting, Outcome]]:
        """Remove the messages whose verdicts are known; return them."""
        known: list[tuple[Waiting, Outcome]] = []
        unknown: deque[Waiting] = deque()
        for one in self._waiting:
            if outcome := one.delivery.known_outcome():
                known.append((one, outcome))
            else:
                unknown.append(one)
        self._waiting = unknown
        return known

    def release(self) -> None:
        """Give up all verdicts that are not recorded, without waiting."""
        for one in self._waiting:
            one.delivery.release()
        self._waiting.clear()
        self._octets = 0

    async def _record(self, known: Sequence[tuple[Waiting, Outcome]]) -> None:
        """Record verdicts, all acceptances at once, and settle a full batch."""
        policy = self._account.policy
        fates: list[Fate] = []
        done: list[tuple[Waiting, Outcome]] = []
        for one, outcome in known:
            self._octets -= one.octets
            fate = fate_of(outcome, policy, served_before=one.packer.served_before)
            fates.append(fate)
            if outcome.accepted or fate is Fate.DISCARD:
                done.append((one, outcome))
        await self._take_over(done)
        for (one, outcome), fate in zip(known, fates, strict=True):
            await self._follow(one, outcome, fate)
        for one, outcome in known:
            if not isinstance(one.delivery, Declined):
                self._count_postponed(outcome)
        if len(self._accepted) >= self._batch:
            await self.settle()

    async def _follow(self, one: Waiting, outcome: Outcome, fate: Fate) -> None:
        """Do what a verdict requires besides the record of an acceptance."""
        message, size = one.message, one.listed.size
        self._tried.add(message.uid)
        accepted = outcome.accepted
        if accepted or outcome.served:
            self._tally.accepted += 1
        kept = not (accepted or fate is Fate.DISCARD)
        if kept:
            mark = one.packer.fingerprint
            failures = await LedgerCall(lambda: self._page.reject(message.uid, size, outcome, mark))
            if outcome.verdict is Verdict.REFUSED:
                await self._set_aside_if_stuck(message.uid, failures)
        if fate is Fate.RETURN:
            self._refused.append(Refused(message, one.listed, outcome, one.packer))
        # A message to be returned stays on the server until its bounce has been sent.
        flushed = not (kept or self._account.keep)
        self._report(Handled(message.number, outcome, flushed, fate, uid=message.uid, size=size))

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

    async def _take_over(self, done: Sequence[tuple[Waiting | Refused, Outcome]]) -> None:
        """Record that these messages only need to be settled."""
        if not done:
            return
        action = self._account.action
        accepted = [
            Acceptance(one.listed.uid, one.listed.size, action, outcome, one.packer.fingerprint)
            for one, outcome in done
        ]
        await LedgerCall(lambda: self._page.accept(accepted))
        self._accepted += [one.uid for one in accepted]

    # Bounces

    @property
    def many_refused(self) -> bool:
        """Whether so many headers are held that their bounces should be sent."""
        if not self._refused:
            return False
        octets = sum(one.packer.header_octets for one in self._refused)
        return len(self._refused) >= MAX_REFUSED or octets >= MAX_REFUSED_OCTETS

    async def return_refused(self) -> None:
        """Send the bounces of refused messages. If a bounce fails, the message stays."""
        await self.hear_all()
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
                await self._take_over([(one, one.outcome)])
                self._report(
                    Returned(message.number, tried, in_place, not self._account.keep, message.uid)
                )
                return []
            problems.append(answer.reason)
            if answer.verdict is not Verdict.REFUSED:
                break
        return problems or ["no address to send it to"]

    # Settling

    async def settle(self) -> None:
        """Sync the batch to disk; only then ask the server to delete or mark."""
        await self.note_confirmed()
        if self._accepted:
            await LedgerCall(self._page.make_durable)
            self._source.perform(self._account.action, tuple(self._accepted))
            self._accepted.clear()

    async def note_confirmed(self) -> None:
        """Record what the server has confirmed."""
        remembers = self._by_ledger or self._account.delete_after > 0
        await note_confirmed(self._source, self._page, by_ledger=remembers)

    async def save(self) -> None:
        """Wait for the verdicts and sync the ledger: the poll failed, the sink may still accept."""
        while self._waiting:
            try:
                await self._hear_next()
            except SinkUnavailable:
                # The poll ends anyway; other verdicts may still be heard.
                continue
        await LedgerCall(self._page.make_durable)
