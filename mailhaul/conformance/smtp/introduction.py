"""EHLO and HELO (RFC 5321, 2.4, 3.2, 4.1.1.1 and 4.1.4)."""

from __future__ import annotations

import re

from ..verdicts import MUST, Skipped, require
from .environment import SmtpEnvironment
from .greeting import HOST
from .suite import SMTP

KEYWORD_LINE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9-]*(?: [!-~]+)*")
"""A keyword and its parameters (RFC 5321, 4.1.1.1)."""
OLD_AUTH = re.compile(rb"AUTH=[ -~]*", re.IGNORECASE)
"""A line that some servers add for clients older than RFC 4954."""


@SMTP.case("smtp/ehlo/1", rfc=5321, section="4.1.1.1", level=MUST)
async def ehlo_lists_extensions(env: SmtpEnvironment) -> None:
    """The reply to EHLO is 250, the server's name first, then a keyword in each line."""
    session = await env.connect()
    reply = await session.command(env.introduction)
    require(reply.code == 250, f"250 as the reply to {env.hello.decode('ascii')}", reply)
    name = reply.texts[0].split(b" ")[0]
    require(HOST.fullmatch(name), "the server's name first", reply.lines[0])
    for line in reply.texts[1:]:
        require(
            KEYWORD_LINE.fullmatch(line),
            "a keyword and its parameters, one blank before each",
            line,
            lenient=OLD_AUTH.fullmatch(line) is not None,
        )


@SMTP.case("smtp/ehlo/2", rfc=5321, section="3.2", level=MUST)
async def helo_lists_no_extensions(env: SmtpEnvironment) -> None:
    """HELO gets 250, and no list of keywords."""
    extensions = (await env.greeted()).extensions
    session = await env.connect()
    reply = await session.positive(b"HELO " + env.target.client_name)
    require(reply.code == 250, "250 as the reply to HELO", reply)
    listed = [text for text in reply.texts[1:] if text.split(b" ")[0].upper() in extensions]
    require(not listed, "no keywords in the reply to HELO", reply)
    require(len(reply.lines) == 1, "one line as the reply to HELO", reply, lenient=True)


@SMTP.case("smtp/ehlo/3", rfc=5321, section="4.1.4", level=MUST)
async def ehlo_clears_a_transaction(env: SmtpEnvironment) -> None:
    """EHLO inside a transaction clears it, as RSET does: RCPT then gets 503."""
    session = await env.ready()
    await env.transact(session)
    # A server need not accept a second EHLO.
    await session.positive(env.introduction, lenient=True)
    await session.out_of_order(env.rcpt)


@SMTP.case(
    "smtp/ehlo/4",
    rfc=5321,
    section="4.1.4",
    level=MUST,
    note="Many servers check the name on purpose; that is only a warning.",
)
async def an_unknown_client_name_is_no_reason_to_refuse(env: SmtpEnvironment) -> None:
    """A message is not refused because the name after EHLO does not resolve."""
    session = await env.ready()
    await env.transact(session)
    session = await env.connect()
    await session.positive(env.hello + b" conformance.invalid", lenient=True)
    if env.target.login_first:
        await env.log_in(session)
    for line in (env.mail, env.rcpt):
        await session.positive(line, lenient=True)


@SMTP.case("smtp/ehlo/5", rfc=5321, section="4.1.1.1", level=MUST)
async def an_address_literal_is_a_client_name(env: SmtpEnvironment) -> None:
    """EHLO with an IPv4 address literal is accepted."""
    session = await env.connect()
    await session.positive(env.hello + b" [127.0.0.1]")


@SMTP.case("smtp/ehlo/6", rfc=5321, section="4.1.3", level=MUST, implied=True)
async def an_ipv6_literal_is_a_client_name(env: SmtpEnvironment) -> None:
    """EHLO with an IPv6 address literal is accepted."""
    session = await env.connect()
    await session.positive(env.hello + b" [IPv6:::1]")


@SMTP.case("smtp/ehlo/7", rfc=5321, section="4.1.1.1", level=MUST, implied=True)
async def ehlo_needs_a_name(env: SmtpEnvironment) -> None:
    """EHLO without a name gets 501."""
    session = await env.connect()
    reply = await session.command(env.hello)
    # Servers exist that take it, and there is no harm in that.
    require(reply.refused, "501 as the reply to EHLO without a name", reply, lenient=True)
    require(reply.code == 501, "501 as the reply to EHLO without a name", reply, lenient=True)


@SMTP.case("smtp/ehlo/8", rfc=5321, section="4.1.1.1", level=MUST)
async def helo_is_enough_for_a_transaction(env: SmtpEnvironment) -> None:
    """Servers support HELO: MAIL and RCPT are accepted after it."""
    session = await env.ready()
    await env.transact(session)
    session = await env.connect()
    await session.positive(b"HELO " + env.target.client_name)
    if env.target.login_first:
        raise Skipped("mail needs a login, and AUTH needs EHLO")
    await session.positive(env.mail)
    await session.positive(env.rcpt)


@SMTP.case("smtp/case/1", rfc=5321, section="2.4", level=MUST, implied=True)
async def verbs_are_case_insensitive(env: SmtpEnvironment) -> None:
    """Verbs and keywords work in any mixture of upper and lower case."""
    await env.transact(await env.ready())
    session = await env.connect()
    await session.positive(b"eHLo " + env.target.client_name)
    if env.target.login_first:
        await env.introduce(session)
        await env.log_in(session)
    await session.positive(b"mAiL fRoM:<%b>" % env.sender)
    await session.positive(b"rCpT tO:<%b>" % env.recipient)
    for line in (b"rSeT", b"nOoP", b"qUiT"):
        await session.positive(line)
