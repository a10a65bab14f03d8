"""The greeting, what the server announces and who it is (RFC 3501, 6.1.1 and 7.1; RFC 2971)."""

from __future__ import annotations

from ...protocols.imap.values import Atom, Value
from ..verdicts import MUST, Skipped, fail, require
from .environment import ImapEnvironment
from .responses import octets_of
from .session import ImapSession, quoted
from .suite import IMAP

REVISIONS = frozenset({b"IMAP4REV1", b"IMAP4REV2"})
MAX_FIELDS, MAX_FIELD, MAX_VALUE = 30, 30, 1024
"""What ID may have at most: pairs, octets of a field, octets of a value (RFC 2971, 3.3)."""


@IMAP.case("imap/greet/1", rfc=3501, section="7.1", level=MUST, implied=True)
async def the_greeting_is_a_status_response(env: ImapEnvironment) -> None:
    """The first line of the server is an untagged OK, PREAUTH or BYE with a text."""
    session = await env.open()
    greeting = await session.response("a greeting")
    require(greeting.tag == b"*", "an untagged response", greeting.line)
    require(greeting.name in {b"OK", b"PREAUTH", b"BYE"}, "OK, PREAUTH or BYE", greeting.line)
    require(not session.bare_line_ends, "a line that ends with CRLF", "a line that ends with LF")
    require(greeting.text, "a text in the greeting", greeting.line, lenient=True)


async def preauthenticated(env: ImapEnvironment) -> ImapSession:
    """Return a session that the server has greeted with PREAUTH. Raises Skipped."""
    session = await env.greeted()
    if session.greeting.name != b"PREAUTH":
        raise Skipped("the server does not greet with PREAUTH")
    return session


@IMAP.case("imap/greet/2", rfc=3501, section="7.1.4", level=MUST, implied=True)
async def preauth_needs_no_login(env: ImapEnvironment) -> None:
    """After PREAUTH a mailbox can be selected at once, and LOGIN and AUTHENTICATE are refused."""
    session = await preauthenticated(env)
    await session.ok(b"SELECT INBOX")
    user = env.user
    await session.refused(b"LOGIN " + quoted(user.name) + b" " + quoted(user.password))
    await session.refused(b"AUTHENTICATE PLAIN")


@IMAP.case("imap/greet/3", rfc=3501, section="7.1.5", level=MUST, implied=True)
async def after_bye_the_server_closes(env: ImapEnvironment) -> None:
    """A server that greets with BYE closes the connection at once."""
    session = await env.open()
    greeting = await session.response("a greeting")
    if greeting.name != b"BYE":
        raise Skipped("the server does not greet with BYE")
    closed = await session.is_closed()
    require(closed, "the end of the connection", "a connection that stays open")


@IMAP.case("imap/preauth/1", rfc=9051, section="6.2.1", level=MUST, implied=True)
async def no_starttls_after_preauth(env: ImapEnvironment) -> None:
    """After PREAUTH, STARTTLS is refused, and it is not announced."""
    session = await preauthenticated(env)
    announced = await env.capabilities(session)
    await session.refused(b"STARTTLS")
    require(b"STARTTLS" not in announced, "no STARTTLS", sorted(announced), lenient=True)


@IMAP.case("imap/capa/1", rfc=3501, section="6.1.1", level=MUST)
async def capability_names_the_revision(env: ImapEnvironment) -> None:
    """CAPABILITY gets one untagged response with IMAP4rev1 or IMAP4rev2, and then OK."""
    session = await env.connect()
    response = (await session.ok(b"CAPABILITY")).one(b"CAPABILITY")
    words = set(response.text.upper().split())
    require(words & REVISIONS, "IMAP4rev1 or IMAP4rev2", response.line)


@IMAP.case("imap/capa/2", rfc=3501, section="7.1", level=MUST, implied=True)
async def the_greeting_announces_the_same(env: ImapEnvironment) -> None:
    """The code CAPABILITY of the greeting lists what the command CAPABILITY lists."""
    session = await env.greeted()
    code = session.greeting.code
    if not code or code.name != b"CAPABILITY":
        raise Skipped("the greeting has no code CAPABILITY")
    response = (await session.ok(b"CAPABILITY")).one(b"CAPABILITY")
    first, second = (set(words.upper().split()) for words in (code.arguments, response.text))
    # The code lets clients go without the command, but no sentence says that both are equal.
    require(first == second, f"{code.arguments!r} as in the greeting", response.line, lenient=True)


@IMAP.case("imap/capa/3", rfc=3501, section="7.2.1", level=MUST)
async def logindisabled_disables_login(env: ImapEnvironment) -> None:
    """With LOGINDISABLED the right user and password get NO or BAD from LOGIN."""
    if env.target.starttls:
        raise Skipped("a password must not be sent in the clear")
    session = await env.before_login()
    await env.require_capability(session, b"LOGINDISABLED")
    user = env.user
    await session.refused(b"LOGIN " + quoted(user.name) + b" " + quoted(user.password))
    # Whatever the answer says, the session must not be logged in.
    await session.refused(b"SELECT INBOX")


@IMAP.case("imap/id/1", rfc=2971, section="3.1", level=MUST, implied=True)
async def id_is_answered_in_every_state(env: ImapEnvironment) -> None:
    """ID with NIL and ID with a list each get one ID response and OK, in every state."""
    session = await env.connect()
    await env.require_capability(session, b"ID")
    for each in (session, await env.log_in(), await env.selected()):
        for argument in (b"NIL", b'("name" "mailhaul" "vendor" NIL)'):
            answer = await each.ok(b"ID " + argument)
            # The response is optional by RFC 2971, and one of each session is what clients need.
            found = answer.all(b"ID")
            require(found, "an ID response", answer.lines, lenient=True)
            fields_of_id(answer.one(b"ID").values)


@IMAP.case("imap/id/2", rfc=2971, section="3.3", level=MUST)
async def id_has_limits(env: ImapEnvironment) -> None:
    """ID has 30 fields at most, no field twice, and no field or value that is too long."""
    # After the login: whether ID is answered before it is another question.
    session = await env.log_in()
    await env.require_capability(session, b"ID")
    answer = await session.ok(b"ID NIL")
    if not answer.all(b"ID"):
        raise Skipped("the server sends no ID response, which section 3.1 leaves to it")
    fields = fields_of_id(answer.one(b"ID").values)
    require(len(fields) <= MAX_FIELDS, f"at most {MAX_FIELDS} fields", len(fields))
    names = [name.lower() for name, _ in fields]
    require(len(names) == len(set(names)), "no field twice", names)
    for name, value in fields:
        require(len(name) <= MAX_FIELD, f"a field of at most {MAX_FIELD} octets", name)
        require(len(value) <= MAX_VALUE, f"a value of at most {MAX_VALUE} octets", value)


def fields_of_id(values: list[Value]) -> list[tuple[bytes, bytes]]:
    """Return the fields of an ID response; NIL is no fields. Raises Broken."""
    require(len(values) == 1, "a list or NIL", values)
    fields = values[0]
    if fields is None:
        return []
    if not isinstance(fields, list) or len(fields) % 2:
        fail("a list of fields and their values", values)
    require(not any(isinstance(field, Atom) for field in fields), "strings", fields)
    octets = [octets_of(field) for field in fields]
    return list(zip(octets[::2], octets[1::2], strict=True))
