"""Content and addresses beyond ASCII (RFC 6152, RFC 6531)."""

from __future__ import annotations

from ..verdicts import MUST, require
from .environment import SmtpEnvironment
from .messages import body_of
from .session import require_refusal
from .suite import SMTP

NAME = "grüße".encode()
"""A local part beyond ASCII."""


@SMTP.case("smtp/8bit/1", rfc=6152, section="3", level=MUST, implied=True)
async def eight_bit_content_is_kept(env: SmtpEnvironment) -> None:
    """Content that is submitted with BODY=8BITMIME is stored with its high bits."""
    env.need_store()
    session = await env.ready(b"8BITMIME")
    body = "Grüße, €\r\n".encode()
    fields = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    text = env.message(body, fields + b"Content-Transfer-Encoding: 8bit\r\n")
    reply = await env.submit(session, text, parameters=b" BODY=8BITMIME")
    require(reply.positive, "2yz as the reply to the text", reply)
    stored = body_of(await env.delivered())
    require(stored == body, "the body as it was sent", stored)


@SMTP.case("smtp/8bit/2", rfc=6152, section="2", level=MUST, implied=True)
async def a_body_has_a_known_type(env: SmtpEnvironment) -> None:
    """MAIL with BODY=7BIT and BODY=8BITMIME is accepted, and with an unknown type refused."""
    session = await env.ready(b"8BITMIME")
    await env.transact(session)
    for value in (b"7BIT", b"8BITMIME", b"8bitmime"):
        await session.positive(b"RSET")
        await session.positive(env.mail + b" BODY=" + value)
    await session.positive(b"RSET")
    await session.refused(env.mail + b" BODY=XMHTEST")


@SMTP.case("smtp/utf8/1", rfc=6531, section="3.4", level=MUST, implied=True)
async def addresses_beyond_ascii_are_understood(env: SmtpEnvironment) -> None:
    """With SMTPUTF8 after MAIL a recipient beyond ASCII is not refused as wrong syntax."""
    session = await env.ready(b"SMTPUTF8")
    await env.prepare(session, env.mail + b" SMTPUTF8")
    await session.understood(b"RCPT TO:<%b@%b>" % (NAME, env.domain))
    await session.positive(b"RSET")
    await session.understood(b"MAIL FROM:<%b@%b> SMTPUTF8" % (NAME, env.domain))


@SMTP.case("smtp/utf8/2", rfc=6531, section="3.5", level=MUST, implied=True)
async def addresses_beyond_ascii_need_the_parameter(env: SmtpEnvironment) -> None:
    """Without SMTPUTF8 after MAIL such a sender gets 550, and such a recipient 553."""
    session = await env.ready(b"SMTPUTF8")
    for line in (
        b"MAIL FROM:<%b@%b>" % (NAME, env.domain),
        b"RCPT TO:<%b@%b>" % (NAME, env.domain),
    ):
        if line.startswith(b"RCPT"):
            await env.prepare(session, env.mail)
        reply = await session.command(line)
        verb = line[:4].decode("ascii")
        # Servers exist that take them from clients older than the extension.
        require(reply.refused, f"550 or 553 as the reply to {verb}", reply, lenient=True)
        require_refusal(reply, verb, 550, 553)


@SMTP.case("smtp/utf8/3", rfc=6531, section="3.1", level=MUST)
async def smtputf8_comes_with_8bitmime(env: SmtpEnvironment) -> None:
    """A server that announces SMTPUTF8 announces 8BITMIME too, and SMTPUTF8 without parameters."""
    session = await env.greeted(b"SMTPUTF8")
    listed = b", ".join(sorted(session.extensions))
    require(b"8BITMIME" in session.extensions, "8BITMIME in the list", listed)
    value = session.extensions[b"SMTPUTF8"]
    require(not value, "no parameter after SMTPUTF8", value)


@SMTP.case("smtp/utf8/4", rfc=6531, section="3.4", level=MUST, implied=True)
async def smtputf8_has_no_value(env: SmtpEnvironment) -> None:
    """MAIL with a value of SMTPUTF8 is refused."""
    session = await env.ready(b"SMTPUTF8")
    reply = await session.command(env.mail + b" SMTPUTF8=yes")
    require(reply.refused, "a refusal of SMTPUTF8=yes", reply, lenient=True)


@SMTP.case("smtp/utf8/5", rfc=6531, section="3.1", level=MUST, implied=True)
async def headers_beyond_ascii_are_kept(env: SmtpEnvironment) -> None:
    """A message with UTF-8 in its header, submitted with SMTPUTF8, is stored as it was."""
    env.need_store()
    session = await env.ready(b"SMTPUTF8", b"8BITMIME")
    field = "X-Greeting: Grüße, €\r\n".encode()
    text = env.message(fields=field)
    reply = await env.submit(session, text, parameters=b" BODY=8BITMIME SMTPUTF8")
    require(reply.positive, "2yz as the reply to the text", reply)
    stored = await env.delivered()
    require(field in stored, "the header field as it was sent", stored)
