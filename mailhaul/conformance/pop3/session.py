"""A POP3 session of a case: commands as octets, replies by the grammar of RFC 1939, section 9."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...flows.requests import Sleep
from ..environment import Description, Environment, User
from ..session import Session
from ..verdicts import Broken, SetUpFailed, Skipped, fail, require, set_up

OK, ERR = b"+OK", b"-ERR"
LEAVE_SECONDS = 1.0
"""Seconds that a server may take for QUIT at the end of a case."""

LOGIN_TIMEOUT = 20.0
"""Seconds that the reply to a login may take at least: many servers delay a refusal."""
LOGIN_COMMANDS = frozenset({b"USER", b"PASS", b"APOP", b"AUTH"})

LOGIN_ATTEMPTS = 10
"""How often a login is tried while the server may not have noticed that a session has ended."""


@dataclass(frozen=True)
class Reply:
    """A reply. ``line`` is its first line; ``lines`` are those of a multi-line answer.

    The dots that were stuffed are removed from ``lines``, and ``stuffed`` has them as they came.
    ``octets`` is the text of the lines with the line ends that came.
    """

    line: bytes
    lines: list[bytes] = field(default_factory=list[bytes])
    stuffed: list[bytes] = field(default_factory=list[bytes])
    octets: bytearray = field(default_factory=bytearray)

    @property
    def ok(self) -> bool:
        """Whether the status indicator is +OK, in upper case as RFC 1939, section 3 has it."""
        return self.line[:3] == OK and self.line[3:4] in {b"", b" "}

    @property
    def err(self) -> bool:
        """Whether the status indicator is -ERR."""
        return self.line[:4] == ERR and self.line[4:5] in {b"", b" "}

    @property
    def text(self) -> bytes:
        """What follows the status indicator."""
        return self.line.partition(b" ")[2]

    @property
    def body(self) -> bytes:
        """The lines of a multi-line answer as one text, with the line ends that came."""
        return bytes(self.octets)


class Pop3Session(Session):
    """A connection to a POP3 server."""

    greeting: Reply
    timeout: float

    async def command(self, line: bytes, *, many: bool = False) -> Reply:
        """Send one command; return its reply. ``many`` says that +OK is followed by lines."""
        await self.send(line + b"\r\n")
        return await self.reply(line, many=many)

    async def reply(self, command: bytes, *, many: bool = False) -> Reply:
        """Return the next reply, which is to this command. Raises Broken."""
        verb = command.split(b" ")[0]
        shown = verb.decode("ascii", "replace")
        usual = self.timeout
        if verb.upper() in LOGIN_COMMANDS:
            self.timeout = max(usual, LOGIN_TIMEOUT)
        bare = self.bare_line_ends
        try:
            reply = Reply(await self.line(f"a reply to {shown}"))
        finally:
            self.timeout = usual
        require(reply.ok or reply.err, f"+OK or -ERR as the reply to {shown}", reply.line)
        if many and reply.ok:
            await self._lines_of(reply, shown, any_end=self.bare_line_ends > bare)
        return reply

    async def _lines_of(self, reply: Reply, shown: str, *, any_end: bool) -> None:
        """Read the lines of a multi-line answer.

        A bare LF may stand inside a line (RFC 2449, section 3: CHAR), unless the server ends all
        its lines with it: ``any_end``. So dots count only after a real line end.
        """
        fresh = True
        while True:
            bare = self.bare_line_ends
            line = await self.line(f'the answer to {shown} to end with "."')
            whole = self.bare_line_ends == bare
            ended = whole or any_end
            if fresh and ended and line == b".":
                return
            text = line.removeprefix(b".") if fresh else line
            reply.stuffed.append(line)
            reply.lines.append(text)
            reply.octets.extend(text + (b"\r\n" if whole else b"\n"))
            fresh = ended

    async def positive(self, line: bytes, *, many: bool = False) -> Reply:
        """Send a command and require +OK."""
        reply = await self.command(line, many=many)
        require(reply.ok, f"+OK as the reply to {named(line)}", reply.line)
        return reply

    async def negative(self, line: bytes, *, many: bool = False) -> Reply:
        """Send a command and require -ERR. ``many`` says that +OK would be followed by lines."""
        reply = await self.command(line, many=many)
        require(reply.err, f"-ERR as the reply to {named(line)}", reply.line)
        return reply

    async def listed(self, line: bytes) -> dict[int, bytes]:
        """Return what LIST or UIDL has after each message number. Raises Broken."""
        verb = line.decode("ascii")
        found: dict[int, bytes] = {}
        for entry in (await self.positive(line, many=True)).lines:
            number, blank, rest = entry.partition(b" ")
            require(number.isdigit() and blank, f"lines of {verb} with a number and a blank", entry)
            require(int(number) not in found, f"one line of {verb} for each message", entry)
            found[int(number)] = rest
        return found

    async def capabilities(self) -> dict[bytes, bytes] | None:
        """Return what CAPA lists, in upper case with arguments, or None without CAPA."""
        reply = await self.command(b"CAPA", many=True)
        if reply.err:
            return None
        pairs = (line.partition(b" ") for line in reply.lines)
        return {name.upper(): arguments for name, _, arguments in pairs}


class Pop3Environment(Environment[Pop3Session]):
    """The environment of a POP3 case."""

    session_type = Pop3Session

    # Connecting

    async def connect(self) -> Pop3Session:
        """Return a session that has been greeted, and is inside TLS if the target wants that."""
        session = await self._greeted(await self.open())
        if self.target.starttls:
            await self.start_tls(session)
        return session

    async def connect_plain(self) -> Pop3Session:
        """Return a session in the clear that has been greeted. Raises Skipped if there is none."""
        return await self._greeted(await self.open_plain())

    async def _greeted(self, session: Pop3Session) -> Pop3Session:
        with set_up("no greeting"):
            session.greeting = Reply(await session.line("a greeting"))
        if not session.greeting.ok:
            line = session.greeting.line
            raise SetUpFailed(f"the server does not greet with +OK: {line!r}")
        return session

    async def describe(self) -> Description:
        """Return the greeting, and what CAPA lists."""
        session = await self.connect()
        try:
            found = await session.capabilities()
        except Broken:
            found = None
        listed = ((name + b" " + about).rstrip() for name, about in (found or {}).items())
        return Description(session.greeting.line, tuple(listed))

    async def close(self) -> None:
        """End all sessions by QUIT, so that none has the maildrop when the next case begins.

        A session whose connection merely breaks may keep it for a moment. RSET comes first: what
        the case did not delete by its own QUIT stays.
        """
        for session in self._sessions:
            await session.leave(b"RSET\r\nQUIT\r\n", LEAVE_SECONDS)
        await super().close()

    async def start_tls(self, session: Pop3Session) -> None:
        """Start TLS by STLS. Raises SetUpFailed if the server refuses."""
        with set_up(f"no TLS with {self.target.name}"):
            reply = await session.command(b"STLS")
            if not reply.ok:
                raise SetUpFailed(f"the server refuses STLS: {reply.line!r}")
            await session.start_tls(self.target.trust)

    # Logging in

    async def log_in(self, *messages: bytes, user: User | None = None) -> Pop3Session:
        """Return a session that is logged in, with these messages in the maildrop.

        Without messages the maildrop stays as it is.
        """
        if messages:
            await self.store.fill(user or self.user, list(messages))
        return await self.authenticated(await self.connect(), user or self.user)

    async def log_in_again(self) -> Pop3Session:
        """Return a session that is logged in, once the end of the last one has been noticed."""
        for _ in range(LOGIN_ATTEMPTS):
            try:
                return await self.log_in()
            except SetUpFailed:
                await self._sessions[-1].close()
                await Sleep(0.5)
        return await self.log_in()

    async def authenticated(self, session: Pop3Session, user: User) -> Pop3Session:
        """Log in by USER and PASS, or by AUTH PLAIN where those are off. Raises SetUpFailed."""
        with set_up(f"the login of {user.name!r} fails"):
            replies = [await session.command(b"USER " + user.name)]
            if replies[0].ok:
                replies.append(await session.command(b"PASS " + user.password))
            else:
                replies.append(await session.command(b"AUTH PLAIN " + credentials(user)))
        if not replies[-1].ok:
            raise SetUpFailed(f"the login of {user.name!r} fails: {replies[-1].line!r}")
        return session

    async def take_user(self, session: Pop3Session, user: User) -> None:
        """Send USER. Raises Skipped if the server does not accept it."""
        with set_up("no reply to USER"):
            reply = await session.command(b"USER " + user.name)
        if not reply.ok:
            raise Skipped(f"the server does not accept USER: {reply.line!r}")

    # Capabilities

    async def require_capability(self, session: Pop3Session, name: bytes) -> bytes:
        """Return the arguments of a capability. Raises Skipped if it is not announced."""
        announced = await session.capabilities()
        if announced is None or name not in announced or name in self.target.without:
            raise Skipped(f"the server does not announce {name.decode('ascii')}")
        return announced[name]

    async def require_mechanism(self, session: Pop3Session, name: bytes) -> None:
        """Raise Skipped unless SASL lists this mechanism."""
        arguments = await self.require_capability(session, b"SASL")
        if name not in arguments.upper().split():
            raise Skipped(f"the server does not announce SASL {name.decode('ascii')}")

    async def require_stls(self) -> Pop3Session:
        """Return a session in the clear that has been offered STLS. Raises Skipped."""
        session = await self.connect_plain()
        await self.require_capability(session, b"STLS")
        return session


def credentials(user: User, password: bytes | None = None) -> bytes:
    """Return the initial response of PLAIN in base64 (RFC 4616)."""
    secret = user.password if password is None else password
    return b64encode(b"\0%b\0%b" % (user.name, secret))


async def subjects(session: Pop3Session) -> list[bytes]:
    """Return the subjects of all messages, in the order of their numbers. Raises Broken."""
    found: list[bytes] = []
    for number in await session.listed(b"LIST"):
        reply = await session.positive(b"RETR %d" % number, many=True)
        lines = [line for line in reply.lines if line.startswith(b"Subject: ")]
        found.append(lines[0].partition(b" ")[2] if lines else b"")
    return found


def named(line: bytes) -> str:
    """Return a command for a message, without what may be a secret."""
    verb, _, rest = line.partition(b" ")
    if verb.upper() in {b"PASS", b"APOP", b"AUTH"}:
        return verb.decode("ascii", "replace")
    return (verb + b" " * bool(rest) + rest).decode("ascii", "replace")


def shown(words: Sequence[bytes]) -> str:
    """Return some texts for a message."""
    return ", ".join(word.decode("utf-8", "backslashreplace") for word in words) or "nothing"


def first_number(text: bytes) -> int:
    """Return the decimal number that a text begins with. Raises Broken if there is none."""
    word = text.split(b" ")[0]
    require(word.isdigit(), "a decimal number", text)
    return int(word)


def read_numbers(reply: Reply, count: int) -> list[int]:
    """Return the numbers that a reply begins with. Raises Broken if they are not there."""
    words = reply.text.split(b" ")[:count]
    if len(words) != count or not all(word.isdigit() for word in words):
        fail(f"{count} decimal number(s), one blank before each", reply.line)
    return [int(word) for word in words]
