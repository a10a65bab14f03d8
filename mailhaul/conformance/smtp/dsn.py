"""The parameters of delivery status notifications (RFC 3461)."""

from __future__ import annotations

from itertools import cycle

from ..verdicts import MUST, SHOULD
from .environment import SmtpEnvironment
from .suite import SMTP


@SMTP.case("smtp/dsn/1", rfc=3461, section="5.1", level=MUST)
async def parameters_of_a_recipient_are_taken(env: SmtpEnvironment) -> None:
    """RCPT with NOTIFY, in each of its forms, and with ORCPT is accepted."""
    session = await env.ready(b"DSN")
    await env.prepare(session, env.mail)
    # Each recipient has parameters of its own: two, so that nobody gets two that contradict.
    recipients = cycle(env.recipients)
    for parameter in (
        *(b"NOTIFY=NEVER", b"NOTIFY=SUCCESS,FAILURE,DELAY", b"notify=failure"),
        *(b"ORCPT=rfc822;Joe+2Bx@example.org", b"ORCPT=rfc822;joe@example.org NOTIFY=DELAY"),
    ):
        await session.positive(b"RCPT TO:<%b> %b" % (next(recipients), parameter))


@SMTP.case("smtp/dsn/2", rfc=3461, section="5.1", level=SHOULD)
async def never_stands_alone(env: SmtpEnvironment) -> None:
    """NOTIFY with NEVER and something else, or with an unknown word, gets 501."""
    session = await env.ready(b"DSN")
    await env.transact(session)
    for value in (b"NEVER,SUCCESS", b"SOMETIMES"):
        await session.refused(env.rcpt + b" NOTIFY=" + value, 501)


@SMTP.case("smtp/dsn/3", rfc=3461, section="5.1", level=MUST)
async def parameters_of_a_sender_are_taken(env: SmtpEnvironment) -> None:
    """MAIL with RET=FULL, RET=HDRS and ENVID is accepted."""
    session = await env.ready(b"DSN")
    await env.transact(session)
    for parameter in (b"RET=FULL", b"RET=HDRS ENVID=QQ314159", b"ret=hdrs", b"ENVID=a+2Bb+3Dc"):
        await session.positive(b"RSET")
        await session.positive(env.mail + b" " + parameter)


@SMTP.case("smtp/dsn/4", rfc=3461, section="5.1", level=MUST)
async def ret_has_two_values(env: SmtpEnvironment) -> None:
    """MAIL with another value of RET gets 501."""
    session = await env.ready(b"DSN")
    # 501 MUST come for a value that "is not valid (i.e., contains illegal characters)": whether
    # that means another word too is not clear.
    await session.refused(env.mail + b" RET=SOME", 501, lenient=True)


@SMTP.case("smtp/dsn/5", rfc=3461, section="4.2", level=MUST, implied=True)
async def a_long_original_recipient_is_taken(env: SmtpEnvironment) -> None:
    """RCPT with an ORCPT of 500 octets is accepted, and MAIL with an ENVID of 100."""
    session = await env.ready(b"DSN")
    await env.transact(session)
    original = b"rfc822;" + b"x" * (500 - len(b"rfc822;@example.org")) + b"@example.org"
    # The parameter may be so long, but servers have limits for local parts.
    await session.positive(env.rcpt + b" ORCPT=" + original, lenient=True)
    await session.positive(b"RSET")
    await session.positive(env.mail + b" ENVID=" + b"x" * 100)
