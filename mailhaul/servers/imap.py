"""A small but correct IMAP server for mailboxes in memory.

This file is long because IMAP has 36 commands, each with its own short answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .. import imap
from ..flows.channel import Channel, next_event
from ..flows.requests import Close, RuntimeFault, TimedOut, Wait
from ..protocols.errors import RemoteProtocolError
from ..protocols.imap.arguments import BadSyntax
from ..protocols.sasl.server_mechanisms import Accepted
from .imap_mailboxes import MailboxCommands, OnMailboxes
from .imap_messages import OpenMailbox
from .imap_news import MailboxNews
from .imap_queries import Refused, flags_to_store
from .logins import Logins, Nonces
from .mailboxes import Mailbox, Mailboxes, Message, internal_date, uids_in_set

INACTIVITY_TIMEOUT = 1800.0
"""Seconds without a command after which the client is logged out (RFC 3501, 5.4)."""
UPDATE_INTERVAL = 1.0
"""Seconds between two checks for mailbox updates while the client is idle."""

CAPABILITIES = (b"UIDPLUS", b"LITERAL+")
ALL_CAPABILITIES = (
    *CAPABILITIES,
    *(b"SASL-IR", b"ID", b"IDLE", b"ENABLE", b"NAMESPACE", b"CHILDREN", b"UNSELECT", b"MOVE"),
    *(b"ESEARCH", b"LIST-EXTENDED", b"LIST-STATUS", b"SPECIAL-USE", b"CREATE-SPECIAL-USE"),
    *(b"STATUS=SIZE", b"CONDSTORE", b"QRESYNC", b"COMPRESS=DEFLATE", b"NOTIFY"),
)
"""All capabilities of this server. A capability that is not announced is also not available."""
REQUIRED_CAPABILITY: dict[type, bytes] = {
    imap.Id: b"ID",
    imap.Idle: b"IDLE",
    imap.Enable: b"ENABLE",
    imap.Namespace: b"NAMESPACE",
    imap.GetQuotaRoot: b"QUOTA",
    imap.Unselect: b"UNSELECT",
    imap.Move: b"MOVE",
    imap.UidMove: b"MOVE",
    imap.UidExpunge: b"UIDPLUS",
    imap.Compress: b"COMPRESS=DEFLATE",
    imap.Notify: b"NOTIFY",
}
"""The capability that each command requires; without it the command is unknown."""
STATUS_CAPABILITIES = {b"HIGHESTMODSEQ": b"CONDSTORE", b"SIZE": b"STATUS=SIZE"}
"""The capability that each STATUS item requires."""
ENABLE_CAPABILITIES = frozenset({b"CONDSTORE", b"QRESYNC"})

Secure = Callable[[], Awaitable[None]]
"""Performs the server side of the TLS handshake; raises RuntimeFault."""
Clock = Callable[[], Sequence[int]]
"""Returns the current time in UTC from the year to the second, such as ``time.gmtime``."""


@dataclass(slots=True)
class Misbehaviour:
    """The faults of the server, for tests.

    ``cut`` maps a UID to a number of octets: the connection is closed as soon as so many octets of
    that message have been sent, over all FETCH commands. The size of the message closes it between
    the text and the tagged response. ``refuse`` are commands that are answered with NO, ``silent``
    are commands that are never answered, and ``hang_up`` are commands that close the connection.
    If ``blind`` is true, the server sends no NOTIFY events, as Dovecot 2.3 does for mail that
    another program put into a Maildir. If ``overflow`` is true, it reports NOTIFICATIONOVERFLOW
    once.
    """

    cut: dict[int, int] = field(default_factory=dict[int, int])
    refuse: Collection[type] = ()
    silent: Collection[type] = ()
    hang_up: Collection[type] = ()
    blind: bool = False
    overflow: bool = False


class Hangup(Exception):
    """The connection is closed without a response."""


class ImapService:
    """One session. ``run`` serves it until the client disconnects."""

    def __init__(
        self,
        channel: Channel[imap.Server],
        mailboxes: Mailboxes,
        users: Mapping[bytes, bytes] | None = None,
        capabilities: Iterable[bytes] = CAPABILITIES,
        secure: Secure | None = None,
        misbehaviour: Misbehaviour | None = None,
        nonces: Nonces | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._channel = channel
        self._machine = channel.machine
        self._logins = None if users is None else Logins(users, nonces)
        self._capabilities = frozenset({b"IMAP4REV1", *capabilities})
        self._secure = secure
        self._clock = clock
        self._misbehaviour = misbehaviour or Misbehaviour()
        self._mailboxes = MailboxCommands(mailboxes, self._machine.send)
        self._news = MailboxNews(mailboxes, self._machine.send)
        self._open: OpenMailbox | None = None
        self._logged_in = False
        self._enabled: set[bytes] = set()
        self._octets_until_cut = dict(self._misbehaviour.cut)

    async def run(self) -> None:
        """Send the greeting (PREAUTH if no users are given), then process commands."""
        announced = imap.Code(b"CAPABILITY", b" ".join(sorted(self._announced())))
        self._machine.send(imap.Greeted(self._logins is None, announced, b"ready"))
        try:
            while not isinstance(command := await self._next(), imap.Closed):
                await self._answer(command)
                if isinstance(command, imap.Logout):
                    break
        except Hangup:
            pass
        except TimedOut:
            self._machine.send(imap.SaidBye(None, b"no command for too long"))
        except RemoteProtocolError as error:
            self._machine.send(imap.SaidBye(None, error.problem.encode("ascii", "replace")))
        await Close(self._channel)

    async def _next(self) -> imap.Command | imap.Closed:
        """Return the next command; skip input that is not part of a command."""
        while True:
            if self._news.enabled:
                event = await self._listen(expunged=self._news.reports_removals)
            else:
                event = await next_event(self._channel, INACTIVITY_TIMEOUT)
            if isinstance(event, imap.Command | imap.Closed):
                return event

    async def _listen(self, *, expunged: bool) -> imap.Heard | imap.Closed:
        """Return the next input, and send updates while waiting. Raises TimedOut."""
        waited = 0.0
        while waited < INACTIVITY_TIMEOUT:
            try:
                event: imap.Heard | imap.Closed = await next_event(self._channel, UPDATE_INTERVAL)
            except TimedOut:
                waited += UPDATE_INTERVAL
                self._send_updates(expunged=expunged)
            else:
                return event
        raise TimedOut(INACTIVITY_TIMEOUT)

    def _announced(self) -> frozenset[bytes]:
        # After a login and after PREAUTH it is too late for STARTTLS (6.2).
        may_secure = self._secure and self._logins and not self._logged_in
        extra = {b"STARTTLS"} if may_secure and not self._channel.tls else set[bytes]()
        if b"SASL-IR" in self._capabilities and self._logins:
            extra |= {b"AUTH=" + name for name in self._logins.mechanisms}
        return self._capabilities | extra

    async def _answer(self, command: imap.Command) -> None:
        wrong = self._misbehaviour
        if isinstance(command, tuple(wrong.hang_up)):
            raise Hangup
        if isinstance(command, tuple(wrong.silent)):
            await Wait([], INACTIVITY_TIMEOUT)
        try:
            if isinstance(command, tuple(wrong.refuse)):
                raise Refused("no")
            code = await self._do(command)
        except Refused as refusal:
            text = str(refusal).encode("ascii")
            self._machine.send(imap.Completed(command, imap.Condition.NO, refusal.code, text))
        except (BadSyntax, ValueError) as problem:
            text = str(problem).encode("ascii", "replace")
            self._machine.send(imap.Completed(command, imap.Condition.BAD, None, text))
        else:
            if not isinstance(command, imap.StartTls):
                self._send_updates(
                    expunged=not isinstance(command, imap.Fetch | imap.Store | imap.Search)
                )
                self._machine.send(imap.Completed(command, imap.Condition.OK, code, b"done"))

    async def _do(self, command: imap.Command) -> imap.Code | None:
        """Execute a command; return the code for its OK. Raises Refused and BadSyntax."""
        if set(needs(command)) - self._capabilities:
            raise BadSyntax("this is not offered here")
        machine = self._machine
        match command:
            case imap.Capability():
                machine.send(imap.Capabilities(self._announced()))
            case imap.Noop() | imap.Compress():
                pass
            case imap.Id():
                machine.send(imap.Identified(((b"name", b"mailhaul"),)))
            case imap.Logout():
                machine.send(imap.SaidBye(None, b"good-bye"))
            case imap.StartTls():
                await self._start_tls(command)
            case imap.Login() | imap.Authenticate():
                return await self._log_in(command)
            case imap.Enable(names):
                self._enable(names)
            case imap.Idle():
                await self._idle(command)
            case imap.Notify():
                self._news.set_groups(command, self._opened)
            case imap.Append():
                return await self._append(command)
            case imap.Select():
                return self._select(command)
            case _ if isinstance(command, OnMailboxes):
                self._mailboxes.do(command)
                if isinstance(command, imap.AskStatus) and b"HIGHESTMODSEQ" in command.items:
                    self._use_condstore()
            case _:
                return await self._do_in_mailbox(self._open, command)
        return None

    async def _do_in_mailbox(
        self, box: OpenMailbox | None, command: imap.Command
    ) -> imap.Code | None:
        if box is None:
            raise Refused("this is not offered here")
        match command:
            case imap.CloseMailbox():
                if not box.read_only:
                    box.expunge()
                self._open = None
            case imap.Unselect():
                self._open = None
            case imap.Expunge():
                return self._expunge(box, None)
            case imap.UidExpunge(uids):
                return self._expunge(box, uids)
            case imap.Search() | imap.UidSearch():
                box.search(command)
            case imap.Fetch() | imap.UidFetch():
                await box.fetch(command)
            case imap.Store() | imap.UidStore():
                return box.store(command)
            case imap.Copy() | imap.UidCopy() | imap.Move() | imap.UidMove():
                return box.copy(command, self._mailboxes.target(command.mailbox))
            case _:
                raise Refused("this is not offered here")
        return None

    def _expunge(self, box: OpenMailbox, uids: bytes | None) -> imap.Code | None:
        """Expunge messages; return a code for clients with QRESYNC (RFC 7162, 3.2.10)."""
        if box.expunge(uids) and box.resyncs:
            return imap.Code(b"HIGHESTMODSEQ", b"%d" % box.mailbox.modseq)
        return None

    # Logging in

    async def _start_tls(self, command: imap.StartTls) -> None:
        if self._secure is None or self._channel.tls:
            raise BadSyntax("STARTTLS is not offered here")
        self._machine.send(imap.TlsReady(command))
        try:
            await self._secure()
        except RuntimeFault:
            raise Hangup from None
        self._machine.tls_started()

    async def _log_in(self, command: imap.Login | imap.Authenticate) -> imap.Code:
        logins = self._logins
        match command:
            case imap.Login(user, password):
                accepted = logins is not None and logins.is_password(user, password.reveal())
            case imap.Authenticate():
                verdict = logins and await logins.exchange(
                    self._channel, command, INACTIVITY_TIMEOUT
                )
                if not verdict:
                    raise Refused("unknown authentication mechanism")
                accepted = isinstance(verdict, Accepted)
                if not isinstance(verdict, Accepted) and verdict.malformed:
                    # A cancelled authentication is also answered with BAD (6.2.2).
                    raise BadSyntax("authentication cancelled or malformed")
        if not accepted:
            raise Refused("wrong user or password", imap.Code(b"AUTHENTICATIONFAILED"))
        self._logged_in = True
        return imap.Code(b"CAPABILITY", b" ".join(sorted(self._announced())))

    def _enable(self, names: Iterable[bytes]) -> None:
        enabled = ENABLE_CAPABILITIES & self._capabilities & set(names)
        self._machine.send(imap.Enabled(frozenset(enabled)))
        self._enabled |= enabled
        if enabled:
            self._use_condstore()

    def _use_condstore(self) -> None:
        """Send mod-sequences until the session ends (RFC 7162, 3.1)."""
        self._enabled.add(b"CONDSTORE")
        box = self._open
        if box and not box.with_modseq:
            box.with_modseq = True
            code = imap.Code(b"HIGHESTMODSEQ", b"%d" % box.mailbox.modseq)
            self._machine.send(imap.Status(imap.Condition.OK, code, b"mailbox state"))

    # Mailboxes

    def _select(self, command: imap.Select) -> imap.Code:
        previous, self._open = self._open, None
        if command.resync and b"QRESYNC" not in self._enabled:
            raise BadSyntax("QRESYNC has not been enabled")
        if previous and self._capabilities & {b"CONDSTORE", b"QRESYNC"}:
            # Whether or not the client uses them (RFC 7162, 3.2.11).
            self._machine.send(
                imap.Status(imap.Condition.OK, imap.Code(b"CLOSED"), b"previous mailbox closed")
            )
        mailbox = self._mailboxes.existing(command.mailbox)
        box = OpenMailbox(mailbox, command.read_only, self._machine.send, self._stream)
        box.counts_changes = b"CONDSTORE" in self._capabilities
        if command.condstore:
            self._enabled.add(b"CONDSTORE")
        box.with_modseq = b"CONDSTORE" in self._enabled
        box.use_condstore = self._use_condstore
        box.resyncs = b"QRESYNC" in self._enabled
        self._open = box
        send = self._machine.send
        box.send_flags()
        send(imap.Exists(len(mailbox.messages)))
        send(imap.Recent(len(box.view.recent)))
        codes = [(b"UIDVALIDITY", mailbox.uidvalidity), (b"UIDNEXT", mailbox.uidnext)]
        numbered = enumerate(mailbox.messages, 1)
        if unseen := next((number for number, m in numbered if rb"\Seen" not in m.flags), 0):
            codes.insert(0, (b"UNSEEN", unseen))
        if box.counts_changes:
            codes.append((b"HIGHESTMODSEQ", mailbox.modseq))
        for name, value in codes:
            send(imap.Status(imap.Condition.OK, imap.Code(name, b"%d" % value), b"mailbox state"))
        if command.resync:
            self._resync(box, command.resync)
        return imap.Code(b"READ-ONLY" if command.read_only else b"READ-WRITE")

    @property
    def _opened(self) -> Mailbox | None:
        return self._open.mailbox if self._open else None

    def _resync(self, box: OpenMailbox, resync: imap.Resync) -> None:
        """Send the changes since the client's last session (RFC 7162, 3.2.5.1)."""
        if resync.uid_validity != box.mailbox.uidvalidity:
            return
        known = resync.known_uids or b"1:*"
        box.send_vanished(resync.modseq, known)
        uids = [message.uid for message in box.view.messages]
        known_uids = frozenset(uids_in_set(uids, known, box.mailbox.uidnext))
        for number, message in enumerate(box.view.messages, 1):
            if message.modseq > resync.modseq and message.uid in known_uids:
                self._machine.send(changed(number, message, box))

    async def _append(self, command: imap.Append) -> imap.Code:
        mailbox = self._mailboxes.target(command.mailbox)
        flags = flags_to_store(command.flags)
        self._machine.send(imap.ReadyForText(command))
        pieces: list[bytes] = []
        while not isinstance(event := await self._continuation(), imap.AppendEnd):
            if isinstance(event, imap.AppendChunk):
                pieces.append(event.data)
        if event.malformed:
            raise BadSyntax("unexpected text after the message")
        date = command.internal_date
        if date is None and self._clock:
            date = internal_date(self._clock())
        message = mailbox.append(b"".join(pieces), *flags, date=date)
        return imap.Code(b"APPENDUID", b"%d %d" % (mailbox.uidvalidity, message.uid))

    async def _idle(self, command: imap.Idle) -> None:
        self._machine.send(imap.Idling(command))
        if not isinstance(await self._listen(expunged=True), imap.Done):
            raise Hangup

    async def _continuation(self) -> imap.Heard:
        """Return the next part of a command. Raises Hangup if the client has disconnected."""
        event: imap.Heard | imap.Closed = await next_event(self._channel, INACTIVITY_TIMEOUT)
        if isinstance(event, imap.Closed):
            raise Hangup
        return event

    # Updates

    def _send_updates(self, *, expunged: bool) -> None:
        """Send the mailbox changes since the last update (5.2)."""
        box, send = self._open, self._machine.send
        if self._misbehaviour.overflow and self._news.enabled:
            self._misbehaviour.overflow = False
            self._news.report_overflow()
        if not self._misbehaviour.blind:
            self._news.report(self._opened)
        if box is None:
            return
        news = box.view.catch_up(expunged=expunged)
        if news.removed and b"QRESYNC" in self._enabled:
            send(imap.Vanished(imap.uid_set(uid for _, uid in news.removed)))
        else:
            for number, _ in news.removed:
                send(imap.Expunged(number))
        if news.grew:
            send(imap.Exists(len(box.view.messages)))
            send(imap.Recent(len(box.view.recent)))
        box.send_new_keywords(message for _, message in news.changed)
        for number, message in news.changed:
            send(changed(number, message, box))

    async def _stream(self, message: Message, chunk: bytes) -> None:
        """Send a piece of text, and wait until it has been written. Raises Hangup."""
        left = self._octets_until_cut.get(message.uid)
        if left is not None:
            if len(chunk) >= left:
                self._machine.send(imap.BodyChunk(chunk[:left]))
                raise Hangup
            self._octets_until_cut[message.uid] = left - len(chunk)
        self._machine.send(imap.BodyChunk(chunk))
        while self._channel.congested:
            try:
                await Wait([self._channel], INACTIVITY_TIMEOUT)
            except TimedOut:
                raise Hangup from None


def changed(number: int, message: Message, box: OpenMailbox) -> imap.Fetched:
    """Return the FETCH response for a message with changed flags."""
    uid, modseq = (message.uid, message.modseq) if box.with_modseq else (None, None)
    return imap.Fetched(number, uid, None, box.flags_of(message), None, modseq)


def needs(command: imap.Command) -> Iterator[bytes]:
    """Yield the capabilities that a command requires."""
    if type(command) in REQUIRED_CAPABILITY:
        yield REQUIRED_CAPABILITY[type(command)]
    match command:
        case imap.Select():
            yield from [b"CONDSTORE"] * command.condstore
            yield from [b"QRESYNC"] * (command.resync is not None)
        case imap.CreateMailbox(_, special_use) if special_use:
            yield b"CREATE-SPECIAL-USE"
        case imap.Search() | imap.UidSearch() if command.returning is not None:
            yield b"ESEARCH"
        case imap.AskStatus(_, items):
            yield from (STATUS_CAPABILITIES[item] for item in items if item in STATUS_CAPABILITIES)
        case imap.ListMailboxes():
            options = (*command.selecting, *command.returning)
            if options or command.extended or len(command.patterns) != 1:
                yield b"LIST-EXTENDED"
            yield from [b"SPECIAL-USE"] * (b"SPECIAL-USE" in options)
            if command.status:
                yield b"LIST-STATUS"
                yield from needs(imap.AskStatus(b"", command.status))
        case _:
            pass


async def serve_imap(
    channel: Channel[imap.Server],
    mailboxes: Mailboxes,
    users: Mapping[bytes, bytes] | None = None,
    misbehaviour: Misbehaviour | None = None,
    capabilities: Iterable[bytes] = CAPABILITIES,
    secure: Secure | None = None,
    nonces: Nonces | None = None,
    clock: Clock | None = None,
) -> None:
    """Serve one session; without ``users`` the client is already logged in (PREAUTH).

    STARTTLS is offered if ``secure`` is given, and CRAM-MD5 and SCRAM if ``nonces`` is given.
    Several sessions may share mailboxes; each is notified of the changes by the others. ``clock``
    gives the internal date of a message that is appended without one (RFC 3501, section 6.3.11);
    without a clock it is always the same.
    """
    service = ImapService(
        channel, mailboxes, users, capabilities, secure, misbehaviour, nonces, clock
    )
    await service.run()
