"""LMTP clients: LHLO, and one reply for each recipient after the text."""

from __future__ import annotations

from contextlib import suppress

from ...protocols.smtp.events import Reply
from ...servers.smtp import MemorySink
from ..verdicts import MUST, require
from ..wire_faults import Answer, Cut
from .environment import ClientEnvironment, clean_sink
from .messages import ONE, to_two
from .playing import PlayedSmtp
from .requirements import require_delivered, require_end
from .smtp_session import to_sink
from .suite import CLIENT

RESERVED_PORT = 25
NOT_NOW = Reply(451, (b"4.3.0 not now",))


def lmtp_sink() -> PlayedSmtp:
    """Return an LMTP server."""
    return clean_sink("lmtp")


@CLIENT.case("client/lmtp/1", rfc=2033, section="4.2", level=MUST)
async def every_recipient_has_its_reply(env: ClientEnvironment) -> None:
    """One reply for each accepted recipient is read; only when all are settled is mail deleted."""
    # The last recipient is refused for now after the text, so that the mail has to stay.
    two = not env.sends and env.client.template.can("recipients", "two")
    sink = lmtp_sink()
    last = b"eva" if two else b"joe"

    def verdict(recipient: bytes) -> Reply:
        return NOT_NOW if recipient.startswith(last) else Reply(250, (b"2.0.0 accepted",))

    sink.received = MemorySink(verdict=verdict)
    text = to_two(ONE) if two else ONE
    if env.sends:
        run = await env.send(sink, text)
        require_end(run)
        require(run.ended.status, "an exit status that says so", "exit status 0")
        return
    source = env.clean_source(text)
    run = await env.fetch(source, sink, recipients="two" if two else "one")
    require_end(run)
    require(source.left, "the message still at the server", "it was deleted")


@CLIENT.case("client/lmtp/2", rfc=2033, section="5", level=MUST)
async def lhlo_is_the_greeting_of_lmtp(env: ClientEnvironment) -> None:
    """LHLO is sent, never EHLO or HELO, and LMTP is not spoken on port 25."""
    # The port is tried only where we may listen on it.
    run = await env.deliver(lmtp_sink(), ONE)
    for connection in to_sink(run):
        wrong = {b"EHLO", b"HELO"} & set(connection.verbs)
        require(not wrong, "LHLO alone", b", ".join(sorted(wrong)))
    require_delivered(run, ONE)
    reserved = lmtp_sink()
    reserved.address = ("127.0.0.1", RESERVED_PORT)
    with suppress(OSError):
        run = await env.deliver(reserved, ONE)
        for connection in reserved.connections:
            require(b"LHLO" not in connection.verbs, "no LHLO on port 25", "LHLO", lenient=True)


@CLIENT.case("client/lmtp/3", rfc=2033, section="4.2", level=MUST, implied=True)
async def a_missing_reply_is_no_delivery(env: ClientEnvironment) -> None:
    """Where the connection is lost before all replies have come, the mail is not deleted."""
    two = not env.sends and env.client.template.can("recipients", "two")
    sink = lmtp_sink()
    first = rb"^250 2\.0\.0 accepted\r\n"
    sink.rules = [Cut(first + rb"(?=250)", b"250 2.0.0 accepted\r\n") if two else Cut(first)]
    source = env.clean_source(to_two(ONE) if two else ONE)
    run = await env.fetch(source, sink, recipients="two" if two else "one")
    require_end(run)
    require(source.left, "the message still at the server", "it was deleted")


@CLIENT.case("client/lmtp/4", rfc=2033, section="4.2", level=MUST, implied=True)
async def refused_recipients_get_no_reply_to_the_text(env: ClientEnvironment) -> None:
    """A recipient that was refused at RCPT has no reply after the text, and mail flows on."""
    # Two messages are sent on one connection: with a reply too many awaited, the second would hang.
    env.require(recipients="two")
    sink = lmtp_sink()
    sink.rules = [Answer(rb"RCPT TO: ?<eva@.*", b"550 5.1.1 no such user\r\n")]
    texts = [to_two(ONE), to_two(ONE).replace(b"<one@", b"<one-more@")]
    run = await env.fetch(env.clean_source(*texts), sink, recipients="two")
    require_delivered(run, *texts)
