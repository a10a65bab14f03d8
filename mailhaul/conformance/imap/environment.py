"""What an IMAP case gets: sessions, and a fresh mailbox of its own."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress

from ...protocols.imap.values import Text
from ..environment import Description, Environment, Target, User
from ..transcript import Transcript
from ..verdicts import Broken, SetUpFailed, Skipped
from .responses import Answer, octets_of
from .session import ImapSession, Literal, quoted


@contextmanager
def prepared(what: str) -> Generator[None, None, None]:
    """Let what breaks here be a fault of the set-up, and not of the requirement under test."""
    try:
        yield
    except Broken as broken:
        raise SetUpFailed(f"{what} fails: {broken}") from None


class ImapEnvironment(Environment[ImapSession]):
    """The environment of an IMAP case. The mailboxes that it creates are deleted in the end."""

    session_type = ImapSession

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._separator: bytes | None = None
        self._prefix = b""
        self._created: list[bytes] = []

    # Sessions

    async def connect(self) -> ImapSession:
        """Return a session that has been greeted, and is inside TLS if the target wants that."""
        session = await self.greeted()
        if self.target.starttls:
            await self.start_tls(session)
        return session

    async def greeted(self) -> ImapSession:
        """Return a session that has been greeted and has sent nothing, not even STARTTLS."""
        session = await self.open()
        with prepared("the greeting"):
            session.greeting = await session.response("a greeting")
        if session.greeting.name not in {b"OK", b"PREAUTH"}:
            raise SetUpFailed(f"the server does not greet with OK: {session.greeting.line!r}")
        return session

    async def in_the_clear(self) -> ImapSession:
        """Return a session without TLS that has been greeted. Raises Skipped without one."""
        if self.target.wrapped:
            raise Skipped("needs a connection in the clear")
        return await self.greeted()

    async def before_login(self) -> ImapSession:
        """Return a session that is not logged in. Raises Skipped after PREAUTH."""
        session = await self.connect()
        if session.greeting.name == b"PREAUTH":
            raise Skipped("the server greets with PREAUTH")
        return session

    async def describe(self) -> Description:
        """Return the greeting, and what CAPABILITY lists."""
        session = await self.connect()
        try:
            found = await self.capabilities(session)
        except Broken:
            found = frozenset[bytes]()
        return Description(session.greeting.line, tuple(sorted(found)))

    async def start_tls(self, session: ImapSession) -> None:
        """Start TLS by STARTTLS. Raises SetUpFailed if the server refuses."""
        with prepared("STARTTLS"):
            answer = await session.command(b"STARTTLS")
            if not answer.ok:
                raise SetUpFailed(f"the server refuses STARTTLS: {answer.tagged.line!r}")
            await session.start_tls(self.target.trust)

    async def log_in(self, user: User | None = None) -> ImapSession:
        """Return a session that is logged in. After PREAUTH no login is needed."""
        session = await self.connect()
        if session.greeting.name != b"PREAUTH":
            with prepared("the login"):
                await self.authenticated(session, user or self.user)
        return session

    async def authenticated(self, session: ImapSession, user: User) -> None:
        """Log in by LOGIN, or by AUTHENTICATE PLAIN where that is off. Raises SetUpFailed."""
        answer = await session.command(b"LOGIN " + quoted(user.name) + b" " + quoted(user.password))
        if not answer.ok:
            from base64 import b64encode

            tag = await session.begin(b"AUTHENTICATE PLAIN\r\n")
            await session.continuation()
            await session.send(b64encode(b"\0%b\0%b" % (user.name, user.password)) + b"\r\n")
            answer = await session.answer(tag)
        if not answer.ok:
            raise SetUpFailed(f"the login of {user.name!r} fails: {answer.tagged.line!r}")

    async def capabilities(self, session: ImapSession) -> frozenset[bytes]:
        """Return what the server announces now, in upper case, without what the target ignores."""
        answer = await session.ok(b"CAPABILITY")
        words = answer.one(b"CAPABILITY").text.upper().split()
        return frozenset(words) - self.target.without

    async def require_capability(self, session: ImapSession, *names: bytes) -> frozenset[bytes]:
        """Return what the server announces. Raises Skipped unless one of the names is in it."""
        announced = await self.capabilities(session)
        if not announced & set(names):
            shown = " or ".join(name.decode("ascii") for name in names)
            raise Skipped(f"the server does not announce {shown}")
        return announced

    async def require_feature(self, session: ImapSession, name: bytes) -> None:
        """Raise Skipped unless the server announces an extension that is part of IMAP4rev2.

        Where the server has IMAP4rev1 too, a session begins with that, and the extension counts.
        """
        announced = await self.capabilities(session)
        if b"IMAP4REV1" in announced or b"IMAP4REV2" not in announced:
            await self.require_capability(session, name)

    # Mailboxes

    async def name(self, session: ImapSession, last: bytes = b"box") -> bytes:
        """Return a new name for a mailbox, where the server lets the user create one."""
        if self._separator is None:
            await self._find_root(session)
        return self._prefix + b"conformance-" + os.urandom(4).hex().encode("ascii") + b"-" + last

    @property
    def separator(self) -> bytes:
        """The hierarchy separator, known after the first ``name``; b"" where there is none."""
        return self._separator or b""

    async def _find_root(self, session: ImapSession) -> None:
        """Find the separator, and the prefix of the user's own mailboxes (RFC 2342)."""
        answer = await session.command(b'LIST "" ""')
        listed = answer.one(b"LIST").names if answer.ok else []
        separator = listed[1] if len(listed) > 1 else None
        self._separator = bytes(separator) if isinstance(separator, Text) else b""
        if b"NAMESPACE" in await self.capabilities(session):
            spaces = (await session.command(b"NAMESPACE")).one(b"NAMESPACE").values
            personal = spaces[0] if spaces else None
            if isinstance(personal, list) and personal and isinstance(personal[0], list):
                self._prefix = octets_of(personal[0][0])

    async def mailbox(
        self, session: ImapSession, *messages: bytes, flags: bytes = b"", last: bytes = b"box"
    ) -> bytes:
        """Create a mailbox with these messages, in order; return its name. Raises SetUpFailed."""
        with prepared("a mailbox for the case"):
            name = await self.name(session, last)
            answers = [await self.create(session, name)]
            for message in messages:
                answers.append(await self.append(session, name, message, flags))
        for answer in answers:
            if not answer.ok:
                raise SetUpFailed(f"no mailbox for the case: {answer.tagged.line!r}")
        return name

    async def create(self, session: ImapSession, name: bytes, parameters: bytes = b"") -> Answer:
        """Create a mailbox, which is deleted in the end; ``parameters`` stand after the name."""
        self.delete_later(name)
        blank = b" " if parameters else b""
        return await session.command(b"CREATE " + quoted(name) + blank + parameters)

    def delete_later(self, name: bytes) -> None:
        """Remember a name, which is deleted in the end if it is a mailbox then."""
        if name not in self._created:
            self._created.append(name)

    async def append(
        self, session: ImapSession, name: bytes, message: bytes, flags: bytes = b""
    ) -> Answer:
        """Append a message to a mailbox; ``flags`` are those between the parentheses."""
        listed = b"(%b) " % flags if flags else b""
        return await session.command(b"APPEND " + quoted(name) + b" " + listed, Literal(message))

    async def selected(self, *messages: bytes, flags: bytes = b"") -> ImapSession:
        """Return a session in which a new mailbox with these messages is selected.

        Its name is ``session.mailbox``.
        """
        session = await self.log_in()
        session.mailbox = await self.mailbox(session, *messages, flags=flags)
        await self.select(session)
        return session

    async def another(self, session: ImapSession) -> ImapSession:
        """Return another session of the same user, with the mailbox of this one selected."""
        other = await self.log_in()
        other.mailbox = session.mailbox
        await self.select(other)
        return other

    async def later(self, session: ImapSession) -> ImapSession:
        """Return a session like ``another``, after this one has ended by LOGOUT."""
        await session.command(b"LOGOUT")
        return await self.another(session)

    async def select(self, session: ImapSession, parameters: bytes = b"") -> Answer:
        """Select the mailbox of a session; parameters such as ``(CONDSTORE)`` stand after it.

        Raises SetUpFailed.
        """
        blank = b" " if parameters else b""
        answer = await session.command(b"SELECT " + quoted(session.mailbox) + blank + parameters)
        if not answer.ok:
            raise SetUpFailed(f"SELECT of a new mailbox fails: {answer.tagged.line!r}")
        return answer

    async def close(self) -> None:
        """Delete the mailboxes of the case, as far as that is possible, and close all sessions."""
        await super().close()
        if not self._created:
            return
        names, self._created = self._created, []
        # The clean-up is no part of the case, nor of its transcript.
        self.transcript = Transcript()
        # A mailbox that stays is no reason for another verdict.
        with suppress(Broken, SetUpFailed):
            session = await self.log_in()
            for name in reversed(names):
                await session.command(b"DELETE " + quoted(name))
        await super().close()
