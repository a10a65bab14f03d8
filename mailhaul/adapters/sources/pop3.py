"""A POP3 maildrop as a source: unique ids, one RETR at a time or several pipelined.

A message counts as complete when the line with a single dot has arrived. Messages are removed when
QUIT is answered with +OK (RFC 1939, section 6); only then a deletion is confirmed. Which messages
were read is recorded in the ledger by unique id. If a message has no unique id, or shares it with
others, its key never matches another message: there may be duplicates after a kill, but no message
is mistaken for another one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from ... import pop3
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
from ...protocols.pop3 import client_states
from ...protocols.pop3.client_lines import describe
from ..login.access import excerpt
from .pop3_maildrop import Pop3Maildrop
from .pop3_texts import MAX_TRIES, DoubtfulTexts, Measure

EMPTY_LINE_SECONDS = 20.0
"""Seconds to wait for a reply after an empty line, which may be all that the server sends."""
ALL_LINES = 99_999_999
"""Lines for TOP that no message has: the complete text, which the server does not mark as read."""
QUIT_SECONDS = 60.0
"""Seconds to wait for the reply to QUIT: servers remove the messages before they send it.

Some send the replies to the deletions in the same write together with it.
"""
SENDER_LINE = 4
"""The number of the line with the envelope sender in the reply to ``*ENV``; it may be empty."""
RECIPIENT_LINE = 5
"""The number of the line with the recipient."""


class Pop3Source(Pop3Maildrop):
    """One POP3 account. See ``mailhaul.flows.source.Source`` for the methods.

    With ``retrieve`` RETR is used, which may mark messages as read on the server, even where TOP
    would work. ``remember`` means that the ledger must record which messages were read. With
    ``sdps`` Demon Internet's servers are asked for the envelope of each message (``*ENV``).
    ``login_delay`` is called with the seconds that the server requires between logins, 0 if none.
    """

    def _begin(self) -> None:
        super()._begin()
        self._parts: deque[Part] = deque()
        self.envelope_sender: bytes | None = None
        self.envelope_recipient: bytes | None = None
        self._envelope: list[bytes] = []
        self._envelope_problem: str | None = None
        self._begun: Listed | None = None
        self._measure = Measure()
        self._held: tuple[Listed, pop3.Command, Measure] | None = None
        self._doubtful = DoubtfulTexts()
        self._marked: list[Uid] = []
        self._deleted: list[Uid] = []
        self._removed: list[Uid] = []

    # Disconnecting

    async def close(self) -> None:
        """Send QUIT, at which the server removes the deleted messages, and close the connection."""
        channel = self.channel
        if not channel.open:
            return
        if self._at_risk:
            deleted, self._deleted = self._deleted, []
            await self._leave_without_quit(deleted)
            return
        machine = channel.machine
        try:
            # QUIT may be sent after an empty line in place of a reply.
            if machine.state is client_states.transaction and (
                machine.in_doubt or not machine.outstanding or self._quits_along
            ):
                reply = await self._quit()
                if reply.positive and not reply.doubtful:
                    self._removed += self._deleted
                elif self._deleted:
                    self._report_error(
                        f"the server did not remove all messages: {excerpt(reply.text)}"
                    )
        except (ProtocolError, RuntimeFault) as error:
            # Deletions that were not confirmed stay pending for the next poll.
            if missing := len(self._deleted) + sum(map(is_deletion, machine.outstanding)):
                self._report_error(
                    f"{missing} deletion(s) were not confirmed at QUIT ({error}); "
                    "the next poll repeats them"
                )
        self._deleted = []
        await Close(channel)

    async def _leave_without_quit(self, deleted: list[Uid]) -> None:
        """Close the connection without QUIT, and delete the delivered messages in a new session.

        Without QUIT there is no UPDATE state: nothing is removed (RFC 1939, section 6).
        """
        self._report_error(
            f"the server deletes retrieved messages (EXPIRE 0), but {len(self._at_risk)} of them "
            "must stay: the connection is closed without QUIT"
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
            self._report_error(f"{len(deleted)} deletion(s) wait for the next poll: {error}")
        await self.close()
        self._marked = [*marked, *self._marked]

    @property
    def _quits_along(self) -> bool:
        """Whether QUIT may go in one write with the DELEs before it, or after them at once."""
        one_by_one = self._most_outstanding == 1 or self._deletes
        return not one_by_one and all(map(is_deletion, self.channel.machine.outstanding))

    async def _quit(self) -> pop3.Completed:
        """Send QUIT; return its reply, after those to the deletions."""
        machine = self.channel.machine
        self._waiting.clear()
        machine.send(pop3.Quit())
        while True:
            alone = len(machine.outstanding) == 1
            seconds = QUIT_SECONDS if alone else max(QUIT_SECONDS, self.timeout)
            event = await next_event(self.channel, seconds)
            # After a failure of the sink, the end of a text may still be unread.
            match event:
                case pop3.Completed(pop3.Quit()):
                    return event
                case pop3.Completed(pop3.Delete(number)):
                    self._end_delete(number, event)
                case _:
                    pass

    # Reading

    def request(self, message: Listed) -> None:
        """Request a message."""
        self._known[message.uid] = message
        if self._sdps:
            self._waiting.append(pop3.Envelope(message.number))
        command = (
            pop3.Retrieve if self._retrieve or message.number in self._top_refused else top_all
        )
        self._waiting.append(command(message.number))
        self._send_waiting()

    def pull(self) -> Part | None:
        """Return the next part of the requested messages, or None until more data has arrived."""
        if self._parts:
            return self._parts.popleft()
        while True:
            try:
                event = self.channel.machine.next_event()
            except RemoteProtocolError as fault:
                if not self._held:
                    raise
                held, self._held = self._held, None
                return self._held_text_failed(held[0], fault)
            if isinstance(event, NeedData):
                return None
            if self._held:
                held, self._held = self._held, None
                ended = self._held_text_ended(*held)
                if part := self._handle(event):
                    self._parts.append(part)
                return ended
            if part := self._handle(event):
                return part

    def _handle(self, event: pop3.Event) -> Part | None:
        match event:
            case pop3.BodyStart(number):
                return self._begin_text(self._listing.numbered(number))
            case pop3.BodyChunk(data):
                self._measure.feed(data)
                if self._envelope_problem is None:
                    return MessageChunk(data)
            case pop3.Line(text):
                self._envelope.append(text)
            case pop3.Completed(pop3.Envelope()):
                self._end_envelope(event)
            case pop3.Completed(pop3.Retrieve(number) | pop3.Top(number)):
                begun = self._begun
                if begun is None or begun.number != number:
                    begun = self._listing.numbered(number)
                return self._end_text(begun, event)
            case pop3.Completed(pop3.Delete(number)):
                self._end_delete(number, event)
            case pop3.Completed(pop3.Stat()):
                self._send_waiting()
            case _:
                pass
        return None

    def _begin_text(self, message: Listed) -> Part | None:
        self._begun = message
        self._measure = Measure()
        if message.number in self._top_refused and not self._retrieve:
            # RETR works after TOP was refused, so the server refuses TOP and not the message.
            self._switch_to_retr()
        if self._envelope_problem is None:
            return MessageStart(message.uid, message.number, message.size)
        return None

    def _end_envelope(self, reply: pop3.Completed) -> None:
        """Take the envelope from the reply to ``*ENV``; without one the message is unavailable."""
        lines, self._envelope = self._envelope, []
        self._envelope_problem = None
        if reply.positive and len(lines) >= SENDER_LINE:
            self.envelope_sender = lines[SENDER_LINE - 1].strip().strip(b"<>")
            recipient = lines[SENDER_LINE:RECIPIENT_LINE]
            self.envelope_recipient = recipient[0].strip().strip(b"<>") if recipient else None
        else:
            self._envelope_problem = excerpt(reply.text) or "an envelope without sender"
        self._send_waiting()

    def _end_text(self, message: Listed, reply: pop3.Completed) -> Part | None:
        why, self._envelope_problem = self._envelope_problem, None
        part: Part | None
        if reply.doubtful:
            self._doubtful.record(message.uid, 0)
            part = self._retry(message, "an empty line came in place of a reply")
        elif why is not None:
            part = Unavailable(message.uid, f"*ENV: {why}")
        elif not reply.positive:
            part = self._end_refused(message, reply)
        elif self._measure.octets == message.size:
            part = MessageEnd(CompletionProof(message.uid, message.size), message.size)
        else:
            part = None
            self._measure.is_misplaced = self._measure.octets in self._outstanding_sizes()
            self._held = message, reply.command, self._measure
        machine = self.channel.machine
        if self._held and not (machine.outstanding or machine.failed):
            machine.send(pop3.Stat())
        self._send_waiting()
        return part

    def _outstanding_sizes(self) -> set[int]:
        """Return the announced sizes of the messages whose texts have not begun."""
        texts = [
            command.number
            for command in self.channel.machine.outstanding
            if isinstance(command, pop3.Retrieve | pop3.Top)
        ]
        return {self._listing.numbered(number).size for number in texts}

    def _end_refused(self, message: Listed, reply: pop3.Completed) -> Part | None:
        """Retry with RETR, which every server supports; if RETR is refused, give up the message."""
        self._at_risk.discard(message.number)
        if isinstance(reply.command, pop3.Retrieve):
            return Unavailable(message.uid, excerpt(reply.text))
        self._top_refused.add(message.number)
        if self.channel.machine.outstanding:
            # The replies to other commands would arrive before this message.
            return Unavailable(message.uid, excerpt(reply.text), again=True)
        self._waiting.appendleft(pop3.Retrieve(message.number))
        return None

    def _switch_to_retr(self) -> None:
        """Use RETR from now on, also for the commands that are not sent yet."""
        self._retrieve = True
        self._waiting = deque(
            pop3.Retrieve(c.number) if isinstance(c, pop3.Top) else c for c in self._waiting
        )

    # Checking for completeness
    #
    # If a server does not stuff a line with a single dot, the text seems to end too early, and the
    # rest arrives in place of the next reply. So a text whose size is not the announced one is held
    # until a valid reply follows. If no other command is outstanding, STAT is sent, which every
    # server supports and whose reply does not look like text.

    def _held_text_failed(self, message: Listed, fault: RemoteProtocolError) -> Part:
        """Return the part for a held text without a valid reply after it; the fault comes next."""
        if isinstance(fault, ConnectionLost):
            # The next message may be the cause. Requests one at a time will show it.
            self._one_by_one = True
            return Unavailable(message.uid, "the connection ended right after it", again=True)
        return Unavailable(
            message.uid,
            "its text goes on after a line with a lone dot, which the server should have doubled "
            "(RFC 1939, section 3)",
        )

    def _held_text_ended(self, message: Listed, command: pop3.Command, measure: Measure) -> Part:
        """Return the part for a held text that a valid reply followed."""
        why = measure.doubt(message.size)
        if not why or self._doubtful.record(message.uid, measure.octets):
            return MessageEnd(CompletionProof(message.uid, measure.octets), message.size)
        if measure.is_misplaced:
            self._one_by_one = True
        elif isinstance(command, pop3.Top):
            self._switch_to_retr()
        elif not measure.octets:
            return Unavailable(message.uid, why)
        return self._retry(message, why)

    def _retry(self, message: Listed, why: str) -> Part:
        return Unavailable(message.uid, why, again=self._doubtful.tried(message.uid) < MAX_TRIES)

    async def headers(
        self, uids: Sequence[Uid], fields: Sequence[bytes] = ()
    ) -> Mapping[Uid, bytes]:
        """Return the headers of existing messages, after the replies to deletions."""
        await self.finish()
        return await super().headers(uids, fields)

    # Settling

    def perform(self, action: Action, uids: Sequence[Uid]) -> None:
        """Ask the server to delete messages. Marking is done by the ledger, so it is confirmed."""
        if action is not Action.DELETE:
            self._marked += uids
            for uid in uids:
                self._known.pop(uid, None)
            return
        unknown = [uid for uid in uids if uid not in self._known]
        self._known.update(self._listing.find(unknown))
        there = [self._known.pop(uid) for uid in uids if uid in self._known]
        self._waiting += [pop3.Delete(message.number) for message in there]
        self._send_waiting()

    def _end_delete(self, number: int, reply: pop3.Completed) -> None:
        self._send_waiting()
        if reply.doubtful:
            return
        if reply.positive:
            self._deleted.append(self._listing.numbered(number).uid)
            self._at_risk.discard(number)
        else:
            self._report_error(f"the server does not delete a message: {excerpt(reply.text)}")

    def confirmed(self, action: Action) -> Sequence[Uid]:
        """Return the UIDs that are settled, each once: deletions only after a successful QUIT."""
        if action is Action.DELETE:
            confirmed, self._removed = self._removed, []
        else:
            confirmed, self._marked = self._marked, []
        return confirmed

    async def finish(self, *, may_close: bool = False) -> None:
        """Wait for all replies; with ``may_close`` those to deletions may wait for ``close``.

        Raises PollFailed (PROTOCOL) for an empty line in place of a reply.
        """
        self._send_waiting()
        if may_close and self._quits_along and not self._waiting:
            return
        machine = self.channel.machine
        while machine.outstanding or self._waiting:
            self._send_waiting()
            try:
                seconds = (
                    min(self.timeout, EMPTY_LINE_SECONDS) if machine.in_doubt else self.timeout
                )
                self._handle(await next_event(self.channel, seconds))
            except TimedOut:
                if not machine.in_doubt:
                    raise
                command = describe(machine.outstanding[0])
                raise PollFailed(
                    ExitCode.PROTOCOL,
                    f"{self._access.peer}: an empty line came in place of the reply to {command}",
                ) from None


def is_deletion(command: pop3.Command) -> bool:
    """Whether a command is DELE."""
    return isinstance(command, pop3.Delete)


def top_all(number: int) -> pop3.Top:
    """Return the TOP command for a complete message."""
    return pop3.Top(number, ALL_LINES)
