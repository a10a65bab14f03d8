"""An IMAP server over mailboxes in memory: small but honest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ...protocols.imap.commands import (
    Capability,
    CloseMailbox,
    Command,
    Expunge,
    Fetch,
    Login,
    Logout,
    Noop,
    Search,
    Select,
    StartTls,
    Store,
    UidExpunge,
    UidFetch,
    UidSearch,
    UidStore,
)
from ...protocols.imap.events import (
    BodyChunk,
    BodyEnd,
    BodyStart,
    Capabilities,
    Closed,
    Code,
    Completed,
    Condition,
    Exists,
    Expunged,
    Fetched,
    Flags,
    Found,
    Greeted,
    Recent,
    SaidBye,
    Status,
    TlsReady,
)
from ...protocols.imap.server import ImapServer
from ..channel import Channel, next_event
from ..requests import Close, Wait
from .mailboxes import Mailbox, Mailboxes, Message

SYSTEM_FLAGS = (rb"\Answered", rb"\Flagged", rb"\Deleted", rb"\Seen", rb"\Draft")
PATIENCE = 1800.0
"""Seconds without a command after which a client is logged out (RFC 3501, 5.4)."""

Secure = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Misbehaviour:
    """What the server does wrong, for tests. ``cut`` maps a UID to octets of its text.

    The connection is closed after so many octets of that message were sent.
    """

    cut: dict[int, int] = field(default_factory=dict[int, int])


class Refused(Exception):
    """A command is answered with NO."""


class Hangup(Exception):
    """The connection is closed without a word."""


class ImapService:
    """One session. ``run`` serves it until the client leaves."""

    def __init__(
        self,
        channel: Channel[ImapServer],
        mailboxes: Mailboxes,
        users: Mapping[bytes, bytes] | None = None,
        capabilities: Iterable[bytes] = (b"UIDPLUS", b"LITERAL+"),
        secure: Secure | None = None,
        misbehaviour: Misbehaviour | None = None,
    ) -> None:
        self._channel = channel
        self._machine = channel.machine
        self._mailboxes = mailboxes
        self._users = users
        self._capabilities = frozenset({b"IMAP4REV1", *capabilities})
        self._secure = secure
        self._misbehaviour = misbehaviour or Misbehaviour()
        self._mailbox = Mailbox()
        self._read_only = False

    async def run(self) -> None:
        """Greet (with PREAUTH if no users are given), then answer command after command."""
        announced = Code(b"CAPABILITY", b" ".join(sorted(self._announced())))
        self._machine.send(Greeted(self._users is None, announced, b"ready"))
        try:
            while not isinstance(command := await next_event(self._channel, PATIENCE), Closed):
                await self._answer(command)
                if isinstance(command, Logout):
                    break
        except Hangup:
            pass
        await Close(self._channel)

    def _announced(self) -> frozenset[bytes]:
        extra = {b"STARTTLS"} if self._secure and not self._channel.tls else set[bytes]()
        return self._capabilities | extra

    async def _answer(self, command: Command) -> None:
        try:
            code = await self._do(command)
        except Refused as refusal:
            self._machine.send(Completed(command, Condition.NO, None, str(refusal).encode("ascii")))
        else:
            if not isinstance(command, StartTls):
                self._machine.send(Completed(command, Condition.OK, code, b"done"))

    async def _do(self, command: Command) -> Code | None:
        """Do what a command asks; return the code for its OK. Raises Refused."""
        machine = self._machine
        match command:
            case Capability():
                machine.send(Capabilities(self._announced()))
            case Noop():
                pass
            case Logout():
                machine.send(SaidBye(None, b"good-bye"))
            case StartTls():
                await self._start_tls(command)
            case Login(user, password):
                self._log_in(user, password.reveal())
            case Select(name, read_only):
                return self._select(name, read_only)
            case CloseMailbox():
                if not self._read_only:
                    list(self._mailbox.expunge())
            case Expunge() | UidExpunge():
                self._expunge(command)
            case Search(criteria) | UidSearch(criteria):
                self._search(criteria, by_uid=isinstance(command, UidSearch))
            case Fetch(numbers, items):
                await self._fetch(self._numbered(numbers), items, by_uid=False)
            case UidFetch(uids, items):
                await self._fetch(self._with_uids(uids), items, by_uid=True)
            case Store(numbers, operation, flags):
                self._store(self._numbered(numbers), operation, flags)
            case UidStore(uids, operation, flags):
                self._store(self._with_uids(uids), operation, flags)
        return None

    async def _start_tls(self, command: StartTls) -> None:
        if self._secure is None or self._channel.tls:
            raise Refused("no TLS here")
        self._machine.send(TlsReady(command))
        await self._secure()
        self._machine.tls_started()

    def _log_in(self, user: bytes, password: bytes) -> None:
        if self._users is None or self._users.get(user) != password:
            raise Refused("wrong user or password")

    def _select(self, name: bytes, read_only: bool) -> Code:
        mailbox = self._mailboxes.find(name)
        if mailbox is None:
            raise Refused("no such mailbox")
        self._mailbox, self._read_only = mailbox, read_only
        send = self._machine.send
        send(Flags(SYSTEM_FLAGS))
        send(Exists(len(mailbox.messages)))
        send(Recent(0))
        permanent = b"()" if read_only else b"(%b)" % b" ".join(SYSTEM_FLAGS)
        send(Status(Condition.OK, Code(b"PERMANENTFLAGS", permanent), b"flags"))
        send(Status(Condition.OK, Code(b"UIDVALIDITY", b"%d" % mailbox.uidvalidity), b"UIDs"))
        send(Status(Condition.OK, Code(b"UIDNEXT", b"%d" % mailbox.uidnext), b"next"))
        return Code(b"READ-ONLY" if read_only else b"READ-WRITE")

    def _expunge(self, command: Expunge | UidExpunge) -> None:
        if self._read_only:
            raise Refused("the mailbox is read-only")
        uids = None
        if isinstance(command, UidExpunge):
            uids = frozenset(message.uid for _, message in self._with_uids(command.uids))
        for number in self._mailbox.expunge(uids):
            self._machine.send(Expunged(number))

    # Messages

    def _numbered(self, numbers: bytes) -> list[tuple[int, Message]]:
        everything = list(enumerate(self._mailbox.messages, 1))
        wanted = members(numbers, len(everything))
        return [(number, message) for number, message in everything if number in wanted]

    def _with_uids(self, uids: bytes) -> list[tuple[int, Message]]:
        everything = list(enumerate(self._mailbox.messages, 1))
        wanted = members(uids, max((m.uid for _, m in everything), default=0))
        return [(number, message) for number, message in everything if message.uid in wanted]

    def _search(self, criteria: bytes, *, by_uid: bool) -> None:
        found: list[int] = []
        for number, message in enumerate(self._mailbox.messages, 1):
            if all(matches(key, message) for key in criteria.upper().split()):
                found.append(message.uid if by_uid else number)
        self._machine.send(Found(tuple(found)))

    def _store(self, messages: list[tuple[int, Message]], operation: bytes, flags: bytes) -> None:
        if self._read_only:
            raise Refused("the mailbox is read-only")
        named = set(flags.strip(b"()").split())
        operation = operation.upper()
        for number, message in messages:
            if operation.startswith(b"+"):
                message.flags |= named
            elif operation.startswith(b"-"):
                message.flags -= named
            else:
                message.flags = named
            if not operation.endswith(b".SILENT"):
                flags_now = tuple(sorted(message.flags))
                self._machine.send(Fetched(number, message.uid, None, flags_now))

    async def _fetch(
        self, messages: list[tuple[int, Message]], items: bytes, *, by_uid: bool
    ) -> None:
        words = items.upper().strip(b"()").replace(b".PEEK", b"").split()
        for number, message in messages:
            for word in words:
                if word.startswith((b"BODY", b"RFC822")) and word != b"RFC822.SIZE":
                    await self._send_text(number, message, word, by_uid=by_uid)
            if b".PEEK" not in items.upper() and b"BODY[" in items.upper():
                message.flags.add(rb"\Seen")
            self._machine.send(
                Fetched(
                    number,
                    message.uid if by_uid or b"UID" in words else None,
                    message.size if b"RFC822.SIZE" in words else None,
                    tuple(sorted(message.flags)) if b"FLAGS" in words else None,
                    message.date if b"INTERNALDATE" in words else None,
                )
            )

    async def _send_text(self, number: int, message: Message, word: bytes, *, by_uid: bool) -> None:
        section = section_of(word)
        size, chunks = message.size, message.chunks()
        if section:
            text = part_of(message.text, section)
            size, chunks = len(text), (text,)
        self._machine.send(BodyStart(number, message.uid if by_uid else None, section, size))
        left = self._misbehaviour.cut.get(message.uid)
        for chunk in chunks:
            if left is not None and len(chunk) > left:
                self._machine.send(BodyChunk(chunk[:left]))
                raise Hangup
            left = None if left is None else left - len(chunk)
            self._machine.send(BodyChunk(chunk))
            while self._channel.congested:
                await Wait([self._channel], PATIENCE)
        self._machine.send(BodyEnd())


def section_of(word: bytes) -> bytes:
    """Return the section that a FETCH item names. Raises Refused for one we do not have."""
    section = {b"RFC822": b"", b"RFC822.HEADER": b"HEADER", b"RFC822.TEXT": b"TEXT"}.get(word)
    if section is None and word.startswith(b"BODY[") and word.endswith(b"]"):
        section = word[5:-1]
    if section not in {b"", b"HEADER", b"TEXT"}:
        raise Refused("this section cannot be had here")
    return section


def part_of(text: bytes, section: bytes) -> bytes:
    """Return a message's header with its blank line, or what follows it."""
    end = text.find(b"\r\n\r\n")
    end = len(text) if end < 0 else end + 4
    return text[:end] if section == b"HEADER" else text[end:]


def members(sequence_set: bytes, largest: int) -> set[int]:
    """Return the numbers in a set such as ``2,4:7,9:*`` up to the largest there is."""
    found: set[int] = set()
    for part in sequence_set.split(b","):
        first, _, last = part.partition(b":")
        ends = [largest if end == b"*" else int(end) for end in (first, last or first)]
        found.update(range(min(ends), min(max(ends), largest) + 1))
    return found


def matches(key: bytes, message: Message) -> bool:
    """Tell whether a message matches one search key. Raises Refused for one we do not know."""
    if key == b"ALL":
        return True
    name = key.removeprefix(b"UN")
    if name not in {b"SEEN", b"DELETED", b"ANSWERED", b"FLAGGED", b"DRAFT"}:
        raise Refused("this search cannot be done here")
    return (b"\\" + name.capitalize() in message.flags) == (name == key)


async def serve_imap(
    channel: Channel[ImapServer],
    mailboxes: Mailboxes,
    users: Mapping[bytes, bytes] | None = None,
    misbehaviour: Misbehaviour | None = None,
) -> None:
    """Serve one session; without ``users`` the client is logged in already (PREAUTH)."""
    await ImapService(channel, mailboxes, users, misbehaviour=misbehaviour).run()
