"""Commands in groups (RFC 2920, section 3.2)."""

from __future__ import annotations

from ..verdicts import MUST, SHOULD, require
from .environment import SmtpEnvironment
from .messages import stuffed
from .session import Reply, require_refusal
from .suite import SMTP

MALFORMED = b"RCPT TO:<unclosed"


def refused_rcpt(env: SmtpEnvironment) -> bytes:
    """Return a RCPT command that is refused: of an unknown mailbox, or malformed."""
    unknown = env.target.unknown_recipient
    return b"RCPT TO:<%b>" % unknown if unknown else MALFORMED


def shape(replies: list[Reply]) -> str:
    """Return the first digits of replies."""
    return " ".join(reply.lines[0][:1].decode("ascii") for reply in replies)


@SMTP.case("smtp/pipe/1", rfc=2920, section="3.2", level=MUST)
async def a_group_is_answered_in_order(env: SmtpEnvironment) -> None:
    """MAIL, three RCPT of which the second is wrong, and DATA in one segment: five replies."""
    session = await env.ready(b"PIPELINING")
    replies = await session.together(env.mail, env.rcpt, refused_rcpt(env), env.rcpt, b"DATA")
    found = shape(replies).replace("4", "5")
    require(found == "2 2 5 2 3", "2yz, 2yz, a refusal, 2yz and 354", ", ".join(map(str, replies)))
    await session.send(stuffed(env.message()) + b".\r\n")
    reply = await session.reply(b"the text")
    require(reply.positive, "2yz as the reply to the text", reply)


@SMTP.case("smtp/pipe/2", rfc=2920, section="3.2", level=MUST)
async def commands_after_a_text_are_not_lost(env: SmtpEnvironment) -> None:
    """Commands that follow the end of a text in the same segment are carried out."""
    session = await env.ready(b"PIPELINING")
    await env.begin_data(session)
    following = (env.mail, env.rcpt, b"RSET", b"QUIT")
    lines = b"".join(line + b"\r\n" for line in following)
    await session.send(stuffed(env.message()) + b".\r\n" + lines)
    reply = await session.reply(b"the text")
    require(reply.positive, "2yz as the reply to the text", reply)
    replies = await session.replies(*following)
    codes = shape(replies), replies[-1].code
    require(codes == ("2 2 2 2", 221), "four times 2yz, the last one 221", replies[-1])


@SMTP.case("smtp/pipe/3", rfc=2920, section="3.2", level=SHOULD)
async def data_without_recipients_is_refused(env: SmtpEnvironment) -> None:
    """DATA in a group in which every RCPT was refused is refused, or a lone dot after it is."""
    session = await env.ready(b"PIPELINING")
    wrong = refused_rcpt(env)
    *_, reply = await session.together(env.mail, wrong, wrong, b"DATA")
    if reply.code == 354:
        reply = await session.command(b".")
    require(reply.refused, "no 354, or a refusal after a lone dot", reply)


@SMTP.case("smtp/pipe/4", rfc=2920, section="3.2", level=MUST)
async def replies_do_not_wait_for_more_commands(env: SmtpEnvironment) -> None:
    """When nothing more has come all pending replies are sent, though a group may go on."""
    session = await env.ready(b"PIPELINING")
    for group in ((env.mail, env.rcpt), (env.rcpt,), (b"RSET",)):
        for reply in await session.together(*group):
            require(reply.positive, "2yz at once as the reply to each command", reply)


@SMTP.case("smtp/pipe/5", rfc=2920, section="3.2", level=MUST)
async def a_long_group_is_answered(env: SmtpEnvironment) -> None:
    """MAIL and 100 RCPT in one segment, of which one is wrong, get their replies in order."""
    session = await env.ready(b"PIPELINING")
    group = (env.mail, *[env.rcpt] * 60, MALFORMED, *[env.rcpt] * 39)
    found = shape(await session.together(*group)).replace("4", "5")
    wanted = " ".join(["2"] * 61 + ["5"] + ["2"] * 39)
    require(found == wanted, "61 times 2yz, a refusal, and 39 times 2yz", found)


@SMTP.case("smtp/pipe/6", rfc=2920, section="3.2", level=MUST)
async def a_command_may_come_in_pieces(env: SmtpEnvironment) -> None:
    """A group that is cut inside a command, and between CR and LF, is read as if it was whole."""
    session = await env.ready(b"PIPELINING")
    group = b"%b\r\n%b\r\nRSET\r\n" % (env.mail, env.rcpt)
    first = group.index(b"\r\n") + 1
    for piece in (group[:3], group[3:first], group[first : first + 5], group[first + 5 :]):
        await session.send(piece)
    replies = await session.replies(env.mail, env.rcpt, b"RSET")
    require(shape(replies) == "2 2 2", "three times 2yz", ", ".join(map(str, replies)))


@SMTP.case("smtp/pipe/7", rfc=2920, section="3.2", level=MUST)
async def a_refused_mail_refuses_its_group(env: SmtpEnvironment) -> None:
    """After a refused MAIL the RCPT and DATA of its group are refused, and the session goes on."""
    session = await env.ready(b"PIPELINING")
    replies = await session.together(b"MAIL FROM:<unclosed", env.rcpt, b"DATA")
    for reply, what in zip(replies, ("MAIL", "RCPT", "DATA"), strict=True):
        if what == "DATA" and reply.code == 354:
            require_refusal(await session.command(b"."), "a dot after DATA without a sender")
        else:
            require_refusal(reply, f"{what} in a group with a wrong MAIL")
    await session.positive(b"RSET")
