"""LHLO, and what an LMTP server announces (RFC 2033, 4.1 and 5)."""

from __future__ import annotations

from ..smtp.greeting import HOST
from ..smtp.introduction import KEYWORD_LINE
from ..smtp.tls import require_no_injection
from ..verdicts import MUST, Skipped, require
from .session import LmtpEnvironment
from .suite import LMTP


@LMTP.case("lmtp/lhlo/1", rfc=2033, section="4.1", level=MUST)
async def ehlo_and_helo_are_refused(env: LmtpEnvironment) -> None:
    """EHLO and HELO are refused: they never get 250."""
    for verb in (b"EHLO", b"HELO"):
        session = await env.connect()
        await session.refused(b"%b %b" % (verb, env.target.client_name))


@LMTP.case("lmtp/lhlo/2", rfc=2033, section="4.1", level=MUST, implied=True)
async def lhlo_is_answered_like_ehlo(env: LmtpEnvironment) -> None:
    """LHLO gets 250 with the server's name first, then a keyword in each line."""
    session = await env.connect()
    reply = await session.command(env.introduction)
    require(reply.code == 250, "250 as the reply to LHLO", reply)
    name = reply.texts[0].split(b" ")[0]
    require(HOST.fullmatch(name), "the server's name first", reply.lines[0])
    for line in reply.texts[1:]:
        require(KEYWORD_LINE.fullmatch(line), "a keyword and its parameters", line)


@LMTP.case("lmtp/lhlo/3", rfc=2033, section="4.1", level=MUST, implied=True)
async def lhlo_clears_a_transaction(env: LmtpEnvironment) -> None:
    """LHLO inside a transaction clears it, as EHLO does in SMTP: RCPT then gets 503."""
    session = await env.ready()
    await env.transact(session)
    await session.positive(env.introduction)
    await session.out_of_order(env.rcpt)


@LMTP.case("lmtp/ext/1", rfc=2033, section="5", level=MUST)
async def some_extensions_are_required(env: LmtpEnvironment) -> None:
    """PIPELINING and ENHANCEDSTATUSCODES are announced, and 8BITMIME should be."""
    extensions = (await env.greeted()).extensions
    listed = ", ".join(name.decode("ascii", "replace") for name in sorted(extensions))
    for name in (b"PIPELINING", b"ENHANCEDSTATUSCODES"):
        require(name in extensions, f"{name.decode('ascii')} in the list", listed)
    require(b"8BITMIME" in extensions, "8BITMIME in the list", listed, lenient=True)


@LMTP.case("lmtp/esc/1", rfc=2034, section="4", level=MUST, implied=True)
async def each_reply_has_an_enhanced_status_code(env: LmtpEnvironment) -> None:
    """With ENHANCEDSTATUSCODES the reply for each recipient begins with a code of its class."""
    session = await env.ready(b"ENHANCEDSTATUSCODES")
    for reply in await env.deliver(session, *env.two_recipients):
        require(reply.enhanced[0] == reply.lines[0][:1], "an enhanced status code", reply)


@LMTP.case("lmtp/port/1", rfc=2033, section="5", level=MUST)
async def lmtp_is_not_offered_on_port_25(env: LmtpEnvironment) -> None:
    """The server on port 25 does not speak LMTP: LHLO is refused."""
    if not env.target.port25:
        raise Skipped("the port is not 25")
    session = await env.connect()
    await session.refused(env.introduction)


@LMTP.case("lmtp/tls/1", rfc=3207, section="4.2", level=MUST)
async def tls_begins_a_new_session(env: LmtpEnvironment) -> None:
    """After STARTTLS in LMTP the state is as new: STARTTLS is not listed, MAIL needs LHLO."""
    first = await env.welcomed()
    needs_lhlo = not (await first.command(env.mail)).positive
    session = await env.in_clear(b"STARTTLS")
    await env.start_tls(session)
    # A server that takes MAIL after its greeting may do so after the handshake.
    if needs_lhlo:
        await session.refused(env.mail)
    reply = await env.introduce(session)
    require(b"STARTTLS" not in session.extensions, "no STARTTLS in the list inside TLS", reply)


@LMTP.case("lmtp/tls/2", rfc=3207, section="4.2", level=MUST)
async def commands_in_the_clear_are_not_run_inside_tls(env: LmtpEnvironment) -> None:
    """Commands that follow STARTTLS in the same segment are not carried out after the handshake."""
    await require_no_injection(env)
