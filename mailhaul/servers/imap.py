"""An IMAP server over mailboxes in memory: small but honest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..flows.channel import Channel, next_event
from ..flows.requests import Close, RuntimeFault, TimedOut, Wait
from ..protocols.errors import RemoteProtocolError
from ..protocols.imap.arguments import BadSyntax
from ..protocols.imap.commands import (
    Append,
    AppendChunk,
    AppendEnd,
    AskStatus,
    Capability,
    CloseMailbox,
    Command,
    Compress,
    Copy,
    CreateMailbox,
    Done,
    Enable,
    Expunge,
    Fetch,
    Heard,
    Id,
    Idle,
    ListMailboxes,
    Login,
    Logout,
    Move,
    Namespace,
    Noop,
    Notify,
    Resync,
    Search,
    Select,
    StartTls,
    Store,
    UidCopy,
    UidExpunge,
    UidFetch,
    UidMove,
    UidSearch,
    UidStore,
    Unselect,
)
from ..protocols.imap.events import (
    BodyChunk,
    Capabilities,
    Closed,
    Code,
    Completed,
    Condition,
    Enabled,
    Exists,
    Expunged,
    Fetched,
    Greeted,
    Identified,
    Idling,
    ReadyForText,
    Recent,
    SaidBye,
    Status,
    TlsReady,
    Vanished,
)
from ..protocols.imap.server import ImapServer
from ..protocols.imap.uid_sets import uid_set
from ..protocols.sasl.exchange import Authenticate
from ..protocols.sasl.server_mechanisms import Accepted
from .imap_mailboxes import MailboxCommands, OnMailboxes
from .imap_messages import OpenMailbox
from .imap_news import MailboxNews
from .imap_queries import Refused, to_be_stored
from .logins import Logins, Nonces
from .mailboxes import Mailbox, Mailboxes, Message, within

PATIENCE = 1800.0
"""Seconds without a command after which a client is logged out (RFC 3501, 5.4)."""
GLANCE = 1.0
"""Seconds between two looks for news while a client is idle."""

CAPABILITIES = (b"UIDPLUS", b"LITERAL+")
ALL_CAPABILITIES = (
    *CAPABILITIES,
    *(b"SASL-IR", b"ID", b"IDLE", b"ENABLE", b"NAMESPACE", b"CHILDREN", b"UNSELECT", b"MOVE"),
    *(b"ESEARCH", b"LIST-EXTENDED", b"LIST-STATUS", b"SPECIAL-USE", b"CREATE-SPECIAL-USE"),
    *(b"STATUS=SIZE", b"CONDSTORE", b"QRESYNC", b"COMPRESS=DEFLATE", b"NOTIFY"),
)
"""All that this server can do. What is not announced it does not do either."""
NEEDED: dict[type, bytes] = {
    Id: b"ID",
    Idle: b"IDLE",
    Enable: b"ENABLE",
    Namespace: b"NAMESPACE",
    Unselect: b"UNSELECT",
    Move: b"MOVE",
    UidMove: b"MOVE",
    UidExpunge: b"UIDPLUS",
    Compress: b"COMPRESS=DEFLATE",
    Notify: b"NOTIFY",
}
"""The capability without which a command is unknown."""
STATUS_CAPABILITIES = {b"HIGHESTMODSEQ": b"CONDSTORE", b"SIZE": b"STATUS=SIZE"}
"""The capability without which there is no such item of STATUS."""
TO_ENABLE = frozenset({b"CONDSTORE", b"QRESYNC"})

Secure = Callable[[], Awaitable[None]]
"""Shakes hands over TLS as the server; raises RuntimeFault."""


@dataclass(slots=True)
class Misbehaviour:
    """What the server does wrong, for tests.

    ``cut`` maps a UID to octets of its text: the connection is closed as soon as so many octets
    of that message were sent, whenever it is asked for, so that its size in octets cuts between the
    text and the answer to the command. ``refuse`` are commands that are answered with NO,
    ``silent`` those that are never answered, and ``hang_up`` those at which the connection is
    closed. ``blind``: what NOTIFY was to tell of goes unnoticed, as with Dovecot 2.3 does mail
    that was put into a Maildir behind its back. ``overflow``: once, it has lost track of all that.
    """

    cut: dict[int, int] = field(default_factory=dict[int, int])
    refuse: Collection[type] = ()
    silent: Collection[type] = ()
    hang_up: Collection[type] = ()
    blind: bool = False
    overflow: bool = False


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
        nonces: Nonces | None = None,
    ) -> None:
        self._channel = channel
        self._machine = channel.machine
        self._logins = None if users is None else Logins(users, nonces)
        self._capabilities = frozenset({b"IMAP4REV1", *capabilities})
        self._secure = secure
        self._misbehaviour = misbehaviour or Misbehaviour()
        self._mailboxes = MailboxCommands(mailboxes, self._machine.send)
        self._news = MailboxNews(mailboxes, self._machine.send)
        self._open: OpenMailbox | None = None
        self._enabled: set[bytes] = set()
        self._left = dict(self._misbehaviour.cut)

    async def run(self) -> None:
        """Greet (with PREAUTH if no users are given), then answer command after command."""
        announced = Code(b"CAPABILITY", b" ".join(sorted(self._announced())))
        self._machine.send(Greeted(self._logins is None, announced, b"ready"))
        try:
            while not isinstance(command := await self._next(), Closed):
                await self._answer(command)
                if isinstance(command, Logout):
                    break
        except Hangup:
            pass
        except TimedOut:
            self._machine.send(SaidBye(None, b"no command for too long"))
        except RemoteProtocolError as fault:
            self._machine.send(SaidBye(None, fault.problem.encode("ascii", "replace")))
        await Close(self._channel)

    async def _next(self) -> Command | Closed:
        """Return the next command; what belongs to none before it is passed over."""
        while True:
            if self._news.wanted:
                heard = await self._listen(expunged=self._news.removals_too)
            else:
                heard = await next_event(self._channel, PATIENCE)
            if isinstance(heard, Command | Closed):
                return heard

    async def _listen(self, *, expunged: bool) -> Heard | Closed:
        """Return what is heard next, and tell the client news meanwhile. Raises TimedOut."""
        waited = 0.0
        while waited < PATIENCE:
            try:
                heard: Heard | Closed = await next_event(self._channel, GLANCE)
            except TimedOut:
                waited += GLANCE
                self._tell_news(expunged=expunged)
            else:
                return heard
        raise TimedOut(PATIENCE)

    def _announced(self) -> frozenset[bytes]:
        extra = {b"STARTTLS"} if self._secure and not self._channel.tls else set[bytes]()
        if b"SASL-IR" in self._capabilities and self._logins:
            extra |= {b"AUTH=" + name for name in self._logins.mechanisms}
        return self._capabilities | extra

    async def _answer(self, command: Command) -> None:
        wrong = self._misbehaviour
        if isinstance(command, tuple(wrong.hang_up)):
            raise Hangup
        if isinstance(command, tuple(wrong.silent)):
            await Wait([], PATIENCE)
        try:
            if isinstance(command, tuple(wrong.refuse)):
                raise Refused("no")
            code = await self._do(command)
        except Refused as refusal:
            text = str(refusal).encode("ascii")
            self._machine.send(Completed(command, Condition.NO, refusal.code, text))
        except (BadSyntax, ValueError) as problem:
            text = str(problem).encode("ascii", "replace")
            self._machine.send(Completed(command, Condition.BAD, None, text))
        else:
            if not isinstance(command, StartTls):
                self._tell_news(expunged=not isinstance(command, Fetch | Store | Search))
                self._machine.send(Completed(command, Condition.OK, code, b"done"))

    async def _do(self, command: Command) -> Code | None:
        """Do what a command asks; return the code for its OK. Raises Refused and BadSyntax."""
        if set(needs(command)) - self._capabilities:
            raise BadSyntax("this is not offered here")
        machine = self._machine
        match command:
            case Capability():
                machine.send(Capabilities(self._announced()))
            case Noop() | Compress():
                pass
            case Id():
                machine.send(Identified(((b"name", b"mailhaul"),)))
            case Logout():
                machine.send(SaidBye(None, b"good-bye"))
            case StartTls():
                await self._start_tls(command)
            case Login() | Authenticate():
                return await self._log_in(command)
            case Enable(names):
                self._enable(names)
            case Idle():
                await self._idle(command)
            case Notify():
                self._news.choose(command, self._opened)
            case Append():
                return await self._append(command)
            case Select():
                return self._select(command)
            case _ if isinstance(command, OnMailboxes):
                self._mailboxes.do(command)
            case _:
                return await self._do_in_mailbox(self._open, command)
        return None

    async def _do_in_mailbox(self, box: OpenMailbox | None, command: Command) -> Code | None:
        if box is None:
            raise Refused("this is not offered here")
        match command:
            case CloseMailbox():
                if not box.read_only:
                    box.expunge()
                self._open = None
            case Unselect():
                self._open = None
            case Expunge():
                return self._expunge(box, None)
            case UidExpunge(uids):
                return self._expunge(box, uids)
            case Search() | UidSearch():
                box.search(command)
            case Fetch() | UidFetch():
                await box.fetch(command)
            case Store() | UidStore():
                return box.store(command)
            case Copy() | UidCopy() | Move() | UidMove():
                return box.copy(command, self._mailboxes.target(command.mailbox))
            case _:
                raise Refused("this is not offered here")
        return None

    def _expunge(self, box: OpenMailbox, uids: bytes | None) -> Code | None:
        """Remove messages; the code is for clients that resynchronize (RFC 7162, 3.2.10)."""
        if box.expunge(uids) and box.resyncs:
            return Code(b"HIGHESTMODSEQ", b"%d" % box.mailbox.modseq)
        return None

    # Logging in

    async def _start_tls(self, command: StartTls) -> None:
        if self._secure is None or self._channel.tls:
            raise BadSyntax("STARTTLS is not offered here")
        self._machine.send(TlsReady(command))
        try:
            await self._secure()
        except RuntimeFault:
            raise Hangup from None
        self._machine.tls_started()

    async def _log_in(self, command: Login | Authenticate) -> Code:
        logins = self._logins
        match command:
            case Login(user, password):
                good = logins is not None and logins.fit(user, password.reveal())
            case Authenticate():
                verdict = logins and await logins.exchange(self._channel, command, PATIENCE)
                if not verdict:
                    raise Refused("this mechanism is not known here")
                good = isinstance(verdict, Accepted)
                if not isinstance(verdict, Accepted) and verdict.malformed:
                    # So it is, too, when the client gives up (6.2.2).
                    raise BadSyntax("the authentication was broken off")
        if not good:
            raise Refused("wrong user or password", Code(b"AUTHENTICATIONFAILED"))
        return Code(b"CAPABILITY", b" ".join(sorted(self._announced())))

    def _enable(self, names: Iterable[bytes]) -> None:
        enabled = TO_ENABLE & self._capabilities & set(names)
        self._enabled |= enabled | ({b"CONDSTORE"} if enabled else set[bytes]())
        self._machine.send(Enabled(frozenset(enabled)))

    # Mailboxes

    def _select(self, command: Select) -> Code:
        previous, self._open = self._open, None
        if command.resync and b"QRESYNC" not in self._enabled:
            raise BadSyntax("QRESYNC has not been enabled")
        if previous and self._enabled:
            self._machine.send(Status(Condition.OK, Code(b"CLOSED"), b"the one before"))
        mailbox = self._mailboxes.existing(command.mailbox)
        box = OpenMailbox(mailbox, command.read_only, self._machine.send, self._stream)
        box.counts_changes = b"CONDSTORE" in self._capabilities
        box.with_modseq = bool(self._enabled) or command.condstore
        box.resyncs = b"QRESYNC" in self._enabled
        self._open = box
        send = self._machine.send
        box.tell_flags()
        send(Exists(len(mailbox.messages)))
        send(Recent(len(box.view.recent)))
        codes = [(b"UIDVALIDITY", mailbox.uidvalidity), (b"UIDNEXT", mailbox.uidnext)]
        numbered = enumerate(mailbox.messages, 1)
        if unseen := next((number for number, m in numbered if rb"\Seen" not in m.flags), 0):
            codes.insert(0, (b"UNSEEN", unseen))
        if box.counts_changes:
            codes.append((b"HIGHESTMODSEQ", mailbox.modseq))
        for name, value in codes:
            send(Status(Condition.OK, Code(name, b"%d" % value), b"so it is"))
        if command.resync:
            self._resync(box, command.resync)
        return Code(b"READ-ONLY" if command.read_only else b"READ-WRITE")

    @property
    def _opened(self) -> Mailbox | None:
        return self._open.mailbox if self._open else None

    def _resync(self, box: OpenMailbox, resync: Resync) -> None:
        """Say what has changed since the client looked last (RFC 7162, 3.2.5.1)."""
        if resync.uid_validity != box.mailbox.uidvalidity:
            return
        known = resync.known_uids or b"1:*"
        box.tell_vanished(resync.modseq, known)
        uids = [message.uid for message in box.view.messages]
        told = frozenset(within(uids, known, box.mailbox.uidnext))
        for number, message in enumerate(box.view.messages, 1):
            if message.modseq > resync.modseq and message.uid in told:
                self._machine.send(changed(number, message, box))

    async def _append(self, command: Append) -> Code:
        mailbox = self._mailboxes.target(command.mailbox)
        flags = to_be_stored(command.flags)
        self._machine.send(ReadyForText(command))
        pieces: list[bytes] = []
        while not isinstance(heard := await self._continuation(), AppendEnd):
            if isinstance(heard, AppendChunk):
                pieces.append(heard.data)
        if heard.malformed:
            raise BadSyntax("unexpected text after the message")
        message = mailbox.append(b"".join(pieces), *flags, date=command.internal_date)
        return Code(b"APPENDUID", b"%d %d" % (mailbox.uidvalidity, message.uid))

    async def _idle(self, command: Idle) -> None:
        self._machine.send(Idling(command))
        if not isinstance(await self._listen(expunged=True), Done):
            raise Hangup

    async def _continuation(self) -> Heard:
        """Return the next piece of a command. Raises Hangup when there will be none."""
        heard: Heard | Closed = await next_event(self._channel, PATIENCE)
        if isinstance(heard, Closed):
            raise Hangup
        return heard

    # News

    def _tell_news(self, *, expunged: bool) -> None:
        """Say what has happened to mailboxes since the client was told last (5.2)."""
        box, send = self._open, self._machine.send
        if self._misbehaviour.overflow and self._news.wanted:
            self._misbehaviour.overflow = False
            self._news.lose_track()
        if not self._misbehaviour.blind:
            self._news.tell(self._opened)
        if box is None:
            return
        news = box.view.catch_up(expunged=expunged)
        if news.removed and b"QRESYNC" in self._enabled:
            send(Vanished(uid_set(uid for _, uid in news.removed)))
        else:
            for number, _ in news.removed:
                send(Expunged(number))
        if news.grew:
            send(Exists(len(box.view.messages)))
            send(Recent(len(box.view.recent)))
        box.tell_new_keywords(message for _, message in news.changed)
        for number, message in news.changed:
            send(changed(number, message, box))

    async def _stream(self, message: Message, chunk: bytes) -> None:
        """Say a piece of text, and let it leave before more is said. Raises Hangup."""
        left = self._left.get(message.uid)
        if left is not None:
            if len(chunk) >= left:
                self._machine.send(BodyChunk(chunk[:left]))
                raise Hangup
            self._left[message.uid] = left - len(chunk)
        self._machine.send(BodyChunk(chunk))
        while self._channel.congested:
            try:
                await Wait([self._channel], PATIENCE)
            except TimedOut:
                raise Hangup from None


def changed(number: int, message: Message, box: OpenMailbox) -> Fetched:
    """Return what is said of a message that has other flags than before."""
    uid, modseq = (message.uid, message.modseq) if box.with_modseq else (None, None)
    return Fetched(number, uid, None, box.flags_of(message), None, modseq)


def needs(command: Command) -> Iterator[bytes]:
    """Yield the capabilities that a command makes use of."""
    if type(command) in NEEDED:
        yield NEEDED[type(command)]
    match command:
        case Select():
            yield from [b"CONDSTORE"] * command.condstore
            yield from [b"QRESYNC"] * (command.resync is not None)
        case CreateMailbox(_, special_use) if special_use:
            yield b"CREATE-SPECIAL-USE"
        case Search() | UidSearch() if command.returning is not None:
            yield b"ESEARCH"
        case AskStatus(_, items):
            yield from (STATUS_CAPABILITIES[item] for item in items if item in STATUS_CAPABILITIES)
        case ListMailboxes():
            options = (*command.selecting, *command.returning)
            if options or len(command.patterns) != 1:
                yield b"LIST-EXTENDED"
            yield from [b"SPECIAL-USE"] * (b"SPECIAL-USE" in options)
            if command.status:
                yield b"LIST-STATUS"
                yield from needs(AskStatus(b"", command.status))
        case _:
            pass


async def serve_imap(
    channel: Channel[ImapServer],
    mailboxes: Mailboxes,
    users: Mapping[bytes, bytes] | None = None,
    misbehaviour: Misbehaviour | None = None,
    capabilities: Iterable[bytes] = CAPABILITIES,
    secure: Secure | None = None,
    nonces: Nonces | None = None,
) -> None:
    """Serve one session; without ``users`` the client is logged in already (PREAUTH).

    STARTTLS is offered when ``secure`` is given, and CRAM-MD5 and SCRAM with ``nonces``. Several
    sessions may share mailboxes; each is told what the others do.
    """
    service = ImapService(channel, mailboxes, users, capabilities, secure, misbehaviour, nonces)
    await service.run()
