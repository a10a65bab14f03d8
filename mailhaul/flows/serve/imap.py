"""An IMAP server over mailboxes in memory: small but honest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ...protocols.errors import RemoteProtocolError
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
from ..requests import Close, RuntimeFault, TimedOut, Wait
from .imap_queries import (
    SYSTEM_FLAGS,
    Refused,
    TextItem,
    canonical,
    part_of,
    read_items,
    search,
)
from .mailboxes import Mailbox, Mailboxes, Message, Numbered

PATIENCE = 1800.0
"""Seconds without a command after which a client is logged out (RFC 3501, 5.4)."""

CAPABILITIES = (b"UIDPLUS", b"LITERAL+")

Secure = Callable[[], Awaitable[None]]
"""Shakes hands over TLS as the server; raises RuntimeFault."""

CHANGES: dict[bytes, Callable[[set[bytes], set[bytes]], set[bytes]]] = {
    b"FLAGS": lambda old, named: set(named),
    b"+FLAGS": lambda old, named: old | named,
    b"-FLAGS": lambda old, named: old - named,
}
"""What the operations of STORE make of a message's flags."""


@dataclass(slots=True)
class Misbehaviour:
    """What the server does wrong, for tests. ``cut`` maps a UID to octets of its text.

    The connection is closed as soon as so many octets of that message were sent, whenever it is
    asked for: its size in octets cuts between the text and the answer to the command.
    """

    cut: dict[int, int] = field(default_factory=dict[int, int])


class Hangup(Exception):
    """The connection is closed without a word."""


class ImapService:
    """One session. ``run`` serves it until the client leaves."""

    def __init__(
        self,
        channel: Channel[ImapServer],
        mailboxes: Mailboxes,
        users: Mapping[bytes, bytes] | None = None,
        capabilities: Iterable[bytes] = CAPABILITIES,
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
        self._known = 0
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
        except (RemoteProtocolError, TimedOut):
            self._machine.send(SaidBye(None, b"this goes nowhere"))
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
                self._tell_news()
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
                    self._mailbox.expunge()
            case Expunge() | UidExpunge():
                self._expunge(command)
            case Search(criteria) | UidSearch(criteria):
                self._search(criteria, by_uid=isinstance(command, UidSearch))
            case Fetch(numbers, items):
                await self._fetch(self._mailbox.numbered(numbers), items, by_uid=False)
            case UidFetch(uids, items):
                await self._fetch(self._mailbox.with_uids(uids), items, by_uid=True)
            case Store(numbers, operation, flags):
                self._store(self._mailbox.numbered(numbers), operation, flags, by_uid=False)
            case UidStore(uids, operation, flags):
                self._store(self._mailbox.with_uids(uids), operation, flags, by_uid=True)
        return None

    def _tell_news(self) -> None:
        """Say that mail has come in since the mailbox was opened (RFC 3501, 5.2)."""
        if self._machine.state == "selected" and len(self._mailbox.messages) > self._known:
            self._known = len(self._mailbox.messages)
            self._machine.send(Exists(self._known))

    async def _start_tls(self, command: StartTls) -> None:
        if self._secure is None or self._channel.tls:
            raise Refused("no TLS here")
        self._machine.send(TlsReady(command))
        try:
            await self._secure()
        except RuntimeFault:
            raise Hangup from None
        self._machine.tls_started()

    def _log_in(self, user: bytes, password: bytes) -> None:
        if self._users is None or self._users.get(user) != password:
            raise Refused("wrong user or password")

    def _select(self, name: bytes, read_only: bool) -> Code:
        mailbox = self._mailboxes.find(name)
        if mailbox is None:
            raise Refused("no such mailbox")
        self._mailbox, self._read_only = mailbox, read_only
        self._known = len(mailbox.messages)
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
            uids = frozenset(message.uid for _, message in self._mailbox.with_uids(command.uids))
        for number in self._mailbox.expunge(uids):
            self._machine.send(Expunged(number))
        self._known = min(self._known, len(self._mailbox.messages))

    # Messages

    def _search(self, criteria: bytes, *, by_uid: bool) -> None:
        found = search(criteria, self._mailbox)
        self._machine.send(Found(tuple(m.uid if by_uid else number for number, m in found)))

    def _store(self, messages: Numbered, operation: bytes, flags: bytes, *, by_uid: bool) -> None:
        if self._read_only:
            raise Refused("the mailbox is read-only")
        named = {canonical(flag) for flag in flags.strip(b"()").split()}
        change, _, silent = operation.upper().partition(b".")
        if change not in CHANGES or silent not in {b"", b"SILENT"}:
            raise Refused("flags cannot be changed like this")
        for number, message in messages:
            message.flags = CHANGES[change](message.flags, named)
            if not silent:
                uid = message.uid if by_uid else None
                self._machine.send(Fetched(number, uid, None, tuple(sorted(message.flags))))

    async def _fetch(self, messages: Numbered, items: bytes, *, by_uid: bool) -> None:
        texts, facts = read_items(items)
        facts |= {b"UID"} if by_uid else set[bytes]()
        for number, message in messages:
            uid = message.uid if b"UID" in facts else None
            for item in texts:
                await self._send_text(number, uid, message, item)
            marked = self._mark(message, texts)
            self._machine.send(
                Fetched(
                    number,
                    uid,
                    message.size if b"RFC822.SIZE" in facts else None,
                    tuple(sorted(message.flags)) if marked or b"FLAGS" in facts else None,
                    message.date if b"INTERNALDATE" in facts else None,
                )
            )

    def _mark(self, message: Message, texts: list[TextItem]) -> bool:
        """Set \\Seen where reading does that; tell whether it was not set before."""
        marks = any(item.marks for item in texts) and not self._read_only
        if not marks or rb"\Seen" in message.flags:
            return False
        message.flags.add(rb"\Seen")
        return True

    async def _send_text(
        self, number: int, uid: int | None, message: Message, item: TextItem
    ) -> None:
        size, chunks = message.size, message.chunks()
        if item.section:
            text = part_of(message.text, item.section)
            size, chunks = len(text), (text,)
        self._machine.send(BodyStart(number, uid, item.section, size, item.old_name))
        left = self._misbehaviour.cut.get(message.uid)
        for chunk in chunks:
            if left is not None:
                if len(chunk) >= left:
                    self._machine.send(BodyChunk(chunk[:left]))
                    raise Hangup
                left -= len(chunk)
            self._machine.send(BodyChunk(chunk))
            await self._keep_pace()
        self._machine.send(BodyEnd())

    async def _keep_pace(self) -> None:
        """Let what has been said leave before more is said. Raises Hangup."""
        while self._channel.congested:
            try:
                await Wait([self._channel], PATIENCE)
            except TimedOut:
                raise Hangup from None


async def serve_imap(
    channel: Channel[ImapServer],
    mailboxes: Mailboxes,
    users: Mapping[bytes, bytes] | None = None,
    misbehaviour: Misbehaviour | None = None,
    capabilities: Iterable[bytes] = CAPABILITIES,
    secure: Secure | None = None,
) -> None:
    """Serve one session; without ``users`` the client is logged in already (PREAUTH).

    STARTTLS is offered when ``secure`` is given. Several sessions may share mailboxes, but only
    one at a time should expunge: the others are not told.
    """
    await ImapService(channel, mailboxes, users, capabilities, secure, misbehaviour).run()
