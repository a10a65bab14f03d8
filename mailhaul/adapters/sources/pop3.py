"""A POP3 maildrop as a source: unique ids, one text after the other or many in flight.

A message counts as complete when the line with the lone dot has come. Deleted messages go only
when QUIT is answered with +OK (RFC 1939, section 6), so that is when a deletion is confirmed.
What was read before only the ledger knows: its key is the unique id. Where a server has none, or
gives one to several messages, the key never fits another message: then there may be duplicates
after a kill, but nothing is taken for what it is not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from ...flows.account import Action
from ...flows.channel import next_event
from ...flows.outcome import ExitCode, PollFailed
from ...flows.requests import Close, RuntimeFault, TimedOut
from ...flows.source import (
    CompletionProof,
    Listed,
    MessageChunk,
    MessageEnd,
    MessageStart,
    Part,
    Uid,
    Unavailable,
)
from ...protocols.errors import (
    ConnectionLost,
    ProtocolError,
    RemoteProtocolError,
)
from ...protocols.machine import NeedData
from ...protocols.pop3.client_lines import describe
from ...protocols.pop3.commands import (
    Command,
    Delete,
    Envelope,
    Quit,
    Retrieve,
    Stat,
    Top,
)
from ...protocols.pop3.events import (
    BodyChunk,
    BodyStart,
    Completed,
    Line,
)
from ..login.access import shown
from .pop3_maildrop import Pop3Maildrop
from .pop3_texts import TRIES, Doubts, Measure

EMPTY_LINE = 20.0
"""Seconds to wait for a reply after an empty line, which may have been all that comes."""
ALL_LINES = 99_999_999
"""Lines for TOP that no message has: the whole text, which the server does not mark as read."""
GOODBYE = 60.0
"""Seconds to wait for the answer to QUIT: servers remove messages before they give it."""
SENDER_LINE = 4
"""Which line of the answer to ``*ENV`` is the envelope sender, empty for the null sender."""
RECIPIENT_LINE = 5
"""Which one is the recipient."""


class Pop3Source(Pop3Maildrop):
    """One POP3 account. See ``mailhaul.flows.source.Source`` for the methods.

    ``retrieve`` asks for RETR, which may mark messages as read at the server, where TOP does
    as well. ``remember`` says that the ledger has to know tomorrow what was read today. ``sdps``
    asks Demon Internet's servers for the envelope of each message (``*ENV``). ``login_delay`` is
    told how many seconds the server wants between logins, where it says so.
    """

    def _begin(self) -> None:
        super()._begin()
        self._parts: deque[Part] = deque()
        self.envelope_sender: bytes | None = None
        self.envelope_recipient: bytes | None = None
        self._envelope: list[bytes] = []
        self._without_envelope: str | None = None
        self._measure = Measure()
        self._held: tuple[Listed, Command, Measure] | None = None
        self._doubts = Doubts()
        self._marked: list[Uid] = []
        self._deleted: list[Uid] = []

    # Going

    async def close(self) -> None:
        """Say QUIT, which makes the server remove what was deleted, if it still listens."""
        channel = self.channel
        if not channel.open:
            return
        deleted, self._deleted = self._deleted, []
        if self._at_risk:
            await self._leave_without_quit(deleted)
            return
        machine = channel.machine
        try:
            # Behind an empty line in place of a reply, QUIT may go ahead.
            if machine.state == "transaction" and (machine.in_doubt or not machine.outstanding):
                reply = await self._ask(Quit())
                if reply.positive and not reply.doubtful:
                    self._marked += deleted
                elif deleted:
                    self._complain(f"the server did not remove all messages: {shown(reply.text)}")
        except (ProtocolError, RuntimeFault) as error:
            # What was not confirmed is owed still, and the next poll will see to it.
            if deleted:
                self._complain(
                    f"{len(deleted)} deletion(s) were not confirmed at QUIT ({error}); "
                    "the next poll sees to them"
                )
        await Close(channel)

    async def _leave_without_quit(self, deleted: list[Uid]) -> None:
        """Let the server forget this session, and delete in another what was delivered.

        Without QUIT there is no UPDATE state: nothing is removed (RFC 1939, section 6).
        """
        self._complain(
            f"the server deletes what was read (EXPIRE 0), and {len(self._at_risk)} message(s) are "
            "to stay: the connection is closed without QUIT"
        )
        await Close(self.channel)
        if not deleted or self._login_delay:
            return
        marked = self._marked
        sizes = await self.sizes(deleted)
        try:
            await self.open()
            await self.select(self.mailbox, read_only=False)
            there = await self.sizes(deleted)
            self.perform(Action.DELETE, [uid for uid in there if there[uid] == sizes.get(uid)])
            await self.finish()
        except (PollFailed, ProtocolError, RuntimeFault) as error:
            self._complain(f"{len(deleted)} deletion(s) wait for the next poll: {error}")
        await self.close()
        self._marked = [*marked, *self._marked]

    async def _ask(self, command: Command) -> Completed:
        self.channel.machine.send(command)
        while True:
            event = await next_event(self.channel, GOODBYE)
            # Where a sink has failed, the end of a text may have come and not been looked at.
            if isinstance(event, Completed) and event.command is command:
                return event

    # Reading

    def request(self, message: Listed) -> None:
        """Ask for a message."""
        self._known[message.uid] = message
        if self._sdps:
            self._waiting.append(Envelope(message.number))
        command = Retrieve if self._retrieve or message.number in self._top_refused else whole
        self._waiting.append(command(message.number))
        self._send_waiting()

    def pull(self) -> Part | None:
        """Return the next part of what was asked for, or None until more has arrived."""
        while not self._parts:
            try:
                event = self.channel.machine.next_event()
            except RemoteProtocolError as fault:
                if not self._held:
                    raise
                held, self._held = self._held, None
                return self._unproved(held[0], fault)
            if isinstance(event, NeedData):
                return None
            if self._held:
                held, self._held = self._held, None
                self._parts.append(self._believed(*held))
            if part := self._hear(event):
                self._parts.append(part)
        return self._parts.popleft()

    def _hear(self, event: Any) -> Part | None:
        match event:
            case BodyStart(number):
                return self._begin_text(self._listing.numbered(number))
            case BodyChunk(data):
                self._measure.feed(data)
                if self._without_envelope is None:
                    return MessageChunk(data)
            case Line(text):
                self._envelope.append(text)
            case Completed(Envelope()):
                self._end_envelope(event)
            case Completed(Retrieve(number) | Top(number)):
                return self._end_text(self._listing.numbered(number), event)
            case Completed(Delete(number)):
                self._end_delete(number, event)
            case Completed(Stat()):
                self._send_waiting()
            case _:
                pass
        return None

    def _begin_text(self, message: Listed) -> Part | None:
        self._measure = Measure()
        if message.number in self._top_refused and not self._retrieve:
            # RETR works where TOP did not, so it is TOP that this server refuses.
            self._turn_to_retr()
        if self._without_envelope is None:
            return MessageStart(message.uid, message.number, message.size)
        return None

    def _end_envelope(self, reply: Completed) -> None:
        """Take the envelope from the answer to ``*ENV``; a message without is not handed on."""
        lines, self._envelope = self._envelope, []
        self._without_envelope = None
        if reply.positive and len(lines) >= SENDER_LINE:
            self.envelope_sender = lines[SENDER_LINE - 1].strip().strip(b"<>")
            told = lines[SENDER_LINE:RECIPIENT_LINE]
            self.envelope_recipient = told[0].strip().strip(b"<>") if told else None
        else:
            self._without_envelope = shown(reply.text) or "an envelope without sender"
        self._send_waiting()

    def _end_text(self, message: Listed, reply: Completed) -> Part | None:
        why, self._without_envelope = self._without_envelope, None
        part: Part | None
        if reply.doubtful:
            self._doubts.note(message.uid, 0)
            part = self._once_more(message, "an empty line came in place of a reply")
        elif why is not None:
            part = Unavailable(message.uid, f"*ENV: {why}")
        elif not reply.positive:
            part = self._end_refused(message, reply)
        elif self._measure.octets == message.size:
            part = MessageEnd(CompletionProof(message.uid, message.size), message.size)
        else:
            part = None
            self._held = message, reply.command, self._measure
        machine = self.channel.machine
        if self._held and not machine.outstanding and machine.state != "error":
            machine.send(Stat())
        self._send_waiting()
        return part

    def _end_refused(self, message: Listed, reply: Completed) -> Part | None:
        """Ask again by RETR, which every server knows; a text that RETR refuses is not there."""
        self._at_risk.discard(message.number)
        if isinstance(reply.command, Retrieve):
            return Unavailable(message.uid, shown(reply.text))
        self._top_refused.add(message.number)
        if self.channel.machine.outstanding:
            # Others are on their way, which would come before this one.
            return Unavailable(message.uid, shown(reply.text), again=True)
        self._waiting.appendleft(Retrieve(message.number))
        return None

    def _turn_to_retr(self) -> None:
        """Ask by RETR from here on, and so for all that is not sent yet."""
        self._retrieve = True
        self._waiting = deque(
            Retrieve(c.number) if isinstance(c, Top) else c for c in self._waiting
        )

    # Whether what came is the message
    #
    # A server that does not stuff a line that is a lone dot ends the text too early, and goes on
    # with it where the next reply is due. So a text whose octets are not those announced is held
    # until the next reply has begun as a reply. Where nothing else was asked for that is STAT's,
    # which every server knows and which no text looks like.

    def _unproved(self, message: Listed, fault: RemoteProtocolError) -> Part:
        """Return what becomes of a held text that no reply followed; the fault is raised next."""
        if isinstance(fault, ConnectionLost):
            # Perhaps at the next message: what was asked for alone will show whose fault it is.
            self._one_by_one = True
            return Unavailable(message.uid, "the connection ended right after it", again=True)
        return Unavailable(
            message.uid,
            "its text goes on after a line with a lone dot, which the server should have doubled "
            "(RFC 1939, section 3)",
        )

    def _believed(self, message: Listed, command: Command, measure: Measure) -> Part:
        """Return what becomes of a held text whose end was one."""
        why = measure.doubt(message.size)
        if not why or self._doubts.note(message.uid, measure.octets):
            return MessageEnd(CompletionProof(message.uid, measure.octets), message.size)
        if isinstance(command, Top):
            self._turn_to_retr()
        elif not measure.octets:
            return Unavailable(message.uid, why)
        return self._once_more(message, why)

    def _once_more(self, message: Listed, why: str) -> Part:
        return Unavailable(message.uid, why, again=self._doubts.tried(message.uid) < TRIES)

    # Settling

    def perform(self, action: Action, uids: Sequence[Uid]) -> None:
        """Ask the server to delete messages. To be marked is the ledger's business here."""
        if action is not Action.DELETE:
            self._marked += uids
            for uid in uids:
                self._known.pop(uid, None)
            return
        unknown = [uid for uid in uids if uid not in self._known]
        self._known.update(self._listing.find(unknown))
        there = [self._known.pop(uid) for uid in uids if uid in self._known]
        self._waiting += [Delete(message.number) for message in there]
        self._send_waiting()

    def _end_delete(self, number: int, reply: Completed) -> None:
        self._send_waiting()
        if reply.doubtful:
            return
        if reply.positive:
            self._deleted.append(self._listing.numbered(number).uid)
            self._at_risk.discard(number)
        else:
            self._complain(f"the server does not delete a message: {shown(reply.text)}")

    def confirmed(self) -> Sequence[Uid]:
        """Return, once, what is settled: deletions only behind a QUIT that went well."""
        confirmed, self._marked = self._marked, []
        return confirmed

    async def finish(self) -> None:
        """Wait for all answers. Raises PollFailed (PROTOCOL) for an empty line in place of one."""
        machine = self.channel.machine
        while machine.outstanding or self._waiting:
            self._send_waiting()
            try:
                seconds = min(self.timeout, EMPTY_LINE) if machine.in_doubt else self.timeout
                self._hear(await next_event(self.channel, seconds))
            except TimedOut:
                if not machine.in_doubt:
                    raise
                owed = describe(machine.outstanding[0])
                raise PollFailed(
                    ExitCode.PROTOCOL,
                    f"{self._access.peer}: an empty line came in place of the reply to {owed}",
                ) from None


def whole(number: int) -> Top:
    """Return what asks for all of a message."""
    return Top(number, ALL_LINES)
