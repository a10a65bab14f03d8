"""MAIL and RCPT: order, addresses and parameters (RFC 5321, 3.3, 4.1.1, 4.1.2, 4.5.1)."""

from __future__ import annotations

from ..verdicts import MUST, SHOULD, require
from .environment import SmtpEnvironment
from .suite import SMTP


@SMTP.case("smtp/mail/1", rfc=5321, section="4.1.4", level=MUST)
async def mail_comes_after_ehlo(env: SmtpEnvironment) -> None:
    """MAIL before EHLO or HELO gets 503."""
    session = await env.connect()
    reply = await session.command(env.mail)
    # The duty to introduce itself is the client's, and many servers do not insist.
    require(reply.refused, "503 as the reply to MAIL before EHLO", reply, lenient=True)
    require(reply.code == 503, "503 as the reply to MAIL before EHLO", reply, lenient=True)


@SMTP.case("smtp/mail/2", rfc=5321, section="4.1.4", level=MUST, implied=True)
async def a_transaction_has_one_mail(env: SmtpEnvironment) -> None:
    """A second MAIL in an open transaction gets 503."""
    session = await env.ready()
    await env.prepare(session, env.mail)
    await session.out_of_order(env.mail)


@SMTP.case("smtp/mail/3", rfc=5321, section="4.5.5", level=MUST, implied=True)
async def the_null_sender_is_accepted(env: SmtpEnvironment) -> None:
    """MAIL FROM:<> is accepted, since reports of failures come from it."""
    session = await env.ready()
    # A server for submissions may have its own rules for senders.
    await session.positive(b"MAIL FROM:<>", lenient=env.target.login_first)
    await session.positive(env.rcpt, lenient=env.target.login_first)


@SMTP.case("smtp/mail/4", rfc=5321, section="4.1.1.11", level=SHOULD, implied=True)
async def an_unknown_parameter_gets_555(env: SmtpEnvironment) -> None:
    """MAIL with a parameter that no announced extension has gets 555."""
    session = await env.ready()
    await session.refused(env.mail + b" XMHTEST=1", 555)


@SMTP.case("smtp/rcpt/1", rfc=5321, section="3.3", level=MUST)
async def rcpt_comes_after_mail(env: SmtpEnvironment) -> None:
    """RCPT before MAIL gets 503."""
    session = await env.ready()
    await session.out_of_order(env.rcpt)


@SMTP.case("smtp/rcpt/2", rfc=5321, section="4.5.1", level=MUST)
async def postmaster_needs_no_domain(env: SmtpEnvironment) -> None:
    """RCPT TO:<Postmaster> is accepted, in upper and lower case."""
    session = await env.ready()
    await env.prepare(session, env.mail)
    for name in (b"Postmaster", b"postmaster", b"POSTMASTER"):
        reply = await session.command(b"RCPT TO:<%b>" % name)
        # A refusal for now, such as greylisting, is no refusal of this mailbox.
        require(reply.positive, "2yz as the reply to RCPT", reply, lenient=400 <= reply.code < 500)


@SMTP.case("smtp/rcpt/3", rfc=5321, section="4.1.1.3", level=MUST)
async def a_source_route_is_understood(env: SmtpEnvironment) -> None:
    """A source route is ignored, or the recipient is refused by policy, not as wrong syntax."""
    session = await env.ready()
    await env.prepare(session, env.mail)
    await session.understood(b"RCPT TO:<@a.example.org,@b.example.org:%b>" % env.recipient)


@SMTP.case("smtp/rcpt/6", rfc=5321, section="4.1.2", level=MUST, implied=True)
async def a_quoted_local_part_is_one_word(env: SmtpEnvironment) -> None:
    """A quoted local part with a blank is an address, not two words."""
    session = await env.ready()
    await env.prepare(session, env.mail)
    # "A host SHOULD avoid" such mailboxes, and some servers refuse them all on purpose by 501.
    await session.understood(b'RCPT TO:<"a b"@%b>' % env.domain, lenient=True)


@SMTP.case("smtp/rcpt/7", rfc=5321, section="4.1.2", level=MUST, implied=True)
async def a_quoted_bracket_ends_no_address(env: SmtpEnvironment) -> None:
    """A quoted local part with ">" and an escaped quote is an address as a whole."""
    session = await env.ready()
    await env.prepare(session, env.mail)
    await session.understood(b'RCPT TO:<"a>\\"b"@%b>' % env.domain, lenient=True)


@SMTP.case("smtp/rcpt/8", rfc=5321, section="4.1.1.3", level=MUST, implied=True)
async def a_recipient_is_not_null(env: SmtpEnvironment) -> None:
    """RCPT TO:<> is refused: only a sender may be null."""
    session = await env.ready()
    await env.prepare(session, env.mail)
    await session.refused(b"RCPT TO:<>")


@SMTP.case("smtp/rcpt/9", rfc=5321, section="4.1.1.11", level=SHOULD, implied=True)
async def an_unknown_parameter_of_rcpt_gets_555(env: SmtpEnvironment) -> None:
    """RCPT with a parameter that no announced extension has gets 555."""
    session = await env.ready()
    await env.prepare(session, env.mail)
    await session.refused(env.rcpt + b" XMHTEST=1", 555)


@SMTP.case("smtp/rcpt/10", rfc=5321, section="4.5.1", level=MUST)
async def postmaster_of_a_domain_is_accepted(env: SmtpEnvironment) -> None:
    """Mail for postmaster is accepted in the domain for which the server takes mail."""
    session = await env.ready()
    await env.prepare(session, env.mail)
    reply = await session.command(b"RCPT TO:<postmaster@%b>" % env.domain)
    require(reply.positive, "2yz as the reply to RCPT", reply, lenient=400 <= reply.code < 500)


@SMTP.case("smtp/rcpt/11", rfc=5321, section="3.3", level=MUST, implied=True)
async def a_refused_recipient_does_not_end_the_transaction(env: SmtpEnvironment) -> None:
    """After a refused RCPT the next recipient is accepted, and so is DATA."""
    unknown = env.unknown_recipient
    session = await env.ready()
    await env.prepare(session, env.mail)
    await session.refused(b"RCPT TO:<%b>" % unknown)
    await session.positive(env.rcpt)
    reply = await session.command(b"DATA")
    require(reply.code == 354, "354 as the reply to DATA", reply)
