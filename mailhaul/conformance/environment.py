"""What a case gets: the target, its users, its mail, and connections that close by themselves."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, Protocol, TypeVar

from ..flows.requests import Address, Now, Trust
from .session import Session
from .transcript import Transcript
from .verdicts import Broken, Skipped

SessionT = TypeVar("SessionT", bound=Session)


@dataclass(frozen=True)
class User:
    """An account at the target."""

    name: bytes
    password: bytes = field(repr=False)


@dataclass(frozen=True)
class Description:
    """What a server says of itself, for the head of a report."""

    greeting: bytes = b""
    capabilities: tuple[bytes, ...] = ()


class Store(Protocol):
    """The mail of the target, reached without the protocol under test."""

    async def fill(self, user: User, messages: list[bytes]) -> None:
        """Let the user's mailbox hold exactly these messages, with CRLF line ends, in order.

        Raises SetUpFailed.
        """
        ...

    async def read(self, user: User) -> list[bytes]:
        """Return the messages of the user's mailbox, with CRLF line ends. Raises SetUpFailed."""
        ...


@dataclass
class Target:
    """A server under test.

    ``wrapped`` says that TLS comes before the greeting, and ``starttls`` that every session begins
    with STARTTLS. ``plain`` is the address to use for cases that need a connection in the clear, if
    there is one. ``timeout`` is in seconds for each wait. ``without`` are capabilities that the
    cases ignore.

    What follows is for servers that take mail. ``recipients`` are addresses that the server accepts
    from ``sender``; mail for the first one goes to the mailbox of ``user``, and for the second one
    to that of ``other_user``. ``unknown_recipient`` is refused after RCPT; ``failing_recipient`` is
    accepted then, and refused by an LMTP server after the text (a mailbox over quota).
    ``login_first`` says that mail is accepted only after AUTH, ``port25`` that the port is that of
    SMTP between servers. ``delivery`` is how many seconds accepted mail may take to be stored, and
    ``client_name`` is what the client calls itself.
    """

    name: str
    address: Address
    user: User | None
    trust: Trust
    wrapped: bool = False
    starttls: bool = False
    plain: Address | None = None
    other_user: User | None = None
    store: Store | None = None
    timeout: float = 5.0
    without: frozenset[bytes] = frozenset()
    sender: bytes = b""
    recipients: list[bytes] = field(default_factory=list[bytes])
    unknown_recipient: bytes | None = None
    failing_recipient: bytes | None = None
    login_first: bool = False
    port25: bool = False
    delivery: float = 10.0
    client_name: bytes = b"client.example.org"

    @property
    def secrets(self) -> list[bytes]:
        """What a transcript must not show."""
        found: list[bytes] = []
        for user in (self.user, self.other_user):
            if user:
                plain = b"\0%b\0%b" % (user.name, user.password)
                found += [user.password, b64encode(plain), b64encode(user.password)]
        return found


class Environment(Generic[SessionT]):
    """The environment of one case. ``close`` ends every session that it has opened."""

    session_type: type[SessionT]

    def __init__(self, target: Target) -> None:
        self.target = target
        self.transcript = Transcript()
        self.transcript.hide(target.secrets)
        self._sessions: list[SessionT] = []
        self._numbers = count(1)
        self._began = 0.0

    async def begin(self) -> None:
        """Start the clock of the transcript."""
        self._began = await Now()

    async def open(self, *, wrapped: bool | None = None) -> SessionT:
        """Return a new session, from which nothing has been read. Raises SetUpFailed.

        It begins with TLS if the target does; ``wrapped`` overrides that.
        """
        target = self.target
        session = self._new_session()
        begins_with_tls = target.wrapped if wrapped is None else wrapped
        tls = target.trust if begins_with_tls else None
        await session.open(target.address, self._began, tls)
        return session

    async def open_plain(self, address: Address | None = None) -> SessionT:
        """Return a new session in the clear, from which nothing has been read.

        Without ``address`` it leads to where the target speaks in the clear. Raises Skipped if
        there is no such place, and SetUpFailed.
        """
        target = self.target
        place = address or (target.plain if target.wrapped else target.address)
        if place is None:
            raise Skipped("needs an address that does not begin with TLS")
        session = self._new_session()
        await session.open(place, self._began)
        return session

    def _new_session(self) -> SessionT:
        target = self.target
        session = self.session_type(
            next(self._numbers), target.name, target.timeout, self.transcript
        )
        self._sessions.append(session)
        return session

    async def describe(self) -> Description:
        """Return what the target says of itself. Raises SetUpFailed if it cannot be reached."""
        session = await self.open()
        try:
            return Description(await session.line("a greeting"))
        except Broken:
            return Description()

    async def close(self) -> None:
        """Close all sessions."""
        sessions, self._sessions = self._sessions, []
        for session in sessions:
            await session.close()

    @property
    def user(self) -> User:
        """The account that most cases use. Raises Skipped if the target has none."""
        if self.target.user is None:
            raise Skipped("needs a user (--user)")
        return self.target.user

    @property
    def other_user(self) -> User:
        """A second account. Raises Skipped if the target has none."""
        if self.target.other_user is None:
            raise Skipped("needs a second user (--user2)")
        return self.target.other_user

    @property
    def store(self) -> Store:
        """The mail of the target. Raises Skipped if there is no other way to it."""
        if self.target.store is None:
            raise Skipped("needs another way to the mail (--mail)")
        return self.target.store
