"""An IMAP mailbox as a source: UIDs only, one fetch for each message, many in flight.

A message counts as complete when the last octet of its text *and* the tagged OK of the fetch
that asked for it have come, and what came can be the message (imap_texts.py). What is in a mailbox
is found out in imap_listing.py, and what is deleted or marked there in imap_actions.py.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from ...flows.account import Action
from ...flows.channel import Channel, next_event
from ...flows.outcome import ExitCode, PollFailed
from ...flows.pace import Pace
from ...flows.report import Report, Said
from ...flows.source import Listed, Opened, Part, Uid
from ...protocols.errors import LimitExceeded, RemoteProtocolError
from ...protocols.imap.client import ImapClient
from ...protocols.imap.commands import (
    Command,
    ListMailboxes,
    Select,
    UidExpunge,
    UidFetch,
    UidStore,
)
from ...protocols.imap.events import (
    BodyChunk,
    BodyEnd,
    BodyStart,
    Completed,
    Condition,
    Exists,
    Expunged,
    Fetched,
    NoText,
    SaidBye,
    Status,
)
from ...protocols.imap.events import Listed as MailboxListed
from ...protocols.imap.mailbox_names import decode_mailbox, encode_mailbox
from ...protocols.machine import NeedData
from ..login.access import Access, shown
from ..login.imap import greet, identify, log_out
from .imap_actions import Actions, Refusals
from .imap_listing import (
    ALL,
    FLAGGED_DELETED,
    LARGEST,
    OLD,
    UNDELETED,
    UNSEEN,
    NotSearched,
    Wanted,
    describe,
    find,
    sets_of,
)
from .imap_texts import Texts
from .imap_words import Words

INBOX = b"INBOX"
NOT_TO_BE_OPENED = {rb"\noselect", rb"\nonexistent"}
SPECIAL = "\\"
"""What the name of a special use begins with."""
DIGITS = 10
"""How long a number of IMAP may be (RFC 3501, 9)."""
UNSAFE = b"unsafe"
"""Said by NetEase's servers (163.com, 126.com, yeah.net) to a client that has not said ID."""
TELLING = b"(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM)])"
"""What tells messages apart (``protocols.message.fingerprint``)."""
MAX_HEADER = 64 * 1024
"""Octets of these fields that are looked at."""
MAX_HEADERS = 16 * 1024 * 1024
"""The same of all messages that are compared together."""
MAX_MAILBOXES = 20_000
"""Mailboxes that a pattern may stand for."""
MAX_NAMES = 2 * 1024 * 1024
"""Octets of the names of them all."""


class ImapSource:
    """One IMAP account. See ``mailhaul.flows.source.Source`` for the methods.

    ``with_marks`` asks for flags and date along with each text, for a sink that wants them.
    ``keeps`` says that no message is to be deleted: then a mailbox may be one that can only be
    read, and what was read there has to be remembered elsewhere.
    """

    remembers = True
    reuses_uids = False
    in_sessions = False
    octets: int | None = None
    envelope_sender: bytes | None = None
    envelope_recipient: bytes | None = None

    def __init__(
        self, access: Access, report: Report, *, with_marks: bool = False, keeps: bool = False
    ) -> None:
        self._keeps = keeps
        self._with_marks = with_marks
        self._access = access
        self._report = report
        self.timeout = access.timeout
        self.total = 0
        self._words = Words(access.peer, report)
        self.channel = self._new_channel()
        self._refusals = Refusals()
        self._identified = False
        self.mailbox = ""
        self._counted = False
        self._on_the_wire: dict[str, bytes] = {}
        self._uidvalidity = 0
        self._forget_mailbox()

    def _forget_mailbox(self) -> None:
        self._expunged = 0
        self._texts = Texts(with_marks=self._with_marks)
        self._actions = Actions(self.channel, self._report, self._refusals)

    # Coming and going

    async def open(self) -> None:
        """Connect, secure the connection and log in, with a fresh machine."""
        self.channel = self._new_channel()
        self.total = 0
        self._refusals = Refusals()
        self._identified = False
        self._forget_mailbox()
        await greet(self.channel, self._access)

    def _new_channel(self) -> Channel[ImapClient]:
        machine = self._words.client(self._access.trace)
        channel = Channel(self._access.peer, machine, pace=Pace(machine, self.timeout))
        self._words.listen(channel)
        return channel

    async def close(self) -> None:
        """Log out, if there is still somebody to say it to."""
        await log_out(self.channel)

    async def mailboxes(
        self, wanted: Sequence[str], elsewhere: Sequence[str] = ()
    ) -> Sequence[str]:
        """Return names as they are, and what patterns and special uses stand for, each once.

        Patterns do not stand for those that another poll sees to (``elsewhere``).
        ``*`` is anything, ``%`` anything in one level (RFC 3501, 6.3.8); ``\\Sent`` and the like
        are special uses (RFC 6154, 2). The server is asked only where there are such.
        """
        if not any(map(is_pattern, wanted)):
            return wanted
        found: dict[bytes, str] = {}
        others = {canonical(self._wire_name(name)) for name in elsewhere}
        for name in wanted:
            for mailbox in await self._matching(name) if is_pattern(name) else [name]:
                wire = canonical(self._wire_name(mailbox))
                if wire not in others:
                    found.setdefault(wire, mailbox)
        return list(found.values())

    async def _matching(self, pattern: str) -> list[str]:
        """Return what can be opened of what the server lists; say so if that is nothing."""
        wire = encode_mailbox(pattern)
        special = pattern.startswith(SPECIAL)
        extended = {b"SPECIAL-USE", b"LIST-EXTENDED"} <= self.channel.machine.capabilities
        asked = (b"SPECIAL-USE",) if special and extended else ()
        names: list[str] = []
        octets = 0

        def note(event: Any) -> None:
            nonlocal octets
            if not isinstance(event, MailboxListed):
                return
            octets += len(event.mailbox)
            if len(names) >= MAX_MAILBOXES:
                raise LimitExceeded("mailboxes of one pattern", MAX_MAILBOXES)
            if octets > MAX_NAMES:
                raise LimitExceeded("octets of the names of mailboxes", MAX_NAMES)
            attributes = {attribute.lower() for attribute in event.attributes}
            fits = not special or wire.lower() in attributes
            if fits and not attributes & NOT_TO_BE_OPENED:
                names.append(self._name_of(event.mailbox))

        command = ListMailboxes(b"", (b"*" if special else wire,), (), asked)
        done = await self._ask_known(command, note)
        if not names:
            why = "" if done.condition is Condition.OK else f": {shown(done.text)}"
            text = f"{self.channel.peer}: no mailbox matches {pattern!r}{why}"
            self._report(Said(text, error=True))
        return names

    def _name_of(self, wire: bytes) -> str:
        """Return the name of a listed mailbox for people, and remember what the server calls it."""
        name = decode_mailbox(wire)
        if encode_mailbox(name) != wire:
            # Its like in the rc file would be another mailbox: "Tom &- Jerry" is no "Tom & Jerry".
            name = wire.decode("utf-8", "surrogateescape")
        self._on_the_wire[name] = wire
        return name

    def _wire_name(self, mailbox: str) -> bytes:
        return self._on_the_wire.get(mailbox) or encode_mailbox(mailbox)

    async def select(self, mailbox: str, *, read_only: bool) -> Opened:
        """Open a mailbox. Raises PollFailed (ERROR) when the server refuses."""
        self._forget_mailbox()
        self.mailbox = mailbox
        self.total = self._uidvalidity = 0
        self._counted = False
        command = Select(self._wire_name(mailbox), read_only)
        done = await self._ask_known(command)
        if done.condition is not Condition.OK:
            raise PollFailed(
                ExitCode.ERROR,
                f"{self.channel.peer}: mailbox selection failed for {mailbox!r}: "
                f"{shown(done.text)}",
            )
        closed = done.code is not None and done.code.name == b"READ-ONLY"
        # Nothing can be marked as \\Seen there, so the server will not remember it.
        self.remembers = not closed or read_only
        self._actions.read_only = closed
        if closed and not (read_only or self._keeps):
            raise PollFailed(
                ExitCode.LOCKBUSY,
                f"{self.channel.peer}: mailbox {mailbox!r} can only be read; nothing could be "
                "deleted or marked there",
            )
        if not self._counted:
            # No EXISTS that could be understood is not the same as none there.
            self.total = len(await self._find(ALL))
        return Opened(self._uidvalidity, closed)

    # Listing

    async def new(self, *, everything: bool, with_flags: bool = False) -> Sequence[Listed]:
        """List what is to be fetched: all, or what is not marked as \\Seen.

        ``with_flags`` asks as well which of them are.
        """
        uids = await self._find(UNDELETED if everything else UNSEEN)
        return await describe(self._ask, uids, with_flags=with_flags)

    async def old(self) -> Sequence[Listed]:
        """List what was read before."""
        listing = await describe(self._ask, await self._find(OLD))
        return listing.known()

    async def sizes(self, uids: Sequence[Uid]) -> Mapping[Uid, int]:
        """Return the octets of those of these messages that still exist, 0 if they are not told."""
        sizes: dict[Uid, int] = {}
        asked = {int(uid) for uid in uids}
        refused = False

        def note(event: Any) -> None:
            if isinstance(event, Fetched) and event.uid in asked and event.size is not None:
                sizes[event.uid] = event.size

        for some in sets_of(sorted(asked)):
            done = await self._ask(UidFetch(some, b"(UID RFC822.SIZE)"), note)
            refused = refused or done.condition is not Condition.OK
        # A refusal says nothing about what exists.
        return dict.fromkeys(uids, 0) | sizes if refused else sizes

    async def headers(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        """Return the fields that tell messages apart, of those of these that still exist."""
        headers: dict[Uid, bytes] = {}
        asked = {int(uid) for uid in uids}
        text = bytearray()
        octets = 0

        def note(event: Any) -> None:
            nonlocal octets
            if isinstance(event, BodyStart):
                text.clear()
            elif isinstance(event, BodyChunk):
                # What nobody asked for counts as well, so that it has an end.
                octets += len(event.data)
                if octets > MAX_HEADERS:
                    raise LimitExceeded("headers of messages", MAX_HEADERS)
                text.extend(event.data[: MAX_HEADER - len(text)])
            elif isinstance(event, Fetched) and event.uid in asked:
                headers[event.uid] = bytes(text)
                text.clear()

        for some in sets_of(sorted(asked)):
            await self._ask(UidFetch(some, TELLING), note)
        return headers

    async def _find(self, wanted: Wanted) -> array[int]:
        try:
            return await find(self._ask, wanted, self.total)
        except NotSearched as failure:
            raise PollFailed(
                ExitCode.ERROR,
                f"{self.channel.peer}: search for mail failed: {shown(failure.reply.text)}",
            ) from None

    async def _ask(self, command: Command, note: Any = None) -> Completed:
        """Send one command and wait for its end; ``note`` is shown every event before it."""
        self.channel.machine.send(command)
        while True:
            event = await next_event(self.channel, self.timeout)
            self._keep_count(event)
            if isinstance(event, Completed) and event.command is command:
                return event
            if note:
                note(event)

    async def _ask_known(self, command: Command, note: Any = None) -> Completed:
        """Send a command that some servers refuse until they know who we are (RFC 2971)."""
        done = await self._ask(command, note)
        knows = b"ID" in self.channel.machine.capabilities or UNSAFE in done.text.lower()
        if done.condition is Condition.OK or self._identified or not knows:
            return done
        self._identified = True
        # Whatever it answers to that means nothing.
        await self._ask(identify())
        return await self._ask(command, note)

    def _keep_count(self, event: Any) -> None:
        match event:
            case Exists(count):
                self.total = count
                self._counted = True
            case Expunged():
                self.total = max(0, self.total - 1)
                self._expunged += 1
            case Status(_, code) if code and code.name == b"UIDVALIDITY":
                self._uidvalidity = uidvalidity(code.arguments)
            case SaidBye(_, text):
                # What follows is the end of the connection, which fails what is unanswered.
                self.channel.failure = f"the server said good-bye: {shown(text)}"
            case _:
                pass

    # Reading

    def request(self, message: Listed) -> None:
        """Ask for a message, without marking it; in another way if what came was doubtful."""
        uid = int(message.uid)
        for items in self._texts.ask(uid, message.size):
            self.channel.machine.send(UidFetch(b"%d" % uid, items))

    def pull(self) -> Part | None:
        """Return the next part of what was asked for, or None until more has arrived."""
        while (part := self._texts.pull()) is None:
            event = self.channel.machine.next_event()
            if isinstance(event, NeedData):
                return None
            self._hear(event)
        return part

    def _hear(self, event: Any) -> None:
        match event:
            case BodyChunk():
                self._texts.add(event)
            case BodyStart():
                self._texts.begin(event, self._expunged)
            case BodyEnd():
                self._texts.end_text()
            case NoText():
                self._texts.have_none(event)
            case Fetched():
                self._texts.end_response(event)
            case Completed(UidFetch(uids), condition, _, text):
                self._texts.end(int(uids), condition, shown(text))
            case Completed(UidStore() | UidExpunge()):
                self._actions.answered(event)
            case _:
                self._keep_count(event)

    # Settling

    @property
    def expunges_all(self) -> bool:
        """Whether this server cannot expunge some messages and leave others."""
        return self._actions.expunges_all

    def perform(self, action: Action, uids: Sequence[Uid]) -> None:
        """Ask the server to delete or mark these messages, after what was asked before."""
        self._actions.perform(action, [int(uid) for uid in uids])

    def confirmed(self) -> Sequence[int]:
        """Return, once, the UIDs for which the server has done what was asked."""
        return self._actions.confirmed()

    async def finish(self) -> None:
        """Wait for all answers; then do what the server could not do as it was asked."""
        while self._actions.under_way:
            self._hear(await next_event(self.channel, self.timeout))
            if not self._actions.under_way:
                self._actions.ask_again()
        await self._actions.expunge(self._ask, lambda: self._find(FLAGGED_DELETED))


def uidvalidity(argument: bytes) -> int:
    """Return the generation of a mailbox's UIDs, 0 for none. Raises RemoteProtocolError."""
    if not argument.isdigit():
        return 0
    if len(argument) > DIGITS or (number := int(argument)) > LARGEST:
        raise RemoteProtocolError("UIDVALIDITY has more than 32 bits", line=argument)
    return number


def canonical(wire: bytes) -> bytes:
    """Return the same for all writings of INBOX, the one name whose case does not matter (5.1)."""
    return INBOX if wire.upper() == INBOX else wire


def is_pattern(name: str) -> bool:
    """Whether the server has to say which mailboxes a name stands for."""
    return "*" in name or "%" in name or name.startswith(SPECIAL)
