"""The text of a message: dots, state, trace fields, what is stored (RFC 5321, 4.1.1.4, 4.4)."""

from __future__ import annotations

import re

from ..verdicts import MUST, SHOULD, SetUpFailed, require
from .environment import SmtpEnvironment
from .messages import FIELD, body_of, stuffed
from .session import require_refusal
from .suite import SMTP

OLD_TRACE = b"Received: from a.example.org by b.example.org; Mon, 5 Jan 2026 09:59:00 +0000\r\n"
HOPS = 90
"""Received fields with which a message is no loop: a limit should be 100 or more."""
STAMP = re.compile(rb"Received:.*?\sby\s.*;[^;]+", re.IGNORECASE | re.DOTALL)
"""A Received field: the word "by", and after a semicolon the time (RFC 5321, 4.4)."""


@SMTP.case("smtp/data/1", rfc=5321, section="3.3", level=MUST, implied=True)
async def data_needs_a_recipient(env: SmtpEnvironment) -> None:
    """Without MAIL, or without an accepted RCPT, DATA or the text after it is refused."""
    for line in (b"NOOP", env.mail):
        session = await env.ready()
        await env.prepare(session, line)
        reply = await session.command(b"DATA")
        begun = reply.code == 354
        if begun:
            # "The server MAY return" one of the codes at once. What a lone dot gets is not said:
            # RFC 2920, 3.2 only wants that nothing is sent to anybody.
            reply = await session.command(b".")
        require_refusal(reply, "DATA without a recipient", 503, 554, lenient=begun)


@SMTP.case("smtp/data/2", rfc=5321, section="4.5.2", level=MUST, implied=True)
async def stuffed_dots_are_removed(env: SmtpEnvironment) -> None:
    """Lines that begin with a dot are stored as they were before dots were added."""
    env.need_store()
    body = b".\r\n..\r\n.x\r\n...\r\nend\r\n"
    reply = await env.submit(await env.ready(), env.message(body))
    require(reply.positive, "2yz as the reply to a text with dots", reply)
    stored = body_of(await env.delivered())
    require(stored == body, "the body as it was sent", stored)


@SMTP.case("smtp/data/5", rfc=5321, section="4.4", level=MUST)
async def a_received_field_is_added_on_top(env: SmtpEnvironment) -> None:
    """A message gets a Received field above its header, and those it had stay as they were."""
    env.need_store()
    reply = await env.submit(await env.ready(), OLD_TRACE + env.message())
    require(reply.positive, "2yz as the reply to a text", reply)
    text = await env.delivered()
    place = text.find(OLD_TRACE)
    require(place >= 0, "the Received field of the message, unchanged", text)
    require(b"received:" in b"\n" + text[:place].lower(), "a Received field above it", text)


@SMTP.case("smtp/trace/1", rfc=5321, section="4.4", level=MUST, implied=True)
async def a_received_field_says_by_whom_and_when(env: SmtpEnvironment) -> None:
    """The Received field that is added names the server after "by", and ends with the time."""
    env.need_store()
    reply = await env.submit(await env.ready(), env.message())
    require(reply.positive, "2yz as the reply to a text", reply)
    above = (await env.delivered()).partition(FIELD)[0]
    fields = re.split(rb"\r\n(?![ \t])", above)
    stamps = [field for field in fields if field.lower().startswith(b"received:")]
    require(stamps, "a Received field above the header", above)
    for stamp in stamps:
        require(STAMP.fullmatch(stamp), '"by", and a time after a semicolon', stamp)


@SMTP.case("smtp/trace/2", rfc=5321, section="4.4", level=MUST)
async def the_final_server_keeps_the_sender(env: SmtpEnvironment) -> None:
    """The server that delivers puts the sender into a Return-Path field above the header."""
    env.need_store()
    reply = await env.submit(await env.ready(), env.message())
    require(reply.positive, "2yz as the reply to a text", reply)
    above = (await env.delivered()).partition(FIELD)[0]
    wanted = b"return-path: <%b>" % env.sender.lower()
    # Some stores keep it elsewhere, and the sender may be rewritten on the way.
    require(
        wanted in re.sub(rb"\s+", b" ", above).lower(),
        f"Return-Path: <{env.sender.decode('ascii', 'replace')}>",
        above,
        lenient=True,
    )


@SMTP.case("smtp/loop/1", rfc=5321, section="6.3", level=SHOULD)
async def ninety_hops_are_no_loop(env: SmtpEnvironment) -> None:
    """A message with 90 Received fields is not taken for a loop."""
    env.need_store()
    reply = await env.submit(await env.ready(), env.message(fields=OLD_TRACE * HOPS))
    require(reply.positive, f"2yz as the reply to a text with {HOPS} Received fields", reply)
    require(await env.settled(), "the message in the mailbox", "none")


@SMTP.case("smtp/data/6", rfc=5321, section="4.1.1.4", level=MUST)
async def a_text_ends_its_transaction(env: SmtpEnvironment) -> None:
    """After the reply to the text there is no transaction: RCPT and DATA get 503."""
    session = await env.ready()
    await env.submit(session, env.message())
    await session.out_of_order(env.rcpt)
    await session.refused(b"DATA", 503, 554)


@SMTP.case("smtp/data/7", rfc=5321, section="4.1.1.4", level=MUST, implied=True)
async def the_first_dot_may_end_the_text(env: SmtpEnvironment) -> None:
    """A dot as the first line after 354 ends the text: it gets one reply, and NOOP the next."""
    session = await env.ready()
    await env.begin_data(session)
    # An empty message may be refused.
    await session.command(b".")
    reply = await session.command(b"NOOP")
    require(reply.code == 250, "250 as the reply to NOOP", reply)


@SMTP.case("smtp/data/8", rfc=5321, section="4.1.1.4", level=MUST, implied=True)
async def commands_in_a_text_are_text(env: SmtpEnvironment) -> None:
    """Lines of a text that look like commands, such as QUIT, get no reply and do nothing."""
    session = await env.ready()
    text = env.message(b"NOOP\r\nRSET\r\nQUIT\r\nDATA\r\n")
    reply = await env.submit(session, text)
    require(reply.code == 250, "250 as the only reply to a text", reply)
    reply = await session.command(b"QUIT")
    require(reply.code == 221, "221 as the reply to QUIT", reply)


@SMTP.case("smtp/data/9", rfc=5321, section="4.1.1.4", level=MUST, implied=True)
async def a_session_has_many_transactions(env: SmtpEnvironment) -> None:
    """Two messages in one session are stored as two, each with its own text."""
    env.need_store()
    session = await env.ready()
    for body in (b"first\r\n", b"second\r\n"):
        reply = await env.submit(session, env.message(body))
        require(reply.positive, "2yz as the reply to a text", reply)
    bodies = sorted(body_of(text) for text in await env.stored(2))
    if not bodies:
        raise SetUpFailed(f"mail for {env.recipient!r} does not arrive in the store")
    require(bodies == [b"first\r\n", b"second\r\n"], "two messages in the mailbox", bodies)


@SMTP.case("smtp/quit/2", rfc=5321, section="4.1.1.10", level=MUST)
async def a_text_without_end_is_not_delivered(env: SmtpEnvironment) -> None:
    """If the connection is dropped before the final dot, nothing is delivered."""
    env.need_store()
    session = await env.ready()
    await env.begin_data(session)
    await session.send(stuffed(env.message()))
    await session.close()
    await env.require_nothing_stored()
