"""SMTP clients and the mail: how the text travels, and what becomes of refused mail."""

from __future__ import annotations

import re

from ..connections import Connection
from ..verdicts import MUST, Skipped, fail, require
from ..wire_faults import Answer, Change, Cut
from .environment import ClientEnvironment, Run
from .messages import DOTS, EIGHT_BIT, ONE, SENDER, TWO, body_of, id_of, message
from .playing import PlayedPop3, PlayedSmtp, Source
from .requirements import require_delivered, require_end
from .smtp_session import expect_no_delivery, to_sink
from .suite import CLIENT

COMMANDS = frozenset(
    {b"RSET", b"QUIT", b"MAIL", b"RCPT", b"EHLO", b"HELO", b"LHLO", b"NOOP", b"DATA", b"BDAT"}
)
EIGHT_BITS = re.compile(rb"[\x80-\xff]")


@CLIENT.case("client/smtp/2", rfc=5321, section="4.1.1.4", level=MUST, implied=True)
async def the_text_is_stuffed_and_ended(env: ClientEnvironment) -> None:
    """Each line that begins with a dot gets another one; the text ends with CRLF, dot, CRLF."""
    # No empty line is added before the final dot.
    run = await env.deliver(PlayedSmtp(), DOTS)
    require_delivered(run, DOTS)
    for connection in to_sink(run):
        for text in connection.texts:
            if b"<dots@" in text:
                end = bytes(text[-12:])
                require(text.endswith(b"\r\nend\r\n.\r\n"), "the text and then a dot", end)


@CLIENT.case("client/smtp/3", rfc=5321, section="2.3.8", level=MUST)
async def every_line_ends_with_crlf(env: ClientEnvironment) -> None:
    """No bare LF or CR is sent, also where the mail that was fetched has one."""
    if env.sends:
        run = await env.send(PlayedSmtp(), DOTS)
    else:
        run = await env.fetch(with_bare_lf(env), PlayedSmtp())
    require_end(run)
    require(run.delivered, "a delivery", f"none ({run.said})")
    for connection in to_sink(run):
        require_line_ends(connection)


def with_bare_lf(env: ClientEnvironment) -> Source:
    """Return a source with a message that has a bare LF."""
    bare = message("bare", b"first\r\nsecond\nthird\r\n")
    source = env.clean_source(bare)
    if isinstance(source, PlayedPop3):
        # Our server sends CRLF for every line end.
        source.rules = [Change(rb"second\r\n", b"second\n")]
    return source


def require_line_ends(connection: Connection) -> None:
    """Require CRLF for every line end of a connection."""
    if found := re.search(rb".{0,20}((?<!\r)\n|\r(?!\n)).{0,10}", connection.raw, re.DOTALL):
        fail("CRLF as the end of every line", found[0])


@CLIENT.case("client/smtp/5", rfc=5321, section="3.3", level=MUST)
async def no_text_without_354(env: ClientEnvironment) -> None:
    """No text is sent after a reply to DATA other than 354."""
    # No known server says 250, so that a client that takes it for 354 gets a warning.
    for reply in (b"451 4.3.0 not now\r\n", b"554 5.0.0 never\r\n", b"250 2.0.0 strange\r\n"):
        run = await env.deliver(PlayedSmtp(rules=[Answer(rb"DATA", reply)]), ONE)
        require_end(run)
        for connection in to_sink(run):
            for line in connection.commands:
                known = line.verb in COMMANDS
                expected = f"a command after {reply[:3].decode()} to DATA"
                require(known, expected, line.octets, lenient=reply.startswith(b"2"))


@CLIENT.case("client/smtp/7", rfc=5321, section="4.5.5", level=MUST, implied=True)
async def bounces_have_no_sender(env: ClientEnvironment) -> None:
    """A bounce that the client makes of a refused message has MAIL FROM:<>."""
    sink = refusing_sink()
    run = await env.deliver(sink, ONE)
    require_end(run)
    bounces = [received for received in sink.received.messages if SENDER in received.recipients]
    if not bounces:
        raise Skipped("the client sends no bounce")
    for bounce in bounces:
        require(bounce.sender == b"", "MAIL FROM:<> for a bounce", bounce.sender)


def refusing_sink() -> PlayedSmtp:
    """Return a sink that takes mail for nobody but the sender of the mail."""
    only_sender = Answer(rb"RCPT TO: ?<(?!ann@example\.org).*", b"550 5.1.1 no such user here\r\n")
    return PlayedSmtp(rules=[only_sender])


@CLIENT.case("client/smtp/10", rfc=5321, section="4.2.1", level=MUST, implied=True)
async def refused_mail_is_not_lost(env: ClientEnvironment) -> None:
    """After 4yz the mail stays for the next time; after 5yz it stays, is bounced, or reported."""
    # A client that sends mail reports both by its exit status.
    for rule in (
        Answer(rb"RCPT .*", b"451 4.3.0 not now\r\n"),
        Change(rb"^250 2\.0\.0 accepted\r\n", b"451 4.3.0 not now\r\n"),
    ):
        await expect_no_delivery(env, PlayedSmtp(rules=[rule]))
    sink = refusing_sink()
    if env.sends:
        run = await env.send(sink, ONE)
        require_end(run)
        require(run.ended.status, "an exit status that says so", "exit status 0")
        return
    source = env.clean_source(ONE)
    run = await env.fetch(source, sink)
    require_end(run)
    reported = bool(source.left) or bool(run.delivered) or bool(run.ended.status)
    require(reported, "the message at the server, a bounce, or an exit status", "none of these")


@CLIENT.case("client/smtp/12", rfc=6152, section="3", level=MUST, implied=True)
async def eight_bit_text_needs_8bitmime(env: ClientEnvironment) -> None:
    """8 bit text goes with BODY=8BITMIME where that is listed, and converted or not at all else."""
    # Many clients send it as it is to servers that do not list 8BITMIME: a warning.
    run = await env.deliver(PlayedSmtp(extensions={b"8BITMIME": b""}), EIGHT_BIT)
    require_end(run)
    for connection in to_sink(run):
        body = any(b"BODY=8BITMIME" in line.octets.upper() for line in connection.commands)
        raw = any(EIGHT_BITS.search(text) for text in connection.texts)
        require(
            body or not raw, "BODY=8BITMIME for 8 bit text", "8 bit text without it", lenient=True
        )
    run = await env.deliver(PlayedSmtp(extensions={}), EIGHT_BIT)
    require_end(run)
    for connection in to_sink(run):
        raw = any(EIGHT_BITS.search(text) for text in connection.texts)
        require(not raw, "no 8 bit text without 8BITMIME", "8 bit text", lenient=True)


@CLIENT.case("client/smtp/16", rfc=5321, section="4.2.5", level=MUST, implied=True)
async def a_lost_reply_is_no_delivery(env: ClientEnvironment) -> None:
    """Where the connection is lost before the reply to the text, the mail is not taken for sent."""
    await expect_no_delivery(env, PlayedSmtp(rules=[Cut(rb"^250 2\.0\.0 accepted\r\n")]))


@CLIENT.case("client/smtp/17", rfc=5321, section="3.8", level=MUST, implied=True)
async def a_server_may_leave_at_any_time(env: ClientEnvironment) -> None:
    """After 421 to any command no mail is taken for sent."""
    for verb in (b"MAIL", b"RCPT", b"DATA"):
        rule = Answer(verb + rb"\b.*", b"421 4.3.2 closing\r\n", close=True)
        await expect_no_delivery(env, PlayedSmtp(rules=[rule]))


@CLIENT.case("client/smtp/18", rfc=5321, section="2.3.8", level=MUST)
async def a_bare_cr_is_not_passed_on(env: ClientEnvironment) -> None:
    """No bare CR is sent where the mail that was fetched has one."""
    if env.sends:
        raise Skipped("this client fetches no mail")
    strange = message("strange", b"first\r\nsecond\rthird\r\n")
    source = env.clean_source(strange)
    if isinstance(source, PlayedPop3):
        source.rules = [Change(rb"second\r\nthird", b"second\rthird")]
    run = await env.fetch(source, PlayedSmtp())
    require_end(run)
    for connection in to_sink(run):
        require_line_ends(connection)


@CLIENT.case("client/smtp/19", rfc=5321, section="4.5.2", level=MUST, implied=True)
async def one_refused_message_does_not_stop_the_others(env: ClientEnvironment) -> None:
    """After a refused message the next one is a transaction of its own, with its own text."""
    if env.sends:
        raise Skipped("this client sends one message at a time")
    sink = PlayedSmtp(rules=[Answer(rb"DATA", b"554 5.0.0 not this one\r\n", times=1)])
    source = env.clean_source(ONE, TWO)
    run: Run = await env.fetch(source, sink)
    require_end(run)
    for text in run.delivered:
        for whole in (ONE, TWO):
            if id_of(text) == id_of(whole):
                require(body_of(text) == body_of(whole), "each text as it was", body_of(text))
