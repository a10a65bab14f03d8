"""Sign in to a server and to a listener by clients in read-only mode; note what they announce."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .... import imap, pop3, smtp
from ....adapters.config.settings import AccountSettings
from ....adapters.login import imap as imap_login
from ....adapters.login import pop3 as pop3_login
from ....adapters.login.access import Access, TlsMode
from ....adapters.login.reach import access_of
from ....adapters.login.smtp import connect, introduce
from ....adapters.sinks.listeners import domain_of, listener_address
from ....adapters.sinks.smtp_connection import Listener
from ....flows.channel import Channel, describe, next_event
from ....flows.outcome import ExitCode, PollFailed, code_of
from ....flows.pace import Pace
from ....flows.report import Event, Remark
from ....flows.requests import Close, Open, Pipe, RuntimeFault, Tcp, TlsFailed, UpgradeToTls
from ....protocols.errors import ProtocolError
from ....protocols.record import Record, replace
from ....runtimes.stream import Stream
from ...polls.accounts import with_password
from ...polls.context import PollContext, source_tokens

if TYPE_CHECKING:
    from ....adapters.sources.imap import ImapSource
    from ....adapters.sources.pop3 import Pop3Source
    from ....runtimes.tls import TlsFacts

MOST_COUNTED = 200
"""Folders whose messages are counted."""
AT_ONCE = 20
"""Requests for a status that are sent together."""
NOT_SELECTABLE = frozenset({rb"\noselect", rb"\nonexistent"})
COUNTS = (b"MESSAGES", b"UNSEEN")
PROBE_SECONDS = 20.0
"""Seconds that the second connection may take at each step, which shows a bad certificate."""
HANG_UP_SECONDS = 10.0
"""Seconds to wait for the reply to QUIT: nothing depends on it."""


class Recorder(imap.Tap):
    """Notes what a server announces, and how the client logs in. It keeps no secret."""

    def __init__(self) -> None:
        self.greeting = ""
        self.before: tuple[str, ...] = ()
        """The capabilities before the login, inside TLS if there is TLS."""
        self.after: tuple[str, ...] = ()
        """Those after the login; () if it was not reached."""
        self.login = ""
        """The last method of the login."""
        self.accepted = False
        self.folders: list[imap.Listed] = []
        self.counts: dict[bytes, dict[bytes, int]] = {}
        self.quotas: list[imap.Quota] = []
        self.is_over = False
        """Whether the listing is complete, so that further ones are not noted."""

    def said(self, command: object) -> None:
        """Note a login command."""
        match command:
            case imap.Login():
                self.login = "LOGIN"
            case pop3.Pass():
                self.login = "USER and PASS"
            case pop3.Apop():
                self.login = "APOP"
            case imap.Authenticate(mechanism):
                self.login = mechanism.decode("ascii", "replace")
            case _:
                pass

    def told(self, news: str) -> None:
        """Note a login that is not needed."""
        if news == "assume_authenticated":
            self.login, self.accepted = "a plugin or tunnel (auth ssh)", True

    def returned(self, event: object) -> None:
        """Note what the server announces."""
        match event:
            case imap.Greeted(is_in, _, text):
                self.greeting = text.decode("utf-8", "replace")
                if is_in:
                    self.login, self.accepted = "the connection itself (PREAUTH)", True
            case pop3.Greeted(_, text):
                self.greeting = text.decode("utf-8", "replace")
            case imap.Capabilities(names):
                self._announced(tuple(sorted(name.decode("ascii", "replace") for name in names)))
            case pop3.Capabilities(pairs):
                lines = [b" ".join(filter(None, pair)).decode("ascii", "replace") for pair in pairs]
                self._announced(tuple(lines))
            case imap.Completed(imap.Login() | imap.Authenticate(), imap.Condition.OK):
                self.accepted = True
            case pop3.Completed(pop3.Pass() | pop3.Apop() | pop3.Authenticate(), True):
                self.accepted = True
            case imap.Listed() if not self.is_over and not event.lsub:
                self.folders.append(event)
            case imap.MailboxStatus(mailbox, items):
                numbers = {name: value for name, value in items if isinstance(value, int)}
                self.counts[mailbox] = numbers
            case imap.Quota():
                self.quotas.append(event)
            case _:
                pass

    def _announced(self, names: tuple[str, ...]) -> None:
        # What comes with the reply to the login is announced after it.
        if self.login:
            self.after = names
        else:
            self.before = names


class Session(Record):
    """What was found out about a server. ``failure`` is None if the login succeeded."""

    settings: AccountSettings
    access: Access | None
    recorder: Recorder
    address: str = ""
    tls: TlsFacts | None = None
    failure: PollFailed | None = None
    chosen: tuple[str, ...] = ()
    """The mailboxes that a poll would visit."""
    remarks: tuple[str, ...] = ()
    total: int | None = None
    octets: int | None = None


class Listening(Record):
    """What was found out about a listener."""

    listener: Listener
    extensions: tuple[str, ...] = ()
    problem: str = ""


async def explain_server(settings: AccountSettings, context: PollContext) -> Session:
    """Sign in, look, and log out; with ``auto`` by IMAP, or else by POP3."""
    protocols = ("imap", "pop3") if settings.protocol == "auto" else (settings.protocol,)
    session: Session | None = None
    for protocol in protocols:
        session = await explain_by_protocol(settings.with_protocol(protocol), context)
        if session.failure is None or session.failure.code is not ExitCode.PROTOCOL:
            break
    if session is None:
        raise AssertionError("no protocol")
    return session


async def explain_by_protocol(settings: AccountSettings, context: PollContext) -> Session:
    """Sign in by one protocol. A failure is in the result, with what was known before it."""
    recorder = Recorder()
    remarks: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, Remark):
            remarks.append(event.text)

    try:
        settings = with_password(settings, context)
        if settings.proxy or settings.proxyout:
            from ...polls.ways import with_proxy_passwords  # few accounts have a proxy

            settings = await with_proxy_passwords(settings, context)
        for secret in (settings.password, settings.proxypassword):
            if secret is not None:
                context.hide(secret)
        tap = context.tap_for(settings.kind.family.upper())
        access = access_of(
            settings,
            imap.Taps(recorder, tap) if tap else recorder,
            source_tokens(settings, context),
            read_only=True,
        )
    except PollFailed as refused:
        return Session(settings, None, recorder, failure=refused)
    source = new_source(settings, access, report)
    chosen: Sequence[str] = ()
    failure: PollFailed | None = None
    is_refused = False
    try:
        await source.open()
        chosen = await look(source, access, recorder, settings.folders)
    except PollFailed as error:
        failure = error
    except (ProtocolError, RuntimeFault) as error:
        failure = PollFailed(code_of(error), describe(source.channel, error))
        is_refused = isinstance(error, TlsFailed)
    recorder.is_over = True
    address, tls = source.channel.address, tls_facts(source.channel)
    await source.close()
    if is_refused:
        tls = await unverified_tls(settings, access)
    return Session(
        *(settings, access, recorder, address, tls, failure, tuple(chosen), tuple(remarks)),
        total=source.total if settings.kind.family == "pop3" else None,
        octets=source.octets,
    )


def new_source(
    settings: AccountSettings, access: Access, report: object
) -> ImapSource | Pop3Source:
    """Return a source that is not connected yet."""
    if settings.kind.family == "imap":
        from ....adapters.sources.imap import ImapSource

        return ImapSource(access, report)  # type: ignore[arg-type]  # it takes every event
    from ....adapters.sources.pop3 import Pop3Source

    return Pop3Source(access, report, apop=settings.protocol == "apop")  # type: ignore[arg-type]  # it takes every event


async def look(
    source: ImapSource | Pop3Source, access: Access, recorder: Recorder, folders: Sequence[str]
) -> Sequence[str]:
    """Look at the mailboxes after the login; return those that a poll would visit."""
    machine = source.channel.machine
    if isinstance(machine, pop3.Client):
        await pop3_login.ask_capabilities(source.channel, access, pop3_login.Avoided())  # type: ignore[arg-type]  # it is one of POP3
        await source.select("INBOX", read_only=True)
        return ("INBOX",)
    channel: Channel[imap.Client] = source.channel  # type: ignore[assignment]  # the other kind
    await imap_login.ask(channel, imap.Capability(), access)
    counts = (*COUNTS, b"SIZE") if b"STATUS" in machine.capabilities else COUNTS
    by_list = b"LIST-STATUS" in machine.capabilities
    everything = imap.ListMailboxes(b"", (b"*",), (), (), counts if by_list else ())
    await imap_login.ask(channel, everything, access)
    recorder.is_over = True
    chosen = await source.mailboxes(folders)
    if not by_list:
        await count(channel, access, recorder, counts)
    if b"QUOTA" in machine.capabilities:
        await imap_login.ask(channel, imap.GetQuotaRoot(b"INBOX"), access)
    return chosen


async def count(
    channel: Channel[imap.Client], access: Access, recorder: Recorder, items: tuple[bytes, ...]
) -> None:
    """Ask for the numbers of messages in the folders that can be opened."""
    names = [one.mailbox for one in recorder.folders if can_be_opened(one)][:MOST_COUNTED]
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        for name in some:
            channel.machine.send(imap.AskStatus(name, items))
        left = len(some)
        while left:
            left -= isinstance(await imap_login.hear(channel, access), imap.Completed)


def can_be_opened(folder: imap.Listed) -> bool:
    """Whether a folder can have messages."""
    return not {attribute.lower() for attribute in folder.attributes} & NOT_SELECTABLE


def tls_facts(channel: Channel[imap.Client] | Channel[pop3.Client]) -> TlsFacts | None:
    """Return what is known of the TLS of an open channel."""
    stream = channel.stream
    return stream.tls.facts() if isinstance(stream, Stream) and stream.tls else None


async def unverified_tls(settings: AccountSettings, access: Access) -> TlsFacts | None:
    """Return the TLS of a server whose certificate is not accepted; nobody logs in there."""
    trust = replace(access.trust, verify=False, fingerprint=None)
    timeout = min(access.timeout, PROBE_SECONDS)
    access = replace(access, trust=trust, timeout=timeout, tap=None, tokens=None, password=None)
    channel: Channel[imap.Client] | Channel[pop3.Client]
    try:
        if settings.kind.family == "imap":
            channel = Channel(access.peer, imap.Client(read_only=True))
            await open_for(channel, access)
            if access.tls is not TlsMode.WRAPPED:
                await imap_login.hear_greeting(channel, access)
                await imap_login.ask(channel, imap.Capability(), access)
                await imap_login.secure(channel, access)
        else:
            channel = Channel(access.peer, pop3.Client(read_only=True))
            await open_for(channel, access)
            if access.tls is not TlsMode.WRAPPED:
                await next_event(channel, access.timeout)
                await pop3_login.secure(channel, access, pop3_login.Avoided())
        facts = tls_facts(channel)
        await Close(channel)
    except (PollFailed, ProtocolError, RuntimeFault):
        return None
    return facts


async def open_for(channel: Channel[imap.Client] | Channel[pop3.Client], access: Access) -> None:
    """Connect, with TLS from the first byte if that is wanted."""
    await Open(channel, access.address, access.timeout)
    if access.tls is TlsMode.WRAPPED:
        await UpgradeToTls(channel, access.trust, access.timeout)


async def explain_listener(settings: AccountSettings, host: str, context: PollContext) -> Listening:
    """Say EHLO to a listener, and QUIT."""
    address, lmtp = listener_address(settings, host)
    listener = Listener(host, address, lmtp, domain_of(host))
    machine = smtp.Client(lmtp=lmtp, tap=context.tap_for("LMTP" if lmtp else "SMTP"))
    timeout = float(settings.timeout)
    channel = Channel(host, machine, pace=Pace(machine, timeout))
    problem = ""
    try:
        await connect(channel, address, timeout)
        await introduce(channel, context.hostname.encode("ascii", "replace"), timeout)
    except (PollFailed, ProtocolError, RuntimeFault) as error:
        problem = describe(channel, error)
    extensions = tuple(
        b" ".join((name, words)).strip().decode("ascii", "replace")
        for name, words in machine.extensions.items()
    )
    try:
        if channel.open and not problem:
            machine.send(smtp.Quit())
            while not isinstance(
                await next_event(channel, HANG_UP_SECONDS), smtp.Answered | smtp.Closed
            ):
                pass
    except (ProtocolError, RuntimeFault):
        # Nothing depends on it.
        pass
    await Close(channel)
    return Listening(listener, extensions, problem)


def place_of(address: object) -> str:
    """Return an address for people."""
    match address:
        case Tcp(host, port):
            return f"{host}:{port}"
        case Pipe(argv):
            return f"a plugin ({argv[0]})"
        case _:
            return str(getattr(address, "path", address))
