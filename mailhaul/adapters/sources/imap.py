"""An IMAP mailbox as a source: UIDs only, one fetch for each message, many in flight.

A message counts as complete when the last octet of its text *and* the tagged OK of the fetch
that asked for it have come. Deletion is UID STORE and UID EXPUNGE; a server without UIDPLUS
(RFC 4315) is asked to expunge only when every message flagged as deleted is one of ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from ...flows.account import Action
from ...flows.channel import Channel, next_event
from ...flows.outcome import ExitCode, PollFailed
from ...flows.pace import Pace
from ...flows.report import Report, Said
from ...flows.source import Listed, Opened, Part, Uid
from ...protocols.errors import RemoteProtocolError
from ...protocols.imap.client import ImapClient
from ...protocols.imap.commands import (
    Command,
    Expunge,
    ListMailboxes,
    Select,
    UidExpunge,
    UidFetch,
    UidSearch,
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
    Found,
    NoText,
    SaidBye,
    Status,
)
from ...protocols.imap.events import Listed as MailboxListed
from ...protocols.imap.mailbox_names import decode_mailbox, encode_mailbox
from ...protocols.imap.uid_sets import split_uid_sets, uid_set
from ...protocols.machine import NeedData
from .access import Access, shown
from .imap_login import greet, log_out
from .imap_texts import Texts

ACTION_SIZE = 500
"""Messages deleted or marked by one command: their UIDs fit a line whatever they are."""
INBOX = b"INBOX"
NOT_TO_BE_OPENED = {rb"\noselect", rb"\nonexistent"}
SPECIAL = "\\"
"""What the name of a special use begins with."""
LARGEST, DIGITS = 2**32 - 1, 10
"""What a number of IMAP may be, and how long (RFC 3501, 9)."""


class ImapSource:
    """One IMAP account. See ``mailhaul.flows.source.Source`` for the methods.

    ``with_marks`` asks for flags and date along with each text, for a sink that wants them.
    """

    remembers = True
    in_sessions = False
    octets: int | None = None
    envelope_sender: bytes | None = None
    envelope_recipient: bytes | None = None

    def __init__(self, access: Access, report: Report, *, with_marks: bool = False) -> None:
        self._with_marks = with_marks
        self._access = access
        self._report = report
        self.timeout = access.timeout
        self.total = 0
        self.channel = self._new_channel()
        self.mailbox = ""
        self._counted = False
        self._on_the_wire: dict[str, bytes] = {}
        self._uidvalidity = 0
        self._forget_mailbox()

    def _forget_mailbox(self) -> None:
        self._expunged = 0
        self._texts = Texts(with_marks=self._with_marks)
        self._flagged: set[int] = set()
        self._confirmed: list[int] = []
        self._failed_actions: set[int] = set()
        self._actions: deque[tuple[Command, tuple[int, ...]]] = deque()

    # Coming and going

    async def open(self) -> None:
        """Connect, secure the connection and log in, with a fresh machine."""
        self.channel = self._new_channel()
        self.total = 0
        self._forget_mailbox()
        await greet(self.channel, self._access)

    def _new_channel(self) -> Channel[ImapClient]:
        machine = ImapClient(trace=self._access.trace)
        return Channel(self._access.peer, machine, pace=Pace(machine, self.timeout))

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

        def note(event: Any) -> None:
            if not isinstance(event, MailboxListed):
                return
            attributes = {attribute.lower() for attribute in event.attributes}
            fits = not special or wire.lower() in attributes
            if fits and not attributes & NOT_TO_BE_OPENED:
                names.append(self._name_of(event.mailbox))

        done = await self._ask(ListMailboxes(b"", (b"*" if special else wire,), (), asked), note)
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
        done = await self._ask(command)
        if done.condition is not Condition.OK:
            raise PollFailed(
                ExitCode.ERROR,
                f"{self.channel.peer}: mailbox selection failed for {mailbox!r}: "
                f"{shown(done.text)}",
            )
        closed = done.code is not None and done.code.name == b"READ-ONLY"
        if closed and not read_only:
            raise PollFailed(
                ExitCode.LOCKBUSY,
                f"{self.channel.peer}: mailbox {mailbox!r} can only be read; nothing could be "
                "deleted or marked there",
            )
        if not self._counted:
            # No EXISTS that could be understood is not the same as none there.
            self.total = len(await self._search(b"ALL"))
        return Opened(self._uidvalidity, closed)

    # Listing

    async def new(self, *, everything: bool) -> Sequence[Listed]:
        """List what is to be fetched: all, or what is not marked as \\Seen."""
        criteria = b"UNDELETED" if everything else b"UNSEEN UNDELETED"
        uids = await self._search(criteria)
        details = await self._details(uids)
        return [details.get(uid, Listed(uid)) for uid in uids]

    async def old(self) -> Sequence[Listed]:
        """List what was read before."""
        details = await self._details(await self._search(b"SEEN UNDELETED"))
        return list(details.values())

    async def sizes(self, uids: Sequence[Uid]) -> Mapping[Uid, int]:
        """Return the octets of those of these messages that still exist, 0 if they are not told."""
        sizes: dict[Uid, int] = {}
        for some in split_uid_sets([int(uid) for uid in uids]):
            details, told = await self._ask_details(some)
            sizes |= {uid: listed.size for uid, listed in details.items()}
            if not told:
                # A refusal says nothing about what exists.
                sizes = dict.fromkeys(uids, 0) | sizes
        return sizes

    async def _search(self, criteria: bytes) -> list[int]:
        found: set[int] = set()

        def note(event: Any) -> None:
            if isinstance(event, Found):
                if max(event.uids, default=0) > LARGEST:
                    raise RemoteProtocolError("a UID has more than 32 bits", state="selected")
                found.update(event.uids)

        done = await self._ask(UidSearch(criteria), note)
        if done.condition is not Condition.OK:
            raise PollFailed(
                ExitCode.ERROR,
                f"{self.channel.peer}: search for mail failed: {shown(done.text)}",
            )
        return sorted(found)

    async def _details(self, uids: Sequence[int]) -> dict[int, Listed]:
        details: dict[int, Listed] = {}
        for some in split_uid_sets(uids):
            details |= (await self._ask_details(some))[0]
        return {uid: details[uid] for uid in uids if uid in details}

    async def _ask_details(self, uids: bytes) -> tuple[dict[int, Listed], bool]:
        """Ask for sizes; return them, and whether the server has told all that it knows."""
        details: dict[int, Listed] = {}

        def note(event: Any) -> None:
            if isinstance(event, Fetched) and event.uid is not None and event.size is not None:
                details[event.uid] = Listed(event.uid, event.size, event.number)

        done = await self._ask(UidFetch(uids, b"(UID RFC822.SIZE)"), note)
        return details, done.condition is Condition.OK

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
                self._end_action(event)
            case _:
                self._keep_count(event)

    # Settling

    def perform(self, action: Action, uids: Sequence[Uid]) -> None:
        """Ask the server to delete or mark these messages, behind what was asked before."""
        numbers = [int(uid) for uid in uids]
        uidplus = b"UIDPLUS" in self.channel.machine.capabilities
        deletes = action is Action.DELETE
        flags = b"(\\Seen \\Deleted)" if deletes else b"(\\Seen)"
        for start in range(0, len(numbers), ACTION_SIZE):
            some = numbers[start : start + ACTION_SIZE]
            self._send(UidStore(uid_set(some), b"+FLAGS.SILENT", flags), some)
            if deletes and uidplus:
                self._send(UidExpunge(uid_set(some)), some)
            elif deletes:
                self._flagged.update(some)

    def _send(self, command: Command, uids: Sequence[int]) -> None:
        self.channel.machine.send(command)
        self._actions.append((command, tuple(uids)))

    def _end_action(self, done: Completed) -> None:
        command, uids = self._actions.popleft()
        if done.command is not command:
            raise RemoteProtocolError("replies to UID STORE out of order", state="selected")
        if done.condition is not Condition.OK:
            self._failed_actions.update(uids)
            self._complain(len(uids), done)
        last = not any(set(uids) == set(others) for _, others in self._actions)
        if last:
            # What has still to be expunged is not done: a line that breaks now leaves it owed.
            unsure = self._failed_actions | self._flagged
            self._confirmed += [uid for uid in uids if uid not in unsure]

    def _complain(self, count: int, done: Completed) -> None:
        text = f"the server does not delete or mark {count} message(s): {shown(done.text)}"
        self._report(Said(f"{self.channel.peer}: {text}", error=True))

    def confirmed(self) -> Sequence[int]:
        """Return, once, the UIDs for which the server has done what was asked."""
        confirmed, self._confirmed = self._confirmed, []
        return confirmed

    async def finish(self) -> None:
        """Wait for all answers; then expunge, where the server cannot do that by UID."""
        while self._actions:
            self._hear(await next_event(self.channel, self.timeout))
        if not self._flagged:
            return
        deleted = set(await self._search(b"DELETED"))
        if deleted <= self._flagged:
            done = await self._ask(Expunge())
            if done.condition is Condition.OK:
                self._confirmed += sorted(self._flagged - self._failed_actions)
            else:
                self._complain(len(self._flagged), done)
        else:
            self._report(
                Said(
                    f"{self.channel.peer}: other messages are flagged as deleted here too, and "
                    "this server cannot expunge ours alone (no UIDPLUS): they stay flagged",
                    error=False,
                )
            )
        self._flagged.clear()


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
