"""UTF8 and LANG (RFC 6856)."""

from __future__ import annotations

import re

from ..verdicts import MAY, MUST, SHOULD, Finding, Skipped, require
from .messages import ONE
from .session import Pop3Environment, Pop3Session, Reply, first_number
from .suite import POP3

INTERNATIONAL = ONE.replace(b"Subject: a", "Subject: Grüße, €".encode())
LANGUAGE = re.compile(rb"[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*")
UNKNOWN_LANGUAGE = b"qaa-x-mhtest"


async def announcing(env: Pop3Environment, name: bytes) -> Pop3Session:
    """Return a session before the login in which a capability is announced. Raises Skipped."""
    session = await env.connect()
    await env.require_capability(session, name)
    return session


async def utf8_mode(env: Pop3Environment) -> Pop3Session:
    """Return a session in UTF-8 mode, with an international message. Raises Skipped."""
    await env.store.fill(env.user, [INTERNATIONAL])
    session = await announcing(env, b"UTF8")
    reply = await session.command(b"UTF8")
    if reply.err:
        raise Skipped(f"the server refuses UTF8: {reply.line!r}")
    return await env.authenticated(session, env.user)


@POP3.case("pop3/utf8/1", rfc=6856, section="2.1", level=MUST)
async def no_utf8_without_the_command(env: Pop3Environment) -> None:
    """Without the command UTF8 no header with octets above 127 is sent by RETR and TOP."""
    await env.store.fill(env.user, [INTERNATIONAL])
    session = await env.authenticated(await announcing(env, b"UTF8"), env.user)
    for line in (b"RETR 1", b"TOP 1 0"):
        reply = await session.command(line, many=True)
        header = reply.body.partition(b"\r\n\r\n")[0]
        require(header.isascii(), "-ERR, or a header in ASCII", header)


@POP3.case("pop3/utf8/2", rfc=6856, section="2.1", level=MAY)
async def stls_is_refused_after_utf8(env: Pop3Environment) -> Finding:
    """STLS gets -ERR after a successful UTF8."""
    session = await env.require_stls()
    await env.require_capability(session, b"UTF8")
    if (await session.command(b"UTF8")).err:
        raise Skipped("the server refuses UTF8")
    return Finding((await session.command(b"STLS")).err)


@POP3.case("pop3/utf8/3", rfc=6856, section="2.1", level=MUST, implied=True)
async def utf8_shows_the_message_as_it_is(env: Pop3Environment) -> None:
    """After the command UTF8 a message with an international header is sent as it is."""
    session = await utf8_mode(env)
    reply = await session.positive(b"RETR 1", many=True)
    subject = "Subject: Grüße, €".encode()
    require(subject in reply.lines, "the header in UTF-8", reply.body)


@POP3.case("pop3/utf8/4", rfc=6856, section="2.1", level=SHOULD)
async def sizes_are_exact_in_utf8_mode(env: Pop3Environment) -> None:
    """In UTF-8 mode the size in LIST is that of the message that RETR sends."""
    session = await utf8_mode(env)
    size = first_number((await session.listed(b"LIST"))[1])
    body = (await session.positive(b"RETR 1", many=True)).body
    require(size == len(body), f"{len(body)} octets in LIST, as RETR sends them", size)


@POP3.case("pop3/utf8/5", rfc=6856, section="2", level=MUST, implied=True)
async def utf8_is_refused_after_the_login(env: Pop3Environment) -> None:
    """UTF8 is valid in the AUTHORIZATION state only: after the login it gets -ERR."""
    session = await env.authenticated(await announcing(env, b"UTF8"), env.user)
    await session.negative(b"UTF8")


@POP3.case("pop3/utf8/6", rfc=6856, section="2", level=MUST, implied=True)
async def utf8_has_one_argument_in_capa(env: Pop3Environment) -> None:
    """The capability UTF8 has no argument, or USER."""
    session = await env.connect()
    arguments = await env.require_capability(session, b"UTF8")
    require(arguments.strip().upper() in {b"", b"USER"}, "UTF8, or UTF8 USER", arguments)


# LANG


async def languages(env: Pop3Environment) -> tuple[Pop3Session, Reply]:
    """Return a session and the list of its languages. Raises Skipped."""
    session = await announcing(env, b"LANG")
    return session, await session.command(b"LANG", many=True)


@POP3.case("pop3/lang/1", rfc=6856, section="3.2", level=MUST, implied=True)
async def languages_are_listed(env: Pop3Environment) -> None:
    """LANG gets -ERR, or lines with a language tag and perhaps a blank and a text in UTF-8."""
    session, reply = await languages(env)
    for line in reply.lines:
        tag, _, text = line.partition(b" ")
        require(LANGUAGE.fullmatch(tag), "a language tag", line)
        valid = text.decode("utf-8", "replace").encode() == text
        require(valid, "a description in UTF-8", line)
    await session.positive(b"QUIT")


@POP3.case("pop3/lang/2", rfc=6856, section="3.2", level=MUST, implied=True)
async def the_language_is_confirmed(env: Pop3Environment) -> None:
    """LANG with a language that is listed gets +OK, a blank, its tag, and another blank."""
    session, reply = await languages(env)
    if not reply.lines:
        raise Skipped("the server lists no languages")
    tag = reply.lines[0].split(b" ")[0]
    answer = await session.positive(b"LANG " + tag)
    words = answer.line.split(b" ")
    good = len(words) >= 3 and words[1].lower() == tag.lower()
    require(good, f"+OK {tag.decode('ascii', 'replace')} and a blank", answer.line)


@POP3.case("pop3/lang/3", rfc=6856, section="3.2", level=MUST, implied=True)
async def an_unknown_language_is_refused(env: Pop3Environment) -> None:
    """LANG with a language that the server does not have gets -ERR."""
    session = await announcing(env, b"LANG")
    reply = await session.command(b"LANG " + UNKNOWN_LANGUAGE)
    require(reply.err, "-ERR for an unknown language", reply.line, lenient=True)


@POP3.case("pop3/lang/4", rfc=6856, section="3.2", level=MUST, implied=True)
async def the_preferred_language_is_named(env: Pop3Environment) -> None:
    """LANG * gets -ERR, or +OK with the tag of the language that the server prefers."""
    session = await announcing(env, b"LANG")
    reply = await session.command(b"LANG *")
    tag = reply.text.split(b" ")[0]
    require(reply.err or LANGUAGE.fullmatch(tag), "+OK and a language tag", reply.line)
