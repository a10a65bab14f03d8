"""A reply for each recipient after the text, by DATA and by BDAT (RFC 2033, 4.2 and 4.3)."""

from __future__ import annotations

from ..smtp.chunking import bdat
from ..smtp.messages import stuffed
from ..smtp.session import Reply
from ..verdicts import MUST, SetUpFailed, require
from .session import LmtpEnvironment, replies_for
from .suite import LMTP

NO_SPACE = frozenset({452, 552})
"""The codes of a mailbox that is full."""


def require_delivery(reply: Reply) -> None:
    """Require 2yz for a recipient. Raises SetUpFailed if its mailbox is full."""
    if reply.code in NO_SPACE:
        raise SetUpFailed(f"the server has no space for a message: {reply}")
    require(reply.positive, "2yz for each recipient", reply)


@LMTP.case("lmtp/data/1", rfc=2033, section="4.2", level=MUST)
async def each_recipient_has_its_reply(env: LmtpEnvironment) -> None:
    """After the text there is one reply for each RCPT that was accepted, in their order."""
    first, second = env.two_recipients
    session = await env.ready()
    await env.transact(session, first)
    await session.refused(b"RCPT TO:<%b>" % env.unknown_recipient)
    accepted = [first]
    if failing := env.target.failing_recipient:
        await env.prepare(session, b"RCPT TO:<%b>" % failing)
        accepted.append(failing)
    await env.prepare(session, b"RCPT TO:<%b>" % second)
    accepted.append(second)
    await env.prepare(session, b"DATA", 354)
    await session.send(stuffed(env.message()) + b".\r\n")
    for recipient, reply in zip(accepted, await replies_for(session, accepted), strict=True):
        if recipient == failing:
            require(reply.refused, f"a refusal for {recipient.decode()}", reply)
        else:
            require(reply.positive, f"2yz for {recipient.decode()}", reply)
    following = await session.command(b"QUIT")
    require(following.code == 221, "221 as the reply to QUIT after the last one", following)


@LMTP.case("lmtp/data/2", rfc=2033, section="4.2", level=MUST)
async def data_needs_a_recipient(env: LmtpEnvironment) -> None:
    """Without an accepted RCPT DATA gets 503."""
    session = await env.ready()
    await env.prepare(session, env.mail)
    reply = await session.command(b"DATA")
    require(reply.refused, "503 as the reply to DATA", reply)
    require(reply.code == 503, "503 as the reply to DATA", reply, lenient=True)


@LMTP.case("lmtp/data/3", rfc=2033, section="4.2", level=MUST, implied=True)
async def the_same_recipient_twice_has_two_replies(env: LmtpEnvironment) -> None:
    """A recipient that was named twice gets two replies after the text."""
    session = await env.ready()
    await env.deliver(session, env.recipient, env.recipient)
    following = await session.command(b"QUIT")
    require(following.code == 221, "two replies to the text, then 221 to QUIT", following)


@LMTP.case("lmtp/data/4", rfc=2033, section="4.2", level=MUST, implied=True)
async def a_failure_does_not_stop_the_others(env: LmtpEnvironment) -> None:
    """When the delivery to one recipient fails, the others get the message."""
    env.need_store()
    session = await env.ready()
    failed, reply = await env.deliver(session, env.failing_recipient, env.recipient)
    require(failed.refused, "a refusal for the recipient that fails", failed)
    require(reply.positive, "2yz for the other recipient", reply)
    require(await env.settled(), "the message in the other mailbox", "none")


@LMTP.case("lmtp/data/5", rfc=2033, section="4.2", level=MUST, implied=True)
async def commands_after_a_text_are_not_lost(env: LmtpEnvironment) -> None:
    """A next transaction in the same segment is carried out after the replies for the first."""
    both = env.two_recipients
    session = await env.ready(b"PIPELINING")
    await env.begin_data(session, *both)
    following = (env.mail, env.rcpt, b"RSET", b"QUIT")
    lines = b"".join(line + b"\r\n" for line in following)
    await session.send(stuffed(env.message()) + b".\r\n" + lines)
    for reply in await replies_for(session, both):
        require_delivery(reply)
    replies = await session.replies(*following)
    for reply in replies:
        require(reply.positive, "2yz for each command", reply)
    require(replies[-1].code == 221, "221 as the last reply", replies[-1])


@LMTP.case("lmtp/data/6", rfc=2033, section="4.2", level=MUST, implied=True)
async def a_text_without_end_is_not_delivered(env: LmtpEnvironment) -> None:
    """If the connection is dropped before the final dot, nothing is delivered to anybody."""
    env.need_store()
    session = await env.ready()
    await env.begin_data(session)
    await session.send(stuffed(env.message()))
    await session.close()
    await env.require_nothing_stored()


@LMTP.case("lmtp/data/7", rfc=2033, section="4.2", level=MUST, implied=True)
async def replies_end_the_transaction(env: LmtpEnvironment) -> None:
    """After the replies for all recipients there is no transaction: RCPT gets 503."""
    session = await env.ready()
    await env.deliver(session, env.recipient)
    await session.out_of_order(env.rcpt)


@LMTP.case("lmtp/bdat/1", rfc=2033, section="4.3", level=MUST)
async def the_last_chunk_has_a_reply_for_each_recipient(env: LmtpEnvironment) -> None:
    """BDAT LAST gets one reply for each recipient, and every chunk before it gets one."""
    both = env.two_recipients
    session = await env.ready(b"CHUNKING")
    await env.transact(session, *both)
    text = env.message()
    for chunk in (text[:30], text[30:]):
        await session.send(bdat(chunk))
        reply = await session.reply(b"BDAT")
        require(reply.positive, "2yz as the reply to BDAT", reply)
    await session.send(bdat(b"", last=True))
    for reply in await replies_for(session, both):
        require_delivery(reply)
    following = await session.command(b"QUIT")
    require(following.code == 221, "221 as the reply to QUIT after the last one", following)


@LMTP.case("lmtp/bdat/2", rfc=2033, section="4.3", level=MUST, implied=True)
async def chunks_go_in_one_segment(env: LmtpEnvironment) -> None:
    """With PIPELINING a whole transaction by BDAT in one segment is answered in order."""
    both = env.two_recipients
    session = await env.ready(b"CHUNKING", b"PIPELINING")
    text = env.message()
    commands = (env.mail, *[b"RCPT TO:<%b>" % recipient for recipient in both])
    lines = b"".join(line + b"\r\n" for line in commands)
    await session.send(lines + bdat(text[:30]) + bdat(text[30:], last=True))
    for reply in await session.replies(*commands, b"BDAT"):
        require(reply.positive, "2yz for each command", reply)
    for reply in await replies_for(session, both):
        require_delivery(reply)


@LMTP.case("lmtp/bdat/3", rfc=2033, section="4.3", level=MUST, implied=True)
async def chunks_for_the_same_recipient_twice(env: LmtpEnvironment) -> None:
    """BDAT LAST gets two replies for a recipient that was named twice."""
    twice = [env.recipient] * 2
    session = await env.ready(b"CHUNKING")
    await env.transact(session, *twice)
    await session.send(bdat(env.message(), last=True))
    await replies_for(session, twice)
    following = await session.command(b"QUIT")
    require(following.code == 221, "two replies to BDAT, then 221 to QUIT", following)


@LMTP.case("lmtp/bdat/4", rfc=2033, section="4.3", level=MUST, implied=True)
async def the_last_chunk_for_nobody_has_no_reply(env: LmtpEnvironment) -> None:
    """BDAT LAST after MAIL gets no reply if no RCPT was accepted."""
    session = await env.ready(b"CHUNKING")
    await env.prepare(session, env.mail)
    await session.send(bdat(env.message(), last=True))
    reply = await session.command(b"QUIT")
    # Many servers refuse it as SMTP servers do, and clients have to be ready for that.
    require(reply.code == 221, "no reply to BDAT LAST, then 221 to QUIT", reply, lenient=True)
