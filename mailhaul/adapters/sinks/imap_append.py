"""A mailbox on an IMAP server as a sink: each message is stored by APPEND (RFC 3501, 6.3.11).

APPEND announces the size of a message, so each message is spooled until it is complete. It is
stored as it arrived, except for line ends, which follow SMTP: CRLF stays, a bare CR and a bare LF
each become CRLF. Flags and date are stored too if the source knows them; otherwise the date is that
of the topmost Received field.

Several messages may be under way: each APPEND is sent without waiting for the reply to the one
before, and with LITERAL+ or LITERAL- (RFC 7888) its text without waiting for the server's request.
MULTIAPPEND (RFC 3502) would need as few round trips, but stores all messages or none: one that the
server refuses would have to be found by appending all of them again, one by one.

A message counts as accepted only after the tagged OK. If that reply is lost, the mailbox is
searched for the message before it is appended again, in this run or in a later one (imap_find.py).
After a lost connection or a refusal that need not be final the messages are finished one by one,
oldest first, so that they keep their order.
If the search is not possible, there is no verdict: the poll ends, and the ledger keeps the message
as one that was offered.

This file is long because the sink decides the order of the messages by the state of each of them.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence

from ... import imap
from ...flows.channel import Channel, Endpoint, describe
from ...flows.outcome import Outcome, PollFailed, SinkUnavailable, Verdict
from ...flows.pace import Pace
from ...flows.requests import Call, Close, Program, RuntimeFault, Wait
from ...flows.sink import Declined, Delivery, Parcel
from ...flows.source import CompletionProof, MessageMetadata
from ...protocols.errors import ProtocolError
from ...protocols.machine import NeedData
from ...protocols.message.line_ends import Canonical
from ...protocols.message.received_date import is_date_time, received_date
from ..login.access import Access, excerpt, mailbox_advice
from ..login.imap import greet, log_out
from .imap_find import Finder, execute
from .spool import SpoolTooSmall, add_to_spool, new_spool, read_spool, too_large_outcome

BLOCK = 256 * 1024
"""Octets that are sent at a time."""
MIN_TIMEOUT = 600.0
"""Seconds that a server always has to store a message, even if ``timeout`` is shorter."""
MAX_FAILURES_IN_A_ROW = 2
"""Failed messages in a row after which no more are tried: the mailbox is full, or the server closes
the connection for every message.
"""
APPENDLIMIT = b"APPENDLIMIT"


class ImapAppendSink:
    """One mailbox at one server. See ``mailhaul.flows.sink.Sink``.

    ``mailbox`` is its encoded name. One connection is used for all messages of a poll.
    """

    keeps_return_path = True
    finds_offers = True
    lanes = 50
    gathers = False
    domain = ""

    def __init__(self, access: Access, mailbox: bytes, spool_folder: str) -> None:
        self.access = access
        self.mailbox = mailbox
        self.levels: tuple[bytes, ...] = ()
        """The levels below the mailbox, until the server has said how it separates them."""
        self.spool_folder = spool_folder
        self.timeout = max(access.timeout, MIN_TIMEOUT)
        self.channel = self._new_channel()
        self.limit: int | None = None
        """The maximum size of a message in octets, if the server announces it (RFC 7889)."""
        self.stores = False
        """Whether the server has stored a message in this mailbox."""
        self.stores_keywords = False
        """Whether it has stored one with keywords."""
        self._unfinished: list[AppendDelivery] = []
        self._finder: Finder | None = None
        self._broken = False
        self._failures: list[str] = []

    # Failures in a row

    def count_failure(self, problem: str) -> None:
        """Count a failure that may affect the next message too; "" resets the count."""
        self._failures = [*self._failures, problem] if problem else []

    def check_failures(self) -> None:
        """Raise SinkUnavailable after too many failures in a row."""
        if len(self._failures) >= MAX_FAILURES_IN_A_ROW:
            raise SinkUnavailable(f"append: {self._failures[-1]}")

    # The connection

    def _new_channel(self) -> Channel[imap.Client]:
        machine = imap.Client(tap=self.access.tap)
        return Channel(self.access.peer, machine, pace=Pace(machine, self.timeout))

    async def open(self) -> None:
        """Connect and log in, unless the connection is open.

        Raises SinkUnavailable, and PollFailed (IOERR) if the password cannot be read.
        """
        if self._broken:
            await Close(self.channel)
        if self.channel.open:
            return
        self.channel = self._new_channel()
        self._finder, self._broken = None, False
        # Before the connection: a command may take a minute, or wait for the user.
        access = await self.access.with_password()
        try:
            await greet(self.channel, access)
            if self.levels:
                from .tree import mailbox_below  # few accounts keep the tree of folders

                self.mailbox = await mailbox_below(
                    self.channel, self.timeout, self.mailbox, self.levels
                )
                self.levels = ()
            await self._read_limit()
        except PollFailed as failure:
            problem = str(failure)
        except (ProtocolError, RuntimeFault) as error:
            problem = describe(self.channel, error)
        else:
            return
        await self.drop()
        raise SinkUnavailable(f"append: {problem}")

    async def _read_limit(self) -> None:
        """Read APPENDLIMIT; ask for the limit of the mailbox if mailboxes have different ones."""
        self.limit = None
        announced = self.channel.machine.capabilities.get(APPENDLIMIT)
        for value in announced or ():
            # A size has 63 bits at most (RFC 9051, 9: number64).
            if value.isdigit() and len(value) < 20:
                self.limit = int(value)
        if announced != ():
            return

        def collect(event: imap.Event) -> None:
            if isinstance(event, imap.MailboxStatus):
                found = dict(event.items).get(APPENDLIMIT)
                self.limit = found if isinstance(found, int) else None

        await execute(
            self.channel, imap.AskStatus(self.mailbox, (APPENDLIMIT,)), self.timeout, collect
        )

    @property
    def finder(self) -> Finder:
        """The search on this connection. Nothing else may be outstanding while it is used."""
        if self._finder is None:
            self._finder = Finder(self.channel, self.timeout, self.mailbox)
        return self._finder

    async def drop(self) -> None:
        """Close the connection at once: an incomplete message is never stored."""
        self._lose("the connection was closed")
        await Close(self.channel)

    def fail(self, error: Exception) -> str:
        """Note that the connection failed; return why."""
        reason = describe(self.channel, error)
        self._lose(reason)
        return reason

    def _lose(self, reason: str) -> None:
        """Note for all messages without a reply that it is unknown whether they were stored."""
        self._broken = True
        for delivery in self._unfinished:
            delivery.lose(reason)

    async def close(self) -> None:
        """Log out, if the connection still works."""
        await log_out(self.channel)

    # Messages without a verdict, oldest first

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to spool a message. Raises PollFailed (IOERR)."""
        try:
            spool = await new_spool(parcel.size, self.spool_folder)
        except SpoolTooSmall as fault:
            return Declined(too_large_outcome(fault))
        return AppendDelivery(self, parcel, spool)

    def listening(self) -> Sequence[Channel[Endpoint] | Program]:
        """Return the channel while a reply is expected."""
        machine = self.channel.machine
        due = self.channel.open and machine.outstanding and not machine.failed
        return [self.channel] if due else []

    async def hear_any(self) -> bool:
        """Return False: verdicts come in the order of the offers."""
        return False

    def begin(self, delivery: AppendDelivery) -> None:
        """Add a message that is about to be appended."""
        self._unfinished.append(delivery)

    def finish(self, delivery: AppendDelivery) -> None:
        """Remove a message that has its verdict, or whose verdict nobody awaits."""
        self._unfinished = [one for one in self._unfinished if one is not delivery]

    def hear(self) -> imap.ReadyForText | None:
        """Give the replies that have arrived to their messages. Raises ProtocolError.

        Return the request for the text of a message, if it came, before any later reply.
        """
        while not isinstance(event := self.channel.machine.next_event(), NeedData):
            match event:
                case imap.ReadyForText():
                    return event
                case imap.Completed(command):
                    for delivery in self._unfinished:
                        # Messages may be alike in size, date and flags.
                        if delivery.command is command:
                            delivery.hear(event)
                case imap.SaidBye(_, text):
                    # The connection ends after BYE, and the outstanding commands fail.
                    self.channel.failure = f"the server sent BYE: {excerpt(text)}"
                case _:
                    pass
        return None

    def hear_known(self) -> None:
        """Do so, and note an error of the connection."""
        try:
            self.hear()
        except ProtocolError as error:
            self.fail(error)

    async def proceed(self) -> None:
        """Wait for the next replies. After the last one, take the next step of the oldest message.

        Such a step follows a lost connection or a refusal that need not be final. Since nothing is
        outstanding then, messages keep their order. Raises PollFailed.
        """
        if not any(one.awaits_reply for one in self._unfinished):
            for oldest in self._unfinished[:1]:
                await oldest.repair()
            return
        try:
            await Wait([self.channel], self.timeout)
            self.hear()
        except (ProtocolError, RuntimeFault) as error:
            self.fail(error)

    async def repair(self) -> None:
        """Get the verdicts on all messages, if something went wrong with one. Raises PollFailed."""
        while not all(one.awaits_reply for one in self._unfinished):
            await self.proceed()

    async def make_way(self, *, alone: bool) -> None:
        """Wait until the next message may be appended without a change of order.

        The first one shows that the mailbox exists, and the first with keywords that the server
        accepts them: nothing follows either before its reply, nor after a failure. A message that
        must be searched for goes ``alone``. Raises PollFailed.
        """
        await self.repair()
        unsure = not self.stores_keywords and any(one.keywords for one in self._unfinished)
        if alone or unsure or self._failures or not self.stores:
            while self._unfinished:
                await self.proceed()
        self.check_failures()


class AppendDelivery:
    """One message for the mailbox. See ``mailhaul.flows.sink.Delivery``."""

    def __init__(self, sink: ImapAppendSink, parcel: Parcel, spool: int) -> None:
        self.command: imap.Append | None = None
        """The last command sent."""
        self.awaits_reply = False
        """Whether its reply is outstanding."""
        self._sink = sink
        self._parcel = parcel
        self._spool = spool
        self._text = Canonical()
        self._size = 0
        self._binary = False
        self._metadata = MessageMetadata()
        self._verdict: Outcome | None = None
        self._begun = False
        self._sending_text = False
        self._early: imap.Completed | None = None
        self._connection_error = ""
        self._retried = False
        self._next_step: Callable[[], Awaitable[None]] | None = None
        self._mailbox_created = False

    @property
    def keywords(self) -> bool:
        """Whether the message has keywords, which a server need not support (RFC 3501, 2.3.2)."""
        return any(map(is_keyword, self._metadata.flags))

    # Text

    async def ready(self) -> bool:
        """Connect and log in, so that no text is read if the mailbox is not available.

        Raises SinkUnavailable.
        """
        await self._sink.repair()
        self._sink.check_failures()
        await self._sink.open()
        return True

    async def feed(self, data: bytes) -> None:
        """Add some bytes to the spool. If there is no room, the message is refused.

        Raises PollFailed (IOERR).
        """
        if self._verdict is None:
            await self._write(self._text.feed(data))

    async def _write(self, data: bytes) -> None:
        if data and self._verdict is None:
            self._size += len(data)
            self._binary = self._binary or b"\0" in data
            try:
                await add_to_spool(self._spool, data, self._sink.spool_folder, self._parcel.size)
            except SpoolTooSmall as fault:
                self._conclude(Verdict.REFUSED, str(fault))

    async def _read(self, offset: int, octets: int) -> bytes:
        return await Call(lambda: read_spool(self._spool, offset, octets, self._sink.spool_folder))

    # APPEND

    async def complete(self, proof: CompletionProof) -> None:
        """Append the message: ``proof`` shows that it is complete. ``outcome`` awaits the reply."""
        await self._write(self._text.finish())
        if self._verdict is not None:
            return
        self._metadata = metadata_of(proof, self._parcel.header)
        sink, again = self._sink, self._parcel.again
        try:
            await sink.make_way(alone=again)
            if reason := self._reason_to_refuse():
                self._conclude(Verdict.REFUSED, reason)
                return
            self._begun = True
            sink.begin(self)
            await self._send(look_first=again)
        except PollFailed:
            await self.abandon()
            raise

    def _reason_to_refuse(self) -> str:
        """Return why the server would certainly refuse the message, or ""."""
        limit = self._sink.limit
        if limit is not None and self._size > limit:
            return f"{self._size} octets, but the server accepts {limit} at most (APPENDLIMIT)"
        if self._binary and b"BINARY" not in self._sink.channel.machine.capabilities:
            return "the message contains a NUL, but the server does not offer BINARY (RFC 3516)"
        return "" if self._size else "the message is empty"

    async def _is_stored(self) -> bool:
        finder, header = self._sink.finder, self._parcel.header
        return await finder.finds(header, self._size, self._metadata.date, self._read)

    async def _send(self, *, look_first: bool = False) -> None:
        """Append the message, unless it is already stored; record a connection error."""
        try:
            if look_first and await self._is_stored():
                self._conclude(Verdict.ACCEPTED)
            else:
                await self._append()
        except (ProtocolError, RuntimeFault) as error:
            self._connection_error = self._sink.fail(error)

    async def _append(self) -> None:
        """Send the command and, as soon as the server takes it, the text."""
        sink, metadata = self._sink, self._metadata
        flags, date = metadata.flags, metadata.date
        self.command = imap.Append(sink.mailbox, self._size, flags, date, binary=self._binary)
        sink.channel.machine.send(self.command)
        self.awaits_reply = True
        # With LITERAL+ the machine itself permits the text (RFC 7888).
        while sink.hear() is None:
            if not self.awaits_reply:
                return
            await Wait([sink.channel], sink.timeout)
        self._sending_text, self._early = True, None
        try:
            await self._send_text()
        except PollFailed:
            await sink.drop()
            raise
        finally:
            self._sending_text = False
        early, self._early = self._early, None
        if early:
            self._handle_result(early)

    async def _send_text(self) -> None:
        """Send the text. A refusal may come early, and waits for the end of the text.

        The server takes the announced octets as text, whatever they are.
        """
        sink = self._sink
        for offset in range(0, self._size, BLOCK):
            sink.channel.machine.send(imap.AppendChunk(await self._read(offset, BLOCK)))
            while sink.channel.congested:
                await Wait([sink.channel], sink.timeout)
                sink.hear()

    # Verdict

    async def outcome(self) -> Outcome:
        """Wait for the verdict. Raises SinkUnavailable if it cannot be determined."""
        while (verdict := self.known_outcome()) is None:
            if self._begun:
                await self._sink.proceed()
            else:
                self._conclude(Verdict.POSTPONED, "the delivery was abandoned")
        return verdict

    def known_outcome(self) -> Outcome | None:
        """Return the verdict if it is already known."""
        if self.awaits_reply and self._verdict is None:
            self._sink.hear_known()
        return self._verdict

    def hear(self, reply: imap.Completed) -> None:
        """Take the reply to ``command``."""
        self.awaits_reply = False
        if self._sending_text:
            self._early = reply
        else:
            self._handle_result(reply)

    def lose(self, reason: str) -> None:
        """Note that the connection was lost; a reply that is outstanding will not come."""
        if self.awaits_reply:
            self.awaits_reply = False
            self._connection_error = reason

    def _handle_result(self, result: imap.Completed) -> None:
        """Handle the response to APPEND (RFC 3501, 7.1; RFC 5530, 3; RFC 7889, 4)."""
        code = result.code.name if result.code else b""
        peer, text = self._sink.access.peer, excerpt(result.text)
        no_room = result.condition is imap.Condition.NO and code == b"OVERQUOTA"
        advice = mailbox_advice(result.text)
        self._sink.count_failure(f"{peer}: {text}{advice}" if no_room or advice else "")
        match result.condition:
            case _ if advice:
                # It is about the mailbox, also with BAD.
                self._conclude(Verdict.POSTPONED, f"{peer}: {text}{advice}")
            case imap.Condition.OK:
                self._sink.stores = True
                self._sink.stores_keywords |= self.keywords
                self._conclude(Verdict.ACCEPTED)
            case imap.Condition.NO if code == b"TRYCREATE" and not self._mailbox_created:
                self._sink.stores = False
                self._next_step = self._create
            case imap.Condition.NO if code != b"TOOBIG":
                self._conclude(Verdict.POSTPONED, f"{peer}: {text}")
            case imap.Condition.BAD if self.keywords:
                # Exchange answers BAD to flags that it does not support.
                flags = tuple(flag for flag in self._metadata.flags if not is_keyword(flag))
                self._metadata = MessageMetadata(flags, self._metadata.date)
                self._next_step = self._append
            case _:
                self._conclude(Verdict.REFUSED, f"{peer}: {text}")

    async def _create(self) -> None:
        """Create the mailbox, as the server suggests, and append again (RFC 3501, 6.3.11)."""
        sink = self._sink
        self._mailbox_created = True
        if sink.stores:
            # It was created for the message in front of this one.
            await self._append()
            return
        result = await execute(sink.channel, imap.CreateMailbox(sink.mailbox), sink.timeout)
        if result.condition is imap.Condition.OK:
            await self._append()
        else:
            reason = f"{sink.access.peer}: cannot create the mailbox: {excerpt(result.text)}"
            self._conclude(Verdict.POSTPONED, reason)

    async def repair(self) -> None:
        """Take the next step, after a lost connection or a refusal. Raises PollFailed."""
        step, self._next_step = self._next_step, None
        try:
            if step and not self._connection_error:
                await step()
            else:
                await self._retry()
        except (ProtocolError, RuntimeFault) as error:
            self._connection_error = self._sink.fail(error)

    async def _retry(self) -> None:
        """Reconnect and check whether the message was stored; if not, append it once more.

        Raises SinkUnavailable if this cannot be determined.
        """
        sink = self._sink
        error_text = self._connection_error
        await sink.open()
        try:
            stored = await self._is_stored()
        except (ProtocolError, RuntimeFault) as error:
            self._connection_error = sink.fail(error)
            raise SinkUnavailable(f"append: {self._connection_error}") from error
        if stored:
            self._conclude(Verdict.ACCEPTED)
        elif self._retried:
            # The message is certainly not stored; the following ones may still succeed.
            sink.count_failure(error_text)
            self._conclude(Verdict.POSTPONED, error_text)
        else:
            self._retried, self._connection_error = True, ""
            await self._send()

    async def abandon(self) -> None:
        """Discard the spool; the server has not received the end of the message."""
        sent = self._begun and self._verdict is None
        self._conclude(Verdict.POSTPONED, "the delivery was abandoned")
        if sent:
            await self._sink.drop()

    def _conclude(self, verdict: Verdict, reason: str = "") -> None:
        if self._verdict is None:
            accepted = self._parcel.recipients if verdict is Verdict.ACCEPTED else ()
            results = tuple((r.decode("utf-8", "surrogateescape"), verdict) for r in accepted)
            self._verdict = Outcome(verdict, reason, results)
        self.release()

    def release(self) -> None:
        """Close the spool without waiting."""
        self._sink.finish(self)
        if self._spool >= 0:
            os.close(self._spool)
            self._spool = -1


def is_keyword(flag: bytes) -> bool:
    """Whether a flag is a keyword, which a server need not support (RFC 3501, 2.3.2)."""
    return not flag.startswith(b"\\")


def metadata_of(proof: CompletionProof, header: bytes) -> MessageMetadata:
    """Return the flags and the date of a message; by default, the date of its Received field."""
    metadata = proof.marks or MessageMetadata()
    if metadata.date is not None and is_date_time(metadata.date):
        return metadata
    return MessageMetadata(metadata.flags, received_date(header))
