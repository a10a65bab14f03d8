"""What an SMTP case gets: sessions, a sender and recipients, and the mail that was stored."""

from __future__ import annotations

from base64 import b64encode
from secrets import token_hex

from ...flows.requests import Now, Sleep
from ..environment import Description, Environment, Target, User
from ..verdicts import SetUpFailed, Skipped, require, set_up
from .messages import message, stuffed
from .session import Reply, SmtpSession, named

LOOK_EVERY = 0.25
"""Seconds between two looks into the store."""


class SmtpEnvironment(Environment[SmtpSession]):
    """The environment of an SMTP case. ``token`` is in every message that ``message`` makes."""

    session_type = SmtpSession
    hello = b"EHLO"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.token = token_hex(12).encode("ascii")

    # Addresses

    @property
    def recipients(self) -> list[bytes]:
        """The addresses that the server accepts. Raises Skipped if none is given."""
        if not self.target.recipients:
            raise Skipped("needs a recipient (--to)")
        return self.target.recipients

    @property
    def recipient(self) -> bytes:
        """The address whose mail goes to the mailbox of ``user``."""
        return self.recipients[0]

    @property
    def two_recipients(self) -> list[bytes]:
        """Two different addresses that the server accepts. Raises Skipped."""
        if len(self.recipients) < 2:
            raise Skipped("needs a second recipient (--to)")
        return self.recipients[:2]

    @property
    def unknown_recipient(self) -> bytes:
        """An address that the server refuses after RCPT. Raises Skipped."""
        if self.target.unknown_recipient is None:
            raise Skipped("needs an address that is refused (--unknown-recipient)")
        return self.target.unknown_recipient

    @property
    def sender(self) -> bytes:
        """An address from which the server accepts mail."""
        return self.target.sender or self.recipient

    @property
    def domain(self) -> bytes:
        """The domain of the recipients."""
        return self.recipient.rpartition(b"@")[2]

    @property
    def mail(self) -> bytes:
        """The MAIL command with the sender."""
        return b"MAIL FROM:<%b>" % self.sender

    @property
    def rcpt(self) -> bytes:
        """The RCPT command with the first recipient."""
        return b"RCPT TO:<%b>" % self.recipient

    @property
    def introduction(self) -> bytes:
        """The EHLO command, or LHLO."""
        return b"%b %b" % (self.hello, self.target.client_name)

    # Sessions

    async def connect(self) -> SmtpSession:
        """Return a session that has been greeted, and is inside TLS if the target wants that."""
        session = await self.welcomed()
        if self.target.starttls:
            with set_up(f"no TLS with {self.target.name}"):
                await self.introduce(session)
                await self.start_tls(session)
        return session

    async def describe(self) -> Description:
        """Return the greeting, and what the reply to EHLO announces."""
        session = await self.greeted()
        pairs = session.extensions.items()
        listed = ((name + b" " + parameters).rstrip() for name, parameters in pairs)
        return Description(session.greeting.lines[0], tuple(listed))

    async def greeted(self, *extensions: bytes) -> SmtpSession:
        """Return a session after EHLO. Raises Skipped unless it announces these extensions."""
        return await self._introduced(await self.connect(), extensions)

    async def ready(self, *extensions: bytes) -> SmtpSession:
        """Return a session in which mail can be submitted: after AUTH too if that is needed."""
        session = await self.greeted(*extensions)
        if self.target.login_first:
            await self.log_in(session)
        return session

    async def authenticated(self) -> SmtpSession:
        """Return a session after AUTH PLAIN. Raises Skipped and SetUpFailed."""
        session = await self.greeted()
        await self.log_in(session)
        return session

    async def in_clear(self, *extensions: bytes) -> SmtpSession:
        """Return a session after EHLO without TLS. Raises Skipped where there can be none."""
        if self.target.wrapped:
            raise Skipped("needs a port where TLS is started by STARTTLS")
        return await self._introduced(await self.welcomed(), extensions)

    async def welcomed(self) -> SmtpSession:
        """Return a session after the greeting. Raises SetUpFailed unless that is 220."""
        session = await self.open()
        session.greeting = await session.reply(b"the connection")
        if session.greeting.code != 220:
            raise SetUpFailed(f"the server does not greet with 220: {session.greeting}")
        return session

    async def _introduced(self, session: SmtpSession, needed: tuple[bytes, ...]) -> SmtpSession:
        await self.introduce(session)
        for name in needed:
            if name not in session.extensions:
                raise Skipped(f"the server does not announce {name.decode('ascii')}")
        return session

    async def introduce(self, session: SmtpSession) -> Reply:
        """Send EHLO, and keep what the server announces. Raises SetUpFailed."""
        reply = await self.prepare(session, self.introduction)
        session.extensions = {
            name: parameters
            for name, parameters in announced(reply).items()
            if name not in self.target.without
        }
        return reply

    async def start_tls(self, session: SmtpSession) -> None:
        """Start TLS by STARTTLS. Raises SetUpFailed if the server refuses."""
        reply = await session.command(b"STARTTLS")
        if reply.code != 220:
            raise SetUpFailed(f"the server refuses STARTTLS: {reply}")
        await session.start_tls(self.target.trust)
        session.extensions = {}

    async def log_in(self, session: SmtpSession) -> None:
        """Authenticate by PLAIN. Raises Skipped if that is not announced, and SetUpFailed."""
        if not offers(session, b"PLAIN"):
            raise Skipped("the server does not announce AUTH PLAIN")
        reply = await session.command(b"AUTH PLAIN " + plain(self.user))
        if reply.code != 235:
            raise SetUpFailed(f"the login of {self.user.name!r} fails: {reply}")

    # Mail

    async def prepare(self, session: SmtpSession, line: bytes, code: int = 0) -> Reply:
        """Send a command that only prepares the case. Raises SetUpFailed if it is refused."""
        reply = await session.command(line)
        if reply.code != code if code else not reply.positive:
            raise SetUpFailed(f"the server refuses {named(line)}: {reply}")
        return reply

    async def transact(
        self, session: SmtpSession, *recipients: bytes, parameters: bytes = b""
    ) -> None:
        """Send MAIL, with parameters, and RCPT: for the first recipient if none is named."""
        await self.prepare(session, self.mail + parameters)
        for recipient in recipients or (self.recipient,):
            await self.prepare(session, b"RCPT TO:<%b>" % recipient)

    async def begin_data(
        self, session: SmtpSession, *recipients: bytes, parameters: bytes = b""
    ) -> None:
        """Begin a transaction as far as the reply 354 to DATA."""
        await self.transact(session, *recipients, parameters=parameters)
        await self.prepare(session, b"DATA", 354)

    async def submit(self, session: SmtpSession, text: bytes, *, parameters: bytes = b"") -> Reply:
        """Submit a text for the first recipient by DATA; return the reply to the text."""
        await self.begin_data(session, parameters=parameters)
        await session.send(stuffed(text) + b".\r\n")
        return await session.reply(b"the text")

    def message(self, body: bytes = b"Hello.\r\n", fields: bytes = b"") -> bytes:
        """Return a message with the token of this case."""
        return message(self.token, body, fields)

    # The store

    def need_store(self) -> None:
        """Raise Skipped if there is no way to the stored mail."""
        _ = self.store

    async def stored(
        self, count: int = 1, *, user: User | None = None, token: bytes | None = None
    ) -> list[bytes]:
        """Return the stored messages of this case: when there are so many, or time is over."""
        end = await Now() + self.target.delivery
        while True:
            mail = await self.store.read(user or self.user)
            found = [text for text in mail if (token or self.token) in text]
            if len(found) >= count or await Now() >= end:
                return found
            await Sleep(LOOK_EVERY)

    async def delivered(self, *, user: User | None = None) -> bytes:
        """Return the stored message of this case. Raises SetUpFailed if none arrives."""
        found = await self.stored(user=user)
        if not found:
            raise SetUpFailed(f"mail for {self.recipient!r} does not arrive in the store")
        return found[0]

    async def settled(self) -> list[bytes]:
        """Return the stored messages of this case, after a later message has been stored."""
        token = token_hex(12).encode("ascii")
        session = await self.ready()
        reply = await self.submit(session, message(token))
        if not reply.positive:
            raise SetUpFailed(f"the server refuses a message: {reply}")
        if not await self.stored(token=token):
            raise SetUpFailed(f"mail for {self.recipient!r} does not arrive in the store")
        return await self.stored(0)

    async def require_nothing_stored(self) -> None:
        """Require that no message of this case is in the mailbox."""
        found = await self.settled()
        require(not found, "no message in the mailbox", b"".join(found[:1]))


def announced(reply: Reply) -> dict[bytes, bytes]:
    """Return what the reply to EHLO announces: keywords in upper case, and their parameters."""
    lines = (text.partition(b" ") for text in reply.texts[1:])
    return {name.upper(): parameters.strip() for name, _, parameters in lines}


def offers(session: SmtpSession, mechanism: bytes) -> bool:
    """Whether the server announces this mechanism for AUTH."""
    return mechanism in session.extensions.get(b"AUTH", b"").upper().split()


def plain(user: User) -> bytes:
    """Return the message of PLAIN for a user, in base64 (RFC 4616)."""
    return b64encode(b"\0%b\0%b" % (user.name, user.password))
