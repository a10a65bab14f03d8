"""A mailbox on an IMAP server as a sink: each message is stored by APPEND (RFC 3501, 6.3.11).

APPEND names a message's octets before they come, so each one is spooled until it is whole. What
is stored is what came, with the one rule of SMTP for line ends: CRLF stays, a bare CR and a bare
LF each become CRLF. Flags and date go along where the source knows them; else the date is that of
the topmost Received field.

A message counts as accepted on the tagged OK and not before. When that answer is lost, only the
mailbox knows: the message is looked for there before it is appended once more, in this run or in a
later one (imap_find.py). Nothing is reported on a message of which nothing is known; the poll ends
instead, and the ledger keeps it as one that was offered.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ...flows.channel import Channel, Program, describe
from ...flows.outcome import Outcome, PollFailed, SinkUnavailable, Verdict
from ...flows.pace import Pace
from ...flows.requests import Call, Close, RuntimeFault, Wait
from ...flows.sink import Declined, Delivery, Parcel
from ...flows.source import CompletionProof, MessageMetadata
from ...protocols.errors import ProtocolError
from ...protocols.imap.client import ImapClient
from ...protocols.imap.commands import Append, AppendChunk, AskStatus, CreateMailbox
from ...protocols.imap.events import Completed, Condition, MailboxStatus, ReadyForText, SaidBye
from ...protocols.machine import NeedData
from ...protocols.message.line_ends import Canonical
from ...protocols.message.received_date import is_date_time, received_date
from ..login.access import Access, shown
from ..login.imap import greet, log_out
from .imap_find import Finder, tell
from .spool import SpoolTooSmall, new_spool, read_spool, too_large, write_spool

BLOCK = 256 * 1024
ANSWER_SECONDS = 600.0
"""What a server is granted to store a message; a shorter ``timeout`` never cuts it."""
MAX_FAILURES_IN_A_ROW = 2
"""Messages in a row after which those behind them need not be tried: the mailbox is full, or the
server hangs up on whatever comes."""
LIMIT = b"APPENDLIMIT"


class ImapAppendSink:
    """One mailbox at one server. See ``mailhaul.flows.sink.Sink``.

    ``mailbox`` is its name on the wire. One connection serves all messages of a poll.
    """

    keeps_return_path = True
    finds_offers = True
    domain = ""

    def __init__(self, access: Access, mailbox: bytes, spool_folder: str) -> None:
        self.access = access
        self.mailbox = mailbox
        self.spool_folder = spool_folder
        self.patience = max(access.timeout, ANSWER_SECONDS)
        self.channel = self._new_channel()
        self.limit: int | None = None
        """The octets that a message may have at most, where the server says so (RFC 7889)."""
        self._in_vain: list[str] = []

    def note(self, problem: str) -> None:
        """Note what would hinder the next message as well; "" if nothing did this one."""
        self._in_vain = [*self._in_vain, problem] if problem else []

    def check(self) -> None:
        """Raise SinkUnavailable where one more message would be sent in vain."""
        if len(self._in_vain) >= MAX_FAILURES_IN_A_ROW:
            raise SinkUnavailable(f"append: {self._in_vain[-1]}")

    def _new_channel(self) -> Channel[ImapClient]:
        machine = ImapClient(trace=self.access.trace)
        return Channel(self.access.peer, machine, pace=Pace(machine, self.patience))

    async def open(self) -> None:
        """Connect and log in, unless that is done. Raises SinkUnavailable."""
        if self.channel.open:
            return
        self.channel = self._new_channel()
        try:
            await greet(self.channel, self.access)
            await self._learn_limit()
        except PollFailed as failure:
            problem = str(failure)
        except (ProtocolError, RuntimeFault) as error:
            problem = describe(self.channel, error)
        else:
            return
        await self.drop()
        raise SinkUnavailable(f"append: {problem}")

    async def _learn_limit(self) -> None:
        """Read APPENDLIMIT; where it differs among mailboxes, ask for that of ours."""
        self.limit = None
        machine = self.channel.machine
        for name in machine.capabilities:
            word, _, value = name.partition(b"=")
            # 63 bits are as much as a size has (RFC 9051, 9: number64).
            if word == LIMIT and value.isdigit() and len(value) < 20:
                self.limit = int(value)
        if LIMIT not in machine.capabilities:
            return

        def note(event: Any) -> None:
            if isinstance(event, MailboxStatus):
                found = dict(event.items).get(LIMIT)
                self.limit = found if isinstance(found, int) else None

        await tell(self.channel, AskStatus(self.mailbox, (LIMIT,)), self.patience, note)

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to spool a message. Raises PollFailed (IOERR)."""
        try:
            spool = await new_spool(parcel.size, self.spool_folder)
        except SpoolTooSmall as fault:
            return Declined(too_large(fault))
        return AppendDelivery(self, parcel, spool)

    def listening(self) -> Sequence[Channel[Any] | Program]:
        """Return the channel while an answer is due."""
        machine = self.channel.machine
        due = self.channel.open and machine.outstanding and machine.state != "error"
        return [self.channel] if due else []

    def hear(self) -> Completed | ReadyForText | None:
        """Return what the server has said to a command; None until it has. Raises ProtocolError."""
        while not isinstance(event := self.channel.machine.next_event(), NeedData):
            match event:
                case Completed() | ReadyForText():
                    return event
                case SaidBye(_, text):
                    # What follows is the end of the connection, which fails what is unanswered.
                    self.channel.failure = f"the server said good-bye: {shown(text)}"
                case _:
                    pass
        return None

    async def drop(self) -> None:
        """Close the connection at once: a message that is not sent in full is never stored."""
        await Close(self.channel)

    async def close(self) -> None:
        """Log out, if there is still somebody to say it to."""
        await log_out(self.channel)


class AppendDelivery:
    """One message for the mailbox. See ``mailhaul.flows.sink.Delivery``."""

    def __init__(self, sink: ImapAppendSink, parcel: Parcel, spool: int) -> None:
        self._sink = sink
        self._parcel = parcel
        self._spool = spool
        self._text = Canonical()
        self._size = 0
        self._binary = False
        self._marks = MessageMetadata()
        self._verdict: Outcome | None = None
        self._under_way = False
        self._lost = ""
        self._repeated = False
        self._remedy: Callable[[], Awaitable[None]] | None = None
        self._created = False

    # Text

    async def ready(self) -> bool:
        """Log in: a message need not be read for a mailbox that takes none.

        Raises SinkUnavailable. The verdict on the message before is known by now.
        """
        self._sink.check()
        await self._sink.open()
        return True

    async def feed(self, data: bytes) -> None:
        """Add some bytes to the spool. Where there is no room, that is the verdict.

        Raises PollFailed (IOERR).
        """
        if self._verdict is None:
            await self._write(self._text.feed(data))

    async def _write(self, data: bytes) -> None:
        if data and self._verdict is None:
            self._size += len(data)
            self._binary = self._binary or b"\0" in data
            try:
                await Call(lambda: write_spool(self._spool, data, self._sink.spool_folder))
            except SpoolTooSmall as fault:
                self._conclude(Verdict.REFUSED, str(fault))

    async def _read(self, place: int, octets: int) -> bytes:
        return await Call(lambda: read_spool(self._spool, place, octets, self._sink.spool_folder))

    # The last step

    async def complete(self, proof: CompletionProof) -> None:
        """Append the message: ``proof`` says that it is whole. The answer is awaited elsewhere."""
        await self._write(self._text.finish())
        if self._verdict is not None:
            self._close_spool()
            return
        self._marks = marks_of(proof, self._parcel.header)
        self._under_way = True
        if objection := self._objection():
            self._conclude(Verdict.REFUSED, objection)
            return
        try:
            await self._send(look_first=self._parcel.again)
        except PollFailed:
            await self.abandon()
            raise

    def _objection(self) -> str:
        """Return why the server would not take the message, if that is known beforehand."""
        limit = self._sink.limit
        if limit is not None and self._size > limit:
            return f"{self._size} octets, and the server takes {limit} at most (APPENDLIMIT)"
        if self._binary and b"BINARY" not in self._sink.channel.machine.capabilities:
            return "there is a NUL in the message, and the server takes none (BINARY, RFC 3516)"
        return "" if self._size else "the message is empty"

    async def _is_there(self) -> bool:
        sink, header = self._sink, self._parcel.header
        finder = Finder(
            sink.channel, sink.patience, header, self._size, self._marks.date, self._read
        )
        return await finder.is_in(sink.mailbox)

    async def _send(self, *, look_first: bool = False) -> None:
        """Append the message, if it is not there; what goes wrong on the way is noted."""
        try:
            if look_first and await self._is_there():
                self._conclude(Verdict.ACCEPTED)
            else:
                await self._append()
        except (ProtocolError, RuntimeFault) as error:
            self._lose(error)

    async def _append(self) -> None:
        """Send the command and, once it may come, the text."""
        sink, marks = self._sink, self._marks
        command = Append(sink.mailbox, self._size, marks.flags, marks.date, binary=self._binary)
        sink.channel.machine.send(command)
        while not isinstance(said := sink.hear(), ReadyForText):
            if said:
                self._judge(said)
                return
            await Wait([sink.channel], sink.patience)
        answer: Completed | ReadyForText | None = None
        for place in range(0, self._size, BLOCK):
            sink.channel.machine.send(AppendChunk(await self._read(place, BLOCK)))
            while sink.channel.congested:
                await Wait([sink.channel], sink.patience)
                # A refusal may come early; what is announced is sent to its end all the same,
                # for the server takes as text whatever comes.
                answer = sink.hear() or answer
        if isinstance(answer, Completed):
            self._judge(answer)

    # Verdict

    async def outcome(self) -> Outcome:
        """Wait for the verdict. Raises SinkUnavailable where none is to be had."""
        try:
            return await self._hear_out()
        finally:
            self._close_spool()

    async def _hear_out(self) -> Outcome:
        while (verdict := self.settled()) is None:
            if not self._under_way:
                return Outcome(Verdict.POSTPONED, "the message was given up")
            if self._lost:
                await self._try_again()
                continue
            try:
                if remedy := self._remedy:
                    self._remedy = None
                    await remedy()
                else:
                    await Wait([self._sink.channel], self._sink.patience)
            except (ProtocolError, RuntimeFault) as error:
                self._lose(error)
        return verdict

    def settled(self) -> Outcome | None:
        """Return the verdict if it is known already."""
        if self._under_way and not (self._verdict or self._lost or self._remedy):
            try:
                answer = self._sink.hear()
            except ProtocolError as error:
                self._lose(error)
            else:
                if isinstance(answer, Completed):
                    self._judge(answer)
        return self._verdict

    def _judge(self, done: Completed) -> None:
        """Take the answer to APPEND (RFC 3501, 7.1; RFC 5530, 3; RFC 7889, 4)."""
        code = done.code.name if done.code else b""
        peer, text = self._sink.access.peer, shown(done.text)
        no_room = done.condition is Condition.NO and code == b"OVERQUOTA"
        self._sink.note(f"{peer}: {text}" if no_room else "")
        match done.condition:
            case Condition.OK:
                self._conclude(Verdict.ACCEPTED)
            case Condition.NO if code == b"TRYCREATE" and not self._created:
                self._remedy = self._create
            case Condition.NO if code != b"TOOBIG":
                self._conclude(Verdict.POSTPONED, f"{peer}: {text}")
            case Condition.BAD if any(map(is_keyword, self._marks.flags)):
                # Exchange refuses what is not among its flags as bad syntax.
                flags = tuple(flag for flag in self._marks.flags if not is_keyword(flag))
                self._marks = MessageMetadata(flags, self._marks.date)
                self._remedy = self._append
            case _:
                self._conclude(Verdict.REFUSED, f"{peer}: {text}")

    async def _create(self) -> None:
        """Make the mailbox, as the server suggests, and append once more (6.3.11)."""
        sink = self._sink
        self._created = True
        done = await tell(sink.channel, CreateMailbox(sink.mailbox), sink.patience)
        if done.condition is Condition.OK:
            await self._append()
        else:
            why = f"{sink.access.peer}: the mailbox cannot be made: {shown(done.text)}"
            self._conclude(Verdict.POSTPONED, why)

    def _lose(self, error: Exception) -> None:
        self._lost = describe(self._sink.channel, error)

    async def _try_again(self) -> None:
        """Connect anew and look whether the message was stored; if not, append it once more.

        Raises SinkUnavailable where that cannot be found out.
        """
        sink = self._sink
        lost = self._lost
        await sink.drop()
        await sink.open()
        try:
            there = await self._is_there()
        except (ProtocolError, RuntimeFault) as error:
            self._lose(error)
            raise SinkUnavailable(f"append: {self._lost}") from error
        if there:
            self._conclude(Verdict.ACCEPTED)
        elif self._repeated:
            # It is not there, so much is known; those behind it may fare better.
            sink.note(lost)
            self._conclude(Verdict.POSTPONED, lost)
        else:
            self._repeated, self._lost = True, ""
            await self._send()

    async def abandon(self) -> None:
        """Forget the spool; the server has not seen the end of it."""
        if self._under_way and self._verdict is None:
            await self._sink.drop()
        self._conclude(Verdict.POSTPONED, "the message was given up")
        self._close_spool()

    def _conclude(self, verdict: Verdict, why: str = "") -> None:
        if self._verdict is None:
            taken = self._parcel.recipients if verdict is Verdict.ACCEPTED else ()
            who = tuple((each.decode("utf-8", "surrogateescape"), verdict) for each in taken)
            self._verdict = Outcome(verdict, why, who)

    def let_go(self) -> None:
        """Close what is open, without waiting."""
        self._close_spool()

    def _close_spool(self) -> None:
        if self._spool >= 0:
            os.close(self._spool)
            self._spool = -1


def is_keyword(flag: bytes) -> bool:
    """Whether a flag is none of IMAP's own, so that a server need not have it (RFC 3501, 2.3.2)."""
    return not flag.startswith(b"\\")


def marks_of(proof: CompletionProof, header: bytes) -> MessageMetadata:
    """Return flags and date of a message; the date of its arrival if the source has no better."""
    marks = proof.marks or MessageMetadata()
    if marks.date is not None and is_date_time(marks.date):
        return marks
    return MessageMetadata(marks.flags, received_date(header))
