"""A POP3 maildrop as a source: unique ids, one text after the other or many in flight.

A message counts as complete when the line with the lone dot has come. Deleted messages go only
when QUIT is answered with +OK (RFC 1939, section 6), so that is when a deletion is confirmed.
What was read before only the ledger knows: its key is the unique id. Where a server has none, or
gives one to several messages, the key never fits another message: then there may be duplicates
after a kill, but nothing is taken for what it is not.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...flows.account import Action
from ...flows.channel import Channel, next_event
from ...flows.outcome import ExitCode, PollFailed
from ...flows.pace import Pace
from ...flows.report import Report, Said
from ...flows.requests import Close, RuntimeFault
from ...flows.source import (
    Arrived,
    Arriving,
    Complete,
    Listed,
    Opened,
    Part,
    Piece,
    Uid,
    Unavailable,
)
from ...protocols.errors import ProtocolError
from ...protocols.machine import NeedData
from ...protocols.pop3.client import Pop3Client
from ...protocols.pop3.commands import (
    Command,
    Delete,
    Envelope,
    List,
    Quit,
    Retrieve,
    Stat,
    Top,
    Uidl,
)
from ...protocols.pop3.events import (
    BodyChunk,
    BodyStart,
    Completed,
    Counted,
    Line,
    UniqueId,
)
from ...protocols.pop3.events import Listed as SizeListed
from .access import Access, shown
from .pop3_login import greet

ALL_LINES = 99_999_999
"""Lines for TOP that no message has: the whole text, which the server does not mark as read."""
AHEAD = 200
"""Commands on their way to a server that takes several at once."""
GOODBYE = 60.0
"""Seconds to wait for the answer to QUIT: servers remove messages before they give it."""
MAILLENNIUM = b"Maillennium POP3"
"""Greeting of servers that cut what TOP asks for."""
INBOX = "INBOX"
SENDER_LINE = 4
"""Which line of the answer to ``*ENV`` is the envelope sender, empty for the null sender."""
RECIPIENT_LINE = 5
"""Which one is the recipient."""


class Pop3Source:
    """One POP3 account. See ``mailhaul.flows.source.Source`` for the methods.

    ``retrieve`` asks for RETR, which may mark messages as read at the server, where TOP does
    as well. ``remember`` says that the ledger has to know tomorrow what was read today. ``sdps``
    asks Demon Internet's servers for the envelope of each message (``*ENV``). ``login_delay`` is
    told how many seconds the server wants between logins, where it says so.
    """

    remembers = False
    reuses_uids = True
    expunges_all = False

    def __init__(
        self,
        access: Access,
        report: Report,
        *,
        apop: bool = False,
        retrieve: bool = False,
        remember: bool = False,
        sdps: bool = False,
        login_delay: Callable[[float], None] | None = None,
    ) -> None:
        self._access = access
        self._report = report
        self._apop = apop
        self._wants_retrieve = retrieve
        self._remember = remember
        self._sdps = sdps
        self._tell_login_delay = login_delay
        self.timeout = access.timeout
        self.total = 0
        self.octets: int | None = None
        self.in_sessions = True
        self.mailbox = INBOX
        self._begin()

    def _begin(self) -> None:
        machine = Pop3Client(trace=self._access.trace)
        pace = Pace(machine, self.timeout)
        self.channel: Channel[Pop3Client] = Channel(self._access.peer, machine, pace=pace)
        self._messages: dict[Uid, Listed] = {}
        self._uids: dict[int, Uid] = {}
        self._waiting: deque[Command] = deque()
        self.envelope_sender: bytes | None = None
        self.envelope_recipient: bytes | None = None
        self._envelope: list[bytes] = []
        self._without_envelope: str | None = None
        self._octets = 0
        self._retrieve = self._wants_retrieve
        self._login_delay = 0.0
        self._marked: list[Uid] = []
        self._deleted: list[Uid] = []

    # Coming and going

    async def open(self) -> None:
        """Connect, secure the connection and log in, with a fresh machine."""
        self._begin()
        self.total = 0
        greeting = await greet(self.channel, self._access, apop=self._apop)
        capabilities = self.channel.machine.capabilities
        lacks_top = bool(capabilities) and b"TOP" not in capabilities
        # What was asked for by RETR is gone with QUIT there, delivered or not (RFC 2449, 6.7).
        deletes = capabilities.get(b"EXPIRE", b"").split(b" ")[0] == b"0"
        wanted = self._wants_retrieve and not deletes
        self._retrieve = wanted or lacks_top or MAILLENNIUM in greeting
        # "900", or "900 USER" where it differs between users (RFC 2449, 6.5).
        delay = capabilities.get(b"LOGIN-DELAY", b"").split(b" ")[0]
        self._login_delay = float(delay) if delay.isdigit() else 0.0
        if self._tell_login_delay:
            self._tell_login_delay(self._login_delay)

    async def close(self) -> None:
        """Say QUIT, which makes the server remove what was deleted, if it still listens."""
        channel = self.channel
        if not channel.open:
            return
        deleted, self._deleted = self._deleted, []
        try:
            if not channel.machine.outstanding and channel.machine.state == "transaction":
                reply = await self._ask(Quit())
                if reply.positive:
                    self._marked += deleted
                elif deleted:
                    self._complain(f"the server did not remove all messages: {shown(reply.text)}")
        except (ProtocolError, RuntimeFault):
            # What was not confirmed is owed still, and the next poll will see to it.
            pass
        await Close(channel)

    async def mailboxes(
        self, wanted: Sequence[str], elsewhere: Sequence[str] = ()
    ) -> Sequence[str]:
        """Return them as they are: a maildrop is one mailbox."""
        return wanted

    async def select(self, mailbox: str, *, read_only: bool) -> Opened:
        """Look at the maildrop. Raises PollFailed (PROTOCOL) when the server refuses."""
        self.mailbox = mailbox
        [answer] = await self._answers(Stat())
        counted = [event for event in answer if isinstance(event, Counted)]
        self.total = sum(event.count for event in counted)
        self.octets = sum(event.size for event in counted)
        if self.total:
            # GNU pop3d writes the ids into the messages at UIDL: their sizes are others behind it.
            uids, sizes = await self._answers(Uidl(), List())
            self._note(
                {event.number: event.size for event in sizes if isinstance(event, SizeListed)},
                told_apart({e.number: e.uid for e in uids if isinstance(e, UniqueId)}),
            )
        return Opened(0, False)

    def _note(self, sizes: Mapping[int, int], uids: Mapping[int, bytes]) -> None:
        self.in_sessions = uids.keys() >= sizes.keys() and not self._login_delay
        for number in sorted(sizes):
            uid = uids.get(number) or self._session_key(number)
            self._messages[uid] = Listed(uid, sizes[number], number)
            self._uids[number] = uid

    def _session_key(self, number: int) -> bytes:
        """Return a key that fits no message of any other session."""
        return b"%d of session %b" % (number, os.urandom(8).hex().encode("ascii"))

    # Listing

    async def new(self, *, everything: bool) -> Sequence[Listed]:
        """List all there is: what is new only the ledger knows."""
        return list(self._messages.values())

    async def old(self) -> Sequence[Listed]:
        """List all there is: what is old only the ledger knows."""
        return list(self._messages.values())

    async def sizes(self, uids: Sequence[Uid]) -> Mapping[Uid, int]:
        """Return the octets of those of these messages that still exist."""
        return {uid: self._messages[uid].size for uid in uids if uid in self._messages}

    async def headers(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        """Return the headers of those that still exist and can be asked for by TOP."""
        there = [self._messages[uid] for uid in uids if uid in self._messages]
        headers: dict[Uid, bytes] = {}
        self._waiting.extend(Top(message.number, 0) for message in there)
        for message in there:
            self._send_waiting()
            text = bytearray()
            while not isinstance(event := await next_event(self.channel, self.timeout), Completed):
                if isinstance(event, BodyChunk):
                    text += event.data
            if event.positive:
                headers[message.uid] = bytes(text)
        return headers

    async def _answers(self, *commands: Command) -> list[list[Any]]:
        """Ask questions, at once where the server bears that; return the events of each answer."""
        self._waiting.extend(commands)
        answers: list[list[Any]] = []
        for _ in commands:
            self._send_waiting()
            events: list[Any] = []
            while not isinstance(event := await next_event(self.channel, self.timeout), Completed):
                events.append(event)
            self._check(event)
            answers.append(events)
        return answers

    def _check(self, reply: Completed) -> None:
        """Raise PollFailed for a refused answer that we cannot do without."""
        asked_for_ids = isinstance(reply.command, Uidl)
        # A server that has them and cannot tell them now would have us read again what is ours.
        has_ids = b"UIDL" in self.channel.machine.capabilities
        if reply.positive or (asked_for_ids and not self._remember and not has_ids):
            return
        what = f"{type(reply.command).__name__.upper()} failed: {shown(reply.text)}"
        if asked_for_ids and self._remember:
            what += (
                '; without unique ids mail that is kept would come again and again: use "no keep"'
            )
        raise PollFailed(ExitCode.PROTOCOL, f"{self._access.peer}: {what}")

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
        if self._sdps:
            self._waiting.append(Envelope(message.number))
        command = Retrieve if self._retrieve else whole
        self._waiting.append(command(message.number))
        self._send_waiting()

    def _send_waiting(self) -> None:
        """Send what the server may be asked for now: nothing where it has broken the rules."""
        machine = self.channel.machine
        most = AHEAD if b"PIPELINING" in machine.capabilities else 1
        while self._waiting and machine.state != "error" and len(machine.outstanding) < most:
            machine.send(self._waiting.popleft())

    def pull(self) -> Part | None:
        """Return the next part of what was asked for, or None until more has arrived."""
        while True:
            event = self.channel.machine.next_event()
            if isinstance(event, NeedData):
                return None
            if part := self._hear(event):
                return part

    def _hear(self, event: Any) -> Part | None:
        match event:
            case BodyStart(number):
                message = self._messages[self._uids[number]]
                self._octets = 0
                if self._without_envelope is None:
                    return Arriving(message.uid, number, message.size)
            case BodyChunk(data):
                self._octets += len(data)
                if self._without_envelope is None:
                    return Piece(data)
            case Line(text):
                self._envelope.append(text)
            case Completed(Envelope()):
                self._end_envelope(event)
            case Completed(Retrieve(number) | Top(number)):
                return self._end_text(self._messages[self._uids[number]], event)
            case Completed(Delete(number)):
                self._end_delete(self._uids[number], event)
            case _:
                pass
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
        if why is not None:
            self._send_waiting()
            return Unavailable(message.uid, f"*ENV: {why}")
        if reply.positive:
            self._send_waiting()
            return Arrived(Complete(message.uid, self._octets), message.size)
        if isinstance(reply.command, Top) and not self.channel.machine.outstanding:
            # Nothing else is on its way, which would have to come behind this one.
            self._turn_to_retr(message.number)
            return None
        self._send_waiting()
        return Unavailable(message.uid, shown(reply.text))

    def _turn_to_retr(self, number: int) -> None:
        """Ask again by RETR, which every server knows; and so for all that is not sent yet."""
        self._retrieve = True
        waiting = [Top(number, 0), *self._waiting]
        self._waiting = deque(Retrieve(c.number) if isinstance(c, Top) else c for c in waiting)
        self._send_waiting()

    # Settling

    def perform(self, action: Action, uids: Sequence[Uid]) -> None:
        """Ask the server to delete messages. To be marked is the ledger's business here."""
        if action is not Action.DELETE:
            self._marked += uids
            return
        self._waiting += [Delete(self._messages[uid].number) for uid in uids]
        self._send_waiting()

    def _end_delete(self, uid: Uid, reply: Completed) -> None:
        self._send_waiting()
        if reply.positive:
            self._deleted.append(uid)
        else:
            self._complain(f"the server does not delete a message: {shown(reply.text)}")

    def _complain(self, what: str) -> None:
        self._report(Said(f"{self._access.peer}: {what}", error=True))

    def confirmed(self) -> Sequence[Uid]:
        """Return, once, what is settled: deletions only behind a QUIT that went well."""
        confirmed, self._marked = self._marked, []
        return confirmed

    async def finish(self) -> None:
        """Wait for all answers."""
        while self.channel.machine.outstanding or self._waiting:
            self._send_waiting()
            self._hear(await next_event(self.channel, self.timeout))


def whole(number: int) -> Top:
    """Return what asks for all of a message."""
    return Top(number, ALL_LINES)


def told_apart(uids: Mapping[int, bytes]) -> dict[int, bytes]:
    """Return unique ids that are unique.

    Where several messages have the same one, each gets its place among them and their count:
    when one of them goes, none of the others can be taken for it.
    """
    counts = Counter(uids.values())
    places: Counter[bytes] = Counter()
    apart: dict[int, bytes] = {}
    for number, uid in uids.items():
        places[uid] += 1
        apart[number] = uid
        if counts[uid] > 1:
            apart[number] = b"%b (%d of %d)" % (uid, places[uid], counts[uid])
    return apart
