"""A POP3 session of a case: commands as octets, replies by the grammar of RFC 1939, section 9."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..environment import Environment, User
from ..session import Session
from ..verdicts import SetUpFailed, Skipped, fail, require

OK, ERR = b"+OK", b"-ERR"


@dataclass(frozen=True)
class Reply:
    """A reply. ``line`` is its first line; ``lines`` are those of a multi-line answer.

    The dots that were stuffed are removed from ``lines``, and ``stuffed`` has them as they came.
    """

    line: bytes
    lines: list[bytes] = field(default_factory=list[bytes])
    stuffed: list[bytes] = field(default_factory=list[bytes])

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
        """The lines of a multi-line answer as one text, with CRLF after each."""
        return b"".join(line + b"\r\n" for line in self.lines)


class Pop3Session(Session):
    """A connection to a POP3 server."""

    greeting: Reply

    async def command(self, line: bytes, *, many: bool = False) -> Reply:
        """Send one command; return its reply. ``many`` says that +OK is followed by lines."""
        await self.send(line + b"\r\n")
        return await self.reply(line, many=many)

    async def reply(self, command: bytes, *, many: bool = False) -> Reply:
        """Return the next reply, which is to this command. Raises Broken."""
        shown = command.split(b" ")[0].decode("ascii", "replace")
        reply = Reply(await self.line(f"a reply to {shown}"))
        require(reply.ok or reply.err, f"+OK or -ERR as the reply to {shown}", reply.line)
        if many and reply.ok:
            while (line := await self.line(f'the answer to {shown} to end with "."')) != b".":
                reply.stuffed.append(line)
                reply.lines.append(line.removeprefix(b"."))
        return reply

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

    async def connect(self) -> Pop3Session:
        """Return a session that has been greeted, and is inside TLS if the target wants that."""
        session = await self.open()
        line = await session.line("a greeting")
        session.greeting = Reply(line)
        if not session.greeting.ok:
            raise SetUpFailed(f"the server does not greet with +OK: {line!r}")
        if self.target.starttls:
            await self.start_tls(session)
        return session

    async def start_tls(self, session: Pop3Session) -> None:
        """Start TLS by STLS. Raises SetUpFailed if the server refuses."""
        reply = await session.command(b"STLS")
        if not reply.ok:
            raise SetUpFailed(f"the server refuses STLS: {reply.line!r}")
        await session.start_tls(self.target.trust)

    async def log_in(self, *messages: bytes, user: User | None = None) -> Pop3Session:
        """Return a session that is logged in, with these messages in the maildrop.

        Without messages the maildrop stays as it is.
        """
        if messages:
            await self.store.fill(user or self.user, list(messages))
        return await self.authenticated(await self.connect(), user or self.user)

    async def authenticated(self, session: Pop3Session, user: User) -> Pop3Session:
        """Log in by USER and PASS, or by AUTH PLAIN where those are off. Raises SetUpFailed."""
        replies = [await session.command(b"USER " + user.name)]
        if replies[0].ok:
            replies.append(await session.command(b"PASS " + user.password))
        if not replies[-1].ok:
            from base64 import b64encode

            initial = b64encode(b"\0%b\0%b" % (user.name, user.password))
            replies.append(await session.command(b"AUTH PLAIN " + initial))
        if not replies[-1].ok:
            raise SetUpFailed(f"the login of {user.name!r} fails: {replies[-1].line!r}")
        return session

    async def require_capability(self, session: Pop3Session, name: bytes) -> bytes:
        """Return the arguments of a capability. Raises Skipped if it is not announced."""
        announced = await session.capabilities()
        if announced is None or name not in announced or name in self.target.without:
            raise Skipped(f"the server does not announce {name.decode('ascii')}")
        return announced[name]


def named(line: bytes) -> str:
    """Return a command for a message, without what may be a secret."""
    verb, _, rest = line.partition(b" ")
    if verb.upper() in {b"PASS", b"APOP", b"AUTH"}:
        return verb.decode("ascii", "replace")
    return (verb + b" " * bool(rest) + rest).decode("ascii", "replace")


def read_numbers(reply: Reply, count: int) -> list[int]:
    """Return the numbers that a reply begins with. Raises Broken if they are not there."""
    words = reply.text.split(b" ")[:count]
    if len(words) != count or not all(word.isdigit() for word in words):
        fail(f"{count} decimal number(s), one blank before each", reply.line)
    return [int(word) for word in words]
