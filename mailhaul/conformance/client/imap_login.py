"""IMAP clients before a mailbox is open: greetings, capabilities, logins and TLS."""

from __future__ import annotations

import re

from ...servers.mailboxes import Mailbox
from ..connections import Connection
from ..verdicts import MUST, fail, require
from ..wire_faults import Answer, Change
from .environment import ClientEnvironment
from .messages import ONE
from .playing import IMAP_CAPABILITIES, PlayedImap
from .requirements import (
    IMAP_LOGINS,
    require_delivered,
    require_end,
    require_no_login,
)
from .suite import CLIENT

ANYWHERE = frozenset({b"CAPABILITY", b"NOOP", b"LOGOUT", b"STARTTLS", b"ID"})
"""Commands that touch no mail."""
NEEDED = {
    b"ID": b"ID",
    b"ENABLE": b"ENABLE",
    b"NAMESPACE": b"NAMESPACE",
    b"IDLE": b"IDLE",
    b"UNSELECT": b"UNSELECT",
    b"MOVE": b"MOVE",
    b"UID MOVE": b"MOVE",
    b"UID EXPUNGE": b"UIDPLUS",
}
"""The capability that each command needs."""


@CLIENT.case("client/imap/1", rfc=3501, section="7.1.4", level=MUST, implied=True)
async def a_preauthenticated_session_needs_no_login(env: ClientEnvironment) -> None:
    """After a PREAUTH greeting no LOGIN is sent, and the mail is fetched."""
    # A client that always wants to log in, and gives up here, gets a warning.
    run = await env.fetch(PlayedImap(mailbox=Mailbox([ONE]), preauth=True))
    require_no_login(run, "after PREAUTH")
    if run.ended.status and not run.delivered:
        fail("the delivery of the mail", f"none ({run.said})", lenient=True)
    require_delivered(run, ONE)


@CLIENT.case("client/imap/2", rfc=3501, section="6.2.1", level=MUST, implied=True)
async def preauth_cannot_replace_tls(env: ClientEnvironment) -> None:
    """Where TLS is demanded a client gives up after PREAUTH, before any command for mail."""
    # STARTTLS is possible only before the login, so that the session would stay in the clear.
    source = PlayedImap(mailbox=Mailbox([ONE]), preauth=True, tls="starttls")
    run = await env.fetch(source)
    require_end(run)
    for connection in run.connections:
        sent = [name for name in connection.imap_commands if name not in ANYWHERE]
        require(not sent, "no command for mail in the clear", b", ".join(sent))
    require(not run.delivered, "no mail fetched in the clear", f"{len(run.delivered)} messages")


@CLIENT.case("client/imap/3", rfc=3501, section="7.2.1", level=MUST)
async def login_may_be_disabled(env: ClientEnvironment) -> None:
    """LOGIN is not sent where the server announces LOGINDISABLED."""
    capabilities = (*IMAP_CAPABILITIES, b"LOGINDISABLED")
    no_mechanisms = Change(rb"AUTH=(PLAIN|LOGIN) ", b"")
    refusal = Answer(rb"(\S+) (LOGIN|AUTHENTICATE) .*", rb"\1 NO disabled\r\n")
    source = PlayedImap(
        mailbox=Mailbox([ONE]), capabilities=capabilities, rules=[no_mechanisms, refusal]
    )
    run = await env.fetch(source)
    require_end(run)
    for connection in run.connections:
        require(b"LOGIN" not in connection.imap_commands, "no LOGIN", "LOGIN was sent")


@CLIENT.case("client/imap/4", rfc=3501, section="6.2.1", level=MUST)
async def capabilities_from_before_tls_are_forgotten(env: ClientEnvironment) -> None:
    """After STARTTLS nothing is used that was announced only before the handshake."""
    # In the second part a list of capabilities is injected before the handshake.
    everything = b" ".join(sorted(IMAP_CAPABILITIES)) + b" AUTH=PLAIN AUTH=LOGIN"
    injected = rb"* CAPABILITY IMAP4REV1 " + everything + rb"\r\n"
    bare = [
        Change(rb"CAPABILITY IMAP4REV1 [^\r\]]*", b"CAPABILITY IMAP4REV1", inside=True),
        Change(rb"(\S+) OK \[CAPABILITY [^\]]*\] done", rb"\1 OK done", inside=True),
    ]
    injection = Change(rb"(begin TLS now\r\n)$", rb"\1" + injected)
    for rules in (bare, [*bare, injection]):
        source = PlayedImap(mailbox=Mailbox([ONE]), rules=rules, tls="starttls")
        run = await env.fetch(source)
        require_end(run)
        for connection in run.connections:
            require_nothing_unannounced(connection)


def require_nothing_unannounced(connection: Connection) -> None:
    """Require that inside TLS no extension is used: the server announces none."""
    for line in connection.commands:
        if not line.tls:
            continue
        name = line.imap
        needed = NEEDED.get(name) or (b"AUTH=" if name == b"AUTHENTICATE" else b"")
        if needed:
            fail(f"no {name.decode()} inside TLS, where it is not announced", "it was sent")
        if re.search(rb"\{\d+\+\}$", line.octets):
            fail("no literal without waiting: LITERAL+ is not announced inside TLS", "{n+}")


@CLIENT.case("client/imap/13", rfc=3501, section="7.1.5", level=MUST, implied=True)
async def bye_as_a_greeting_refuses_the_connection(env: ClientEnvironment) -> None:
    """After BYE as the greeting no login is sent, and the next start tries again."""
    refusal = Change(rb"^\* OK \[[^\]]*\] ready\r\n", b"* BYE come back later\r\n")
    source = PlayedImap(mailbox=Mailbox([ONE]), rules=[refusal])
    run = await env.fetch(source)
    require_end(run)
    for connection in run.connections:
        sent = [name for name in connection.imap_commands if name in IMAP_LOGINS]
        require(not sent, "no login after BYE", b", ".join(sent))
    source.rules = []
    require_delivered(await env.fetch(source, again=True), ONE)


@CLIENT.case("client/imap/14", rfc=3501, section="6.3.1", level=MUST, implied=True)
async def without_a_mailbox_there_is_no_mail(env: ClientEnvironment) -> None:
    """After a refused SELECT or EXAMINE no command is sent that needs an open mailbox."""
    refusal = Answer(rb"(\S+) (SELECT|EXAMINE) .*", rb"\1 NO no such mailbox\r\n")
    source = PlayedImap(mailbox=Mailbox([ONE]), rules=[refusal])
    run = await env.fetch(source)
    require_end(run)
    in_mailbox = {b"FETCH", b"STORE", b"COPY", b"SEARCH", b"EXPUNGE", b"CLOSE", b"CHECK", b"MOVE"}
    for connection in run.connections:
        # Before the refusal came, they may have been sent together with SELECT (5.5).
        later = [line.imap for line in connection.commands if not line.early]
        sent = [name for name in later if name.removeprefix(b"UID ") in in_mailbox]
        require(not sent, "no command for an open mailbox", b", ".join(sent))
