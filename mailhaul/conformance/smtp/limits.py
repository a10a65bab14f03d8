"""What a server has to take: sizes of addresses, lines, texts, and lists (RFC 5321, 4.5.3.1)."""

from __future__ import annotations

from ..verdicts import MUST, SHOULD, Skipped, require
from .environment import SmtpEnvironment
from .messages import body_of, stuffed
from .session import Reply, SmtpSession, named
from .suite import SMTP

LONGEST_LINE = 512
"""Octets of a command line, its line end included (RFC 5321, 4.5.3.1.4)."""
MANY_RECIPIENTS = 1100
"""Recipients after which a server is taken to have no limit."""


@SMTP.case("smtp/limit/1", rfc=5321, section="4.5.3.1.1", level=MUST, implied=True)
async def a_local_part_of_64_octets_is_taken(env: SmtpEnvironment) -> None:
    """An address with a local part of 64 octets is understood."""
    session = await env.ready()
    await env.prepare(session, env.mail)
    await session.understood(b"RCPT TO:<%b@%b>" % (b"x" * 64, env.domain))


@SMTP.case("smtp/limit/2", rfc=5321, section="4.5.3.1.4", level=MUST, implied=True)
async def a_command_line_of_512_octets_is_taken(env: SmtpEnvironment) -> None:
    """A command line of 512 octets with its line end gets the reply of a short one."""
    session = await env.greeted()
    for verb in (b"NOOP ", b"VRFY "):
        short = await session.command(verb + b"x")
        if short.code in {250, 252, 550, 551, 553}:
            break
    else:
        raise Skipped(f"neither NOOP nor VRFY takes a word: {short}")
    long = await session.command(verb + b"x" * (LONGEST_LINE - len(verb) - 2))
    require(
        long.lines[0][:1] == short.lines[0][:1] and long.code != 500,
        f"{short.code} as the reply to {verb.decode('ascii')}and a long word",
        long,
    )


@SMTP.case("smtp/limit/3", rfc=5321, section="4.5.3.1.6", level=MUST, implied=True)
async def a_text_line_of_1000_octets_is_taken(env: SmtpEnvironment) -> None:
    """A text line of 1000 octets with its line end is accepted and delivered whole."""
    env.need_store()
    line = b"x" * 998 + b"\r\n"
    reply = await env.submit(await env.ready(), env.message(line))
    require(reply.positive, "2yz as the reply to a text with a line of 1000 octets", reply)
    body = body_of(await env.delivered())
    require(line in body, "the line of 998 octets and CRLF as it was sent", body)


@SMTP.case("smtp/limit/4", rfc=5321, section="4.5.3.1.3", level=MUST, implied=True)
async def a_path_of_256_octets_is_taken(env: SmtpEnvironment) -> None:
    """A path of 256 octets, with its brackets, is understood."""
    session = await env.ready()
    await env.prepare(session, env.mail)
    labels = b".".join([b"d" * 60] * 3)
    domain = labels + b"." + b"d" * (256 - 2 - len(b"user@") - len(labels) - 1 - 4) + b".org"
    await session.understood(b"RCPT TO:<user@%b>" % domain)


@SMTP.case("smtp/limit/5", rfc=5321, section="4.5.3.1.7", level=MUST, implied=True)
async def a_text_of_64_thousand_octets_is_taken(env: SmtpEnvironment) -> None:
    """A message of 64K octets is accepted."""
    line = b"x" * 70 + b"\r\n"
    body = line * ((64 * 1024 - len(env.message(b""))) // len(line))
    reply = await env.submit(await env.ready(), env.message(body))
    require(reply.positive, "2yz as the reply to a text of 64K octets", reply)


@SMTP.case("smtp/rcpt/4", rfc=5321, section="4.5.3.1.8", level=MUST)
async def a_hundred_recipients_are_taken(env: SmtpEnvironment) -> None:
    """A transaction takes 100 recipients."""
    session = await env.ready()
    await env.transact(session)
    for number in range(1, 100):
        reply = await session.command(env.rcpt)
        require(reply.positive, f"2yz as the reply to recipient {number + 1} of 100", reply)


async def fill_recipients(env: SmtpEnvironment, session: SmtpSession) -> Reply:
    """Send RCPT until the server takes no more; return its refusal. Raises Skipped."""
    together = 50 if b"PIPELINING" in session.extensions else 1
    for _ in range(0, MANY_RECIPIENTS, together):
        replies = await session.together(*[env.rcpt] * together)
        if refusals := [reply for reply in replies if not reply.positive]:
            return refusals[0]
    raise Skipped(f"the server takes {MANY_RECIPIENTS} recipients")


@SMTP.case("smtp/rcpt/5", rfc=5321, section="4.5.3.1.10", level=SHOULD, implied=True)
async def one_recipient_too_many_gets_452(env: SmtpEnvironment) -> None:
    """Above its limit of recipients the server says 452, and delivers to those before."""
    session = await env.ready()
    await env.prepare(session, env.mail)
    refusal = await fill_recipients(env, session)
    require(refusal.code == 452, f"452 as the reply to {named(env.rcpt)}", refusal)
    reply = await session.command(b"DATA")
    require(reply.code == 354, "354 as the reply to DATA", reply)
    await session.send(stuffed(env.message()) + b".\r\n")
    reply = await session.reply(b"the text")
    require(reply.positive, "2yz as the reply to the text", reply)
