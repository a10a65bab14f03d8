"""AUTH: logins, refusals and what follows them (RFC 4954)."""

from __future__ import annotations

from base64 import b64encode

from ..environment import User
from ..verdicts import MAY, MUST, SHOULD, Finding, Skipped, require
from .environment import SmtpEnvironment, offers, plain
from .session import SmtpSession, require_refusal
from .suite import SMTP

TRIES = 3
"""Failures after which a server may close (RFC 4954, section 9)."""
LONG_RESPONSE = 12288
"""Octets of a response that are enough for all mechanisms (RFC 4954, section 4)."""


async def with_plain(env: SmtpEnvironment) -> SmtpSession:
    """Return a session after EHLO with AUTH PLAIN. Raises Skipped if it is not announced."""
    session = await env.greeted(b"AUTH")
    if not offers(session, b"PLAIN"):
        raise Skipped("the server does not announce AUTH PLAIN")
    return session


async def challenged(session: SmtpSession) -> None:
    """Send AUTH PLAIN, and require an empty challenge."""
    reply = await session.command(b"AUTH PLAIN")
    require(reply.code == 334, "334 as the reply to AUTH PLAIN", reply)


def wrong(user: User) -> bytes:
    """Return the message of PLAIN with a wrong password."""
    return plain(User(user.name, user.password + b"-wrong"))


@SMTP.case("smtp/auth/1", rfc=4954, section="4", level=MUST)
async def plain_logs_in(env: SmtpEnvironment) -> None:
    """AUTH PLAIN with and without an initial response gets 235; the empty challenge is "334 "."""
    session = await with_plain(env)
    reply = await session.command(b"AUTH PLAIN " + plain(env.user))
    require(reply.code == 235, "235 as the reply to AUTH PLAIN", reply)
    session = await with_plain(env)
    challenge = await session.command(b"AUTH PLAIN")
    require(challenge.code == 334, "334 as the reply to AUTH PLAIN", challenge)
    reply = await session.command(plain(env.user))
    require(reply.code == 235, "235 as the reply to the response", reply)
    # "Go ahead" after 334 is not base64, and clients that decode it have to cancel.
    require(challenge.lines == (b"334 ",), '"334 " and nothing else', challenge, lenient=True)


@SMTP.case("smtp/auth/2", rfc=4954, section="4", level=MUST)
async def a_session_has_one_login(env: SmtpEnvironment) -> None:
    """AUTH after a success, and AUTH in a transaction, get 503."""
    session = await with_plain(env)
    await env.log_in(session)
    await session.out_of_order(b"AUTH PLAIN " + plain(env.user))
    session = await with_plain(env)
    if not (await session.command(env.mail)).positive:
        raise Skipped("the server takes no MAIL before a login")
    await session.out_of_order(b"AUTH PLAIN " + plain(env.user))


@SMTP.case("smtp/auth/3", rfc=4954, section="4", level=MUST)
async def a_cancelled_exchange_gets_501(env: SmtpEnvironment) -> None:
    """The response "*", and responses that are not base64, get 501."""
    for response in (b"*", b"not base64!", b"=AAA", b"AAA=BBB="):
        session = await with_plain(env)
        await challenged(session)
        reply = await session.command(response)
        expected = f"501 as the reply to the response {response.decode('ascii')}"
        require(reply.refused, expected, reply)
        require(reply.code == 501, expected, reply, lenient=response != b"*")


@SMTP.case("smtp/auth/4", rfc=4954, section="4", level=SHOULD)
async def three_tries_are_allowed(env: SmtpEnvironment) -> None:
    """A wrong password gets 535, and the connection stays open for three tries."""
    session = await with_plain(env)
    for _ in range(TRIES):
        reply = await session.command(b"AUTH PLAIN " + wrong(env.user))
        require(reply.code == 535, "535 as the reply to a wrong password", reply)


@SMTP.case("smtp/auth/5", rfc=4954, section="5", level=MUST)
async def the_submitter_is_named_without_a_login(env: SmtpEnvironment) -> None:
    """MAIL with AUTH=<> or AUTH= and an address is accepted, without a login too."""
    session = await env.greeted(b"AUTH")
    if not (await session.command(env.mail)).positive:
        raise Skipped("the server takes no MAIL before a login")
    for value in (b"<>", b"e+3Dmc2@example.com"):
        await session.positive(b"RSET")
        await session.positive(env.mail + b" AUTH=" + value)


@SMTP.case("smtp/auth/6", rfc=4954, section="6", level=SHOULD)
async def mail_that_needs_a_login_gets_530(env: SmtpEnvironment) -> None:
    """Where mail needs a login it gets 530 without one."""
    session = await env.greeted(b"AUTH")
    for line in (env.mail, env.rcpt):
        reply = await session.command(line)
        if not reply.positive:
            break
    else:
        raise Skipped("the server takes mail for this recipient without a login")
    session = await env.authenticated()
    await env.transact(session)
    require(reply.code == 530, "530 as the reply without a login", reply)


@SMTP.case("smtp/auth/7", rfc=4954, section="4", level=MUST, implied=True)
async def an_unknown_mechanism_gets_504(env: SmtpEnvironment) -> None:
    """AUTH with a mechanism that is not supported gets 504, and the session goes on."""
    session = await env.greeted(b"AUTH")
    await session.refused(b"AUTH XMHTEST", 504)
    await session.positive(b"NOOP")


@SMTP.case("smtp/auth/8", rfc=4954, section="4", level=MUST, implied=True)
async def an_equals_sign_is_an_empty_response(env: SmtpEnvironment) -> None:
    """AUTH PLAIN with "=" has an initial response that is empty: it is refused, not challenged."""
    session = await with_plain(env)
    reply = await session.command(b"AUTH PLAIN =")
    require_refusal(reply, "AUTH PLAIN with an empty response")


@SMTP.case("smtp/auth/9", rfc=4954, section="4", level=MUST, implied=True)
async def a_failure_does_not_spoil_the_session(env: SmtpEnvironment) -> None:
    """After a wrong password and a cancelled exchange the right password logs in."""
    session = await with_plain(env)
    await session.refused(b"AUTH PLAIN " + wrong(env.user))
    await challenged(session)
    await session.refused(b"*")
    reply = await session.command(b"AUTH PLAIN " + plain(env.user))
    require(reply.code == 235, "235 as the reply to the right password", reply)


@SMTP.case("smtp/auth/10", rfc=4954, section="4", level=MUST, implied=True)
async def a_long_response_is_read(env: SmtpEnvironment) -> None:
    """A response of 12288 octets is not too long, and none of it is taken for a command."""
    session = await with_plain(env)
    await challenged(session)
    reply = await session.command(b64encode(b"\0" + b"x" * (LONG_RESPONSE * 3 // 4 - 1)))
    require_refusal(reply, "a long response of PLAIN without a password")
    # The number is advice, and PLAIN alone needs less.
    require(reply.code != 500, "no 500 as the reply to 12288 octets", reply, lenient=True)
    await session.positive(b"NOOP")


@SMTP.case("smtp/auth/11", rfc=4954, section="4", level=MUST)
async def a_server_that_speaks_first_takes_no_initial_response(env: SmtpEnvironment) -> None:
    """AUTH CRAM-MD5 with an initial response gets 501."""
    session = await env.greeted(b"AUTH")
    if not offers(session, b"CRAM-MD5"):
        raise Skipped("the server does not announce AUTH CRAM-MD5")
    await session.refused(b"AUTH CRAM-MD5 " + b64encode(b"joe"), 501)


@SMTP.case("smtp/auth/12", rfc=4954, section="8", level=MAY)
async def mechanisms_may_be_in_lower_case(env: SmtpEnvironment) -> Finding:
    """The name of a mechanism works in lower case."""
    # sasl-mech comes from RFC 4422, 3.1, whose grammar has upper-case letters only.
    session = await with_plain(env)
    reply = await session.command(b"AUTH plain " + plain(env.user))
    return Finding(reply.code == 235, str(reply))
