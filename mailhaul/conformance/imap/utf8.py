"""UTF-8 in names and headers once it is enabled (RFC 6855)."""

from __future__ import annotations

from ...protocols.imap.mailbox_names import encode_name
from ...protocols.imap.values import Streamed, Text
from ..pop3.messages import message
from ..verdicts import MUST, SetUpFailed, Skipped, printable, require
from .environment import ImapEnvironment, prepared
from .names import names_for
from .session import ImapSession, quoted
from .suite import IMAP

CAPABILITIES = (b"UTF8=ACCEPT", b"UTF8=ONLY")
NAME = "Grüße"
RAW_HEADER = message("for", b"Hello.\r\n").replace(b"for", "für".encode())
"""A message with UTF-8 in its header."""


async def with_utf8(env: ImapEnvironment) -> ImapSession:
    """Return a session in which UTF-8 has been enabled. Raises Skipped and Broken."""
    session = await env.log_in()
    await env.require_capability(session, *CAPABILITIES)
    answer = await session.ok(b"ENABLE UTF8=ACCEPT")
    enabled = answer.one(b"ENABLED").text.upper().split()
    require(b"UTF8=ACCEPT" in enabled, "ENABLED with UTF8=ACCEPT", enabled)
    return session


async def create_in_utf8(env: ImapEnvironment, session: ImapSession) -> tuple[bytes, bytes]:
    """Create a mailbox by its name in UTF-8; return that, and the name in modified UTF-7.

    Raises Broken.
    """
    start = await env.name(session, b"")
    name, encoded = start + NAME.encode(), start + encode_name(NAME)
    env.delete_later(encoded)
    answer = await session.command(b"CREATE " + quoted(name))
    # SHOULD, for a server whose names are not those of RFC 3501, 5.1.3.
    require(answer.ok, f"OK for the name {NAME}", answer.tagged.line, lenient=True)
    return name, encoded


@IMAP.case("imap/utf8/1", rfc=6855, section="3", level=MUST)
async def names_may_be_utf8(env: ImapEnvironment) -> None:
    """After ENABLE UTF8=ACCEPT mailbox names may be UTF-8 in quotes, and come back so."""
    session = await with_utf8(env)
    name, _ = await create_in_utf8(env, session)
    found = [each.name for each in await names_for(session, name)]
    require(found == [name], printable(name), found)
    await session.ok(b"STATUS " + quoted(name) + b" (MESSAGES)")


@IMAP.case("imap/utf8/2", rfc=6855, section="3", level=MUST)
async def without_enable_names_are_encoded(env: ImapEnvironment) -> None:
    """A session without ENABLE sees the mailbox under its name in modified UTF-7."""
    session = await with_utf8(env)
    with prepared("CREATE of a name in UTF-8"):
        _, encoded = await create_in_utf8(env, session)
    session = await env.log_in()
    if b"UTF8=ONLY" in await env.capabilities(session):
        raise Skipped("the server announces UTF8=ONLY")
    answer = await session.ok(b'LIST "" "*"')
    for response in answer.all(b"LIST"):
        pieces = [part for part in response.parts if not isinstance(part, Text | Streamed)]
        ascii_only = all(piece.isascii() for piece in pieces)
        require(ascii_only, "no UTF-8 in quoted strings", response.line)
    found = [each.name for each in await names_for(session, encoded)]
    require(found == [encoded], printable(encoded), found)


@IMAP.case("imap/utf8/3", rfc=6855, section="3", level=MUST)
async def wrong_utf8_gets_bad(env: ImapEnvironment) -> None:
    """After ENABLE UTF8=ACCEPT a quoted string with octets that are not UTF-8 gets BAD."""
    session = await with_utf8(env)
    start = await env.name(session, b"")
    for wrong in (b"gr\xfcn", b"\xc0\xaf", b"\xe2\x82", b"\xed\xa0\x80"):
        env.delete_later(start + wrong)
        await session.bad(b"CREATE " + quoted(start + wrong))


@IMAP.case("imap/utf8/4", rfc=6855, section="4", level=MUST)
async def without_enable_headers_are_ascii(env: ImapEnvironment) -> None:
    """Without ENABLE, APPEND of a message with an octet above 127 in its header gets NO."""
    session = await env.log_in()
    await env.require_capability(session, *CAPABILITIES)
    name = await env.mailbox(session)
    answer = await env.append(session, name, RAW_HEADER)
    require(answer.condition == b"NO", "NO", answer.tagged.line)
    answer = await env.append(session, name, message("plain"))
    if not answer.ok:
        raise SetUpFailed(f"APPEND of a plain message fails: {printable(answer.tagged.line)}")
