"""IMAP clients and what they have to wait for: continuation requests, and news while idle."""

from __future__ import annotations

import re
from time import monotonic

from ...servers.mailboxes import Mailbox
from ..connections import Connection
from ..verdicts import MUST, Skipped, fail, require
from ..wire_faults import Answer, Change, Rule, Trigger
from .environment import ClientEnvironment
from .messages import ONE, TWO
from .playing import HOLD, IDLE_CAPABILITIES, IMAP_CAPABILITIES, USER, PlayedImap
from .requirements import require_delivered
from .suite import CLIENT

EIGHT_BIT_PASSWORD = "grüße-4711".encode()
"""A password that LOGIN can send only as a literal."""
IDLE_LIMIT = 25.0
IDLE_PAUSE = 2.0
"""Seconds in which a client that should not use IDLE is watched."""


@CLIENT.case("client/imap/6", rfc=3501, section="4.3", level=MUST)
async def literals_wait_for_the_server(env: ClientEnvironment) -> None:
    """The octets of a literal wait for "+", except for {n+} where LITERAL+ or - is listed."""
    # A client that can do so appends a message. Else its password has 8 bit characters, so that
    # LOGIN needs a literal.
    capabilities = tuple(
        name for name in IMAP_CAPABILITIES if name not in {b"LITERAL+", b"SASL-IR"}
    )
    server = PlayedImap(capabilities=capabilities, hold=HOLD)
    if env.client.template.can("deliver", "append"):
        run = await env.fetch(env.clean_source(ONE), server)
        require_delivered(run, ONE)
    else:
        server.mailbox.append(ONE)
        server.users = {USER: EIGHT_BIT_PASSWORD}
        server.rules = [Answer(rb"(\S+) AUTHENTICATE .*", rb"\1 NO not here\r\n")]
        await env.fetch(server)
    found = [literal for connection in server.connections for literal in literals(connection)]
    if not found:
        raise Skipped("the client sent no literal")
    for announced, early in found:
        require(b"+" not in announced, "{n} where LITERAL+ is not listed", announced)
        require(not early, 'the octets of a literal after "+"', "octets before that")


def literals(connection: Connection) -> list[tuple[bytes, bool]]:
    """Return how each literal was announced, and whether its octets came too early."""
    found: list[tuple[bytes, bool]] = []
    for line, following in zip(connection.lines, connection.lines[1:], strict=False):
        if announced := re.search(rb"\{\d+\+?\}$", line.octets):
            is_text = line.imap == b"APPEND"
            found.append(
                (announced[0], any(connection.early_texts) if is_text else following.early)
            )
    return found


@CLIENT.case("client/imap/10", rfc=2177, section="3", level=MUST)
async def idle_ends_with_done(env: ClientEnvironment) -> None:
    """While IDLE is open only DONE is sent, and IDLE is not sent where it is not listed."""
    # New mail arrives while the client is idle, so that it has something to do.
    env.require(protocol="imap", idle="yes")
    mailbox = Mailbox([ONE])
    news = Trigger(rb"\S+ IDLE", lambda: mailbox.append(TWO))
    source = PlayedImap(mailbox=mailbox, capabilities=IDLE_CAPABILITIES, rules=[news])
    run = await env.fetch(
        source,
        idle="yes",
        until=lambda: bool(news.seen) and not source.left,
        seconds=IDLE_LIMIT,
    )
    if not news.seen:
        raise Skipped("the client did not use IDLE")
    for connection in run.connections:
        for line, following in zip(connection.lines, connection.lines[1:], strict=False):
            if line.imap == b"IDLE" and following.octets.upper() != b"DONE":
                fail("DONE before any other command", following.octets)
    require_delivered(run, ONE, TWO)
    without = PlayedImap(mailbox=Mailbox([ONE]))
    end = monotonic() + IDLE_PAUSE
    run = await env.fetch(
        without,
        idle="yes",
        until=lambda: monotonic() > end and not without.left,
        seconds=IDLE_LIMIT,
    )
    for connection in run.connections:
        sent = b"IDLE" in connection.imap_commands
        require(not sent, "no IDLE where it is not listed", "IDLE was sent")


@CLIENT.case("client/imap/19", rfc=3501, section="7", level=MUST, implied=True)
async def the_greeting_comes_first(env: ClientEnvironment) -> None:
    """No command is sent before the greeting has come: it may be PREAUTH or BYE."""
    run = await env.fetch(PlayedImap(mailbox=Mailbox([ONE]), hold=HOLD))
    for connection in run.connections:
        early = bool(connection.commands) and connection.commands[0].early
        require(not early, "the first command after the greeting", "one before it")
    require_delivered(run, ONE)


@CLIENT.case("client/imap/20", rfc=3501, section="6.2.3", level=MUST, implied=True)
async def a_refused_login_opens_nothing(env: ClientEnvironment) -> None:
    """After a refused login, with an unknown response code too, no mailbox is opened."""
    for code in (b"[AUTHENTICATIONFAILED] ", b"[UNAVAILABLE] ", b"[X-MHTEST] "):
        rules: list[Rule] = [
            Answer(rb"(\S+) (LOGIN|AUTHENTICATE) .*", rb"\1 NO " + code + rb"not now\r\n"),
            Change(rb"AUTH=(PLAIN|LOGIN) ", b""),
        ]
        source = PlayedImap(mailbox=Mailbox([ONE]), rules=rules)
        run = await env.fetch(source)
        for connection in run.connections:
            opened = {b"SELECT", b"EXAMINE", b"STATUS"} & set(connection.imap_commands)
            require(not opened, "no mailbox opened without a login", sorted(opened))
    source = PlayedImap(mailbox=Mailbox([ONE]))
    require_delivered(await env.fetch(source), ONE)
